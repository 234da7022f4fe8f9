/** Building a machine from the stream of snapshot-format.ts. Whatever does not check is refused, and says what and where. */
import { crc32 } from 'node:zlib';
import type { Slot } from '../contract/ballot.ts';
import { readSafeInteger as u64 } from '../storage/safe-integer.ts';
import { type KeyText, keyText } from './ordered-map.ts';
import { MAX_BOOTS_PER_ORIGIN, type Sessions } from './sessions.ts';
import {
  DELETION_BYTES,
  END_BYTES,
  HEADER_BYTES,
  MAX_RECORD_BYTES,
  MAX_SEQUENCES_PER_RECORD,
  PAIR_BYTES,
  RECORD_HEADER_BYTES,
  recordKind,
  SESSION_BYTES,
  SNAPSHOT_FORMAT,
  SnapshotFormatError,
} from './snapshot-format.ts';
import type { SnapshotSchedule } from './snapshot-schedule.ts';
import type { Store } from './store.ts';
import { isDeletion, isKept, isLastKept, type Version } from './versions.ts';

/** Empty parts of a machine, to be filled. */
export interface MachineParts {
  readonly store: Store;
  readonly sessions: Sessions;
  readonly schedule: SnapshotSchedule;
}

/** Fills the parts; gives the slot. Throws SnapshotFormatError, and whatever reading the chunks throws. */
export async function restoreParts(
  parts: MachineParts,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<Slot> {
  const builder = new Builder(parts);
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const present = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    // What is left over is copied: the chunk is the caller's.
    rest = Buffer.from(present.subarray(builder.take(present)));
  }
  return builder.finish(rest.length);
}

class Builder {
  readonly #parts: MachineParts;
  /** Of the stream, in front of what `take` was given. */
  #offset = 0;
  #crc = 0;
  #slot: Slot = 0;
  #isEnded = false;
  #revision = 0;
  #compactedUpTo = -1;
  #keys = 0;
  #versions = 0;
  #session: { origin: number; boot: number; floor: number; last: number } | null = null;
  #bootsOfOrigin = new Set<number>();
  #key: Uint8Array | null = null;
  #keyText: KeyText = '';
  #newer: Version | null = null;

  constructor(parts: MachineParts) {
    this.#parts = parts;
  }

  /** Takes all whole records; gives how many bytes they are. */
  take(bytes: Buffer): number {
    let at = 0;
    let summed = 0;
    while (bytes.length - at >= RECORD_HEADER_BYTES) {
      const kind = bytes[at] as number;
      const length = bytes.readUInt32LE(at + 1);
      if (length > MAX_RECORD_BYTES) this.#refuse(`a record claims ${length} bytes`, at);
      const start = at + RECORD_HEADER_BYTES;
      if (bytes.length - start < length) break;
      if (this.#isEnded) this.#refuse('a record stands behind the end', at);
      if (kind === recordKind.end) {
        this.#crc = crc32(bytes.subarray(summed, at), this.#crc);
        summed = at;
      }
      this.#record(kind, bytes.subarray(start, start + length), at);
      at = start + length;
    }
    this.#crc = crc32(bytes.subarray(summed, at), this.#crc);
    this.#offset += at;
    return at;
  }

  finish(leftOver: number): Slot {
    if (!this.#isEnded) this.#refuse('the stream is cut short', leftOver);
    if (leftOver > 0) this.#refuse(`${leftOver} bytes stand behind the end`, 0);
    return this.#slot;
  }

  #record(kind: number, payload: Buffer, at: number): void {
    if ((kind === recordKind.header) !== (this.#revision === 0)) this.#refuse('the header is not the first record', at);
    const flaw = this.#flawOf(kind, payload);
    if (flaw !== null) this.#refuse(flaw, at);
  }

  /** Takes the record, or says what is wrong with it. */
  #flawOf(kind: number, payload: Buffer): string | null {
    switch (kind) {
      case recordKind.header:
        return this.#header(payload);
      case recordKind.session:
        return this.#startSession(payload);
      case recordKind.sequences:
        return this.#sequences(payload);
      case recordKind.key:
        return this.#startKey(payload);
      case recordKind.pair:
        return this.#pair(payload);
      case recordKind.deletion:
        return this.#deletion(payload);
      case recordKind.end:
        return this.#end(payload);
      default:
        return `${kind} is no kind of record`;
    }
  }

  #header(payload: Buffer): string | null {
    if (payload.length < 4) return 'the header is too short';
    const format = payload.readUInt32LE(0);
    if (format !== SNAPSHOT_FORMAT)
      return `it has format ${format}, and this version of Synod reads format ${SNAPSHOT_FORMAT}`;
    if (payload.length !== HEADER_BYTES) return 'the header has a wrong length';
    const slot = u64(payload, 4);
    const revision = u64(payload, 12);
    const compacted = u64(payload, 20);
    const storedBytes = u64(payload, 32);
    const lastDueSlot = u64(payload, 40);
    const bytesThen = u64(payload, 48);
    const bytesSince = u64(payload, 56);
    if ([slot, revision, compacted, storedBytes, lastDueSlot, bytesThen, bytesSince].some(Number.isNaN))
      return 'a number in the header is beyond 2^53 - 1';
    if (revision < 1 || compacted > revision + 1 || lastDueSlot > slot) return 'the header contradicts itself';
    this.#slot = slot;
    this.#revision = revision;
    this.#compactedUpTo = compacted - 1;
    const { store, schedule } = this.#parts;
    store.restoreState({ revision, compactedUpTo: compacted - 1, hash: payload.readUInt32LE(28), storedBytes });
    schedule.restore({ lastDueSlot, bytesThen, bytesSince });
    return null;
  }

  #startSession(payload: Buffer): string | null {
    if (payload.length !== SESSION_BYTES || this.#key !== null) return 'a session is out of place';
    const origin = payload.readUInt16LE(0);
    const boot = u64(payload, 2);
    const floor = u64(payload, 10);
    if (Number.isNaN(boot) || Number.isNaN(floor)) return 'a number in a session is beyond 2^53 - 1';
    if (this.#session === null || origin > this.#session.origin) this.#bootsOfOrigin.clear();
    else if (origin < this.#session.origin) return 'sessions are out of order';
    if (this.#bootsOfOrigin.has(boot) || this.#bootsOfOrigin.size === MAX_BOOTS_PER_ORIGIN)
      return 'an origin has a session twice, or too many';
    this.#bootsOfOrigin.add(boot);
    this.#session = { origin, boot, floor, last: floor - 1 };
    this.#parts.sessions.restore({ origin, boot, floor, applied: new Float64Array(0) });
    return null;
  }

  #sequences(payload: Buffer): string | null {
    const session = this.#session;
    if (session === null || this.#key !== null || payload.length % 8 !== 0) return 'sequences are out of place';
    const count = payload.length / 8;
    if (count > MAX_SEQUENCES_PER_RECORD) return 'too many sequences';
    const applied = Float64Array.from({ length: count }, (_, index) => u64(payload, index * 8));
    for (const sequence of applied) {
      if (!(sequence > session.last)) return 'sequences are out of order';
      session.last = sequence;
    }
    this.#parts.sessions.restore({ ...session, applied });
    return null;
  }

  #startKey(payload: Buffer): string | null {
    if (this.#key !== null && this.#newer === null) return 'a key has no versions';
    const text = keyText(payload);
    if (text <= this.#keyText) return 'keys are out of order';
    // The payload's memory may be the caller's.
    this.#key = new Uint8Array(payload);
    this.#keyText = text;
    this.#newer = null;
    this.#keys++;
    return null;
  }

  #pair(payload: Buffer): string | null {
    if (payload.length < PAIR_BYTES) return 'a pair is too short';
    const revision = u64(payload, 0);
    const createRevision = u64(payload, 8);
    const version = u64(payload, 16);
    const isPossible = createRevision > 1 && createRevision <= revision && version >= 1;
    if (!isPossible || version > revision) return 'a pair contradicts itself';
    const lease = payload.readBigInt64LE(24);
    return this.#version({ revision, createRevision, version, lease }, payload.subarray(PAIR_BYTES));
  }

  #deletion(payload: Buffer): string | null {
    if (payload.length !== DELETION_BYTES) return 'a deletion has a wrong length';
    return this.#version(
      { revision: u64(payload, 0), createRevision: 0, version: 0, lease: 0n },
      payload.subarray(DELETION_BYTES),
    );
  }

  #version(
    fields: { revision: number; createRevision: number; version: number; lease: bigint },
    value: Uint8Array,
  ): string | null {
    const newer = this.#newer;
    if (this.#key === null) return 'a version has no key';
    if (!(fields.revision > 1 && fields.revision < (newer?.revision ?? this.#revision + 1)))
      return 'versions are out of order';
    if (newer !== null && isLastKept(newer, this.#compactedUpTo)) return 'a version should have been compacted';
    const version = this.#parts.store.restoreVersion({ ...fields, key: this.#key, value }, newer);
    if (!isKept(version, this.#compactedUpTo)) return 'a deletion should have been compacted';
    if (newer !== null && !isDeletion(newer) && !follows(newer, version))
      return 'a version does not follow from the one before';
    this.#newer = version;
    this.#versions++;
    return null;
  }

  #end(payload: Buffer): string | null {
    if (payload.length !== END_BYTES) return 'the end has a wrong length';
    if (this.#key !== null && this.#newer === null) return 'a key has no versions';
    if (payload.readUInt32LE(16) !== this.#crc) return 'the checksum of the stream does not match';
    if (u64(payload, 0) !== this.#keys || u64(payload, 8) !== this.#versions) return 'keys or versions are missing';
    this.#isEnded = true;
    return null;
  }

  #refuse(what: string, at: number): never {
    throw new SnapshotFormatError(`a snapshot cannot be used: ${what} (at byte ${this.#offset + at} of the machine)`);
  }
}

/** Whether a pair can be what came of a change of `before`. */
function follows(pair: Version, before: Version): boolean {
  return isDeletion(before)
    ? pair.version === 1 && pair.createRevision === pair.revision
    : pair.version === before.version + 1 && pair.createRevision === before.createRevision;
}
