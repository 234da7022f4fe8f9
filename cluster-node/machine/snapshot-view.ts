/**
 * Reading a machine out while it goes on applying. Nothing is copied beforehand but the sessions: the store keeps versions,
 * so the past of a moment ago is still there, and compaction leaves it until the view is closed.
 */
import { crc32 } from 'node:zlib';
import type { Slot } from '../contract/ballot.ts';
import { writeSafeInteger } from '../storage/safe-integer.ts';
import type { KeyText } from './ordered-map.ts';
import type { SessionState } from './sessions.ts';
import {
  DELETION_BYTES,
  END_BYTES,
  HEADER_BYTES,
  MAX_SEQUENCES_PER_RECORD,
  PAIR_BYTES,
  RECORD_HEADER_BYTES,
  recordKind,
  SESSION_BYTES,
  SNAPSHOT_FORMAT,
} from './snapshot-format.ts';
import type { SnapshotScheduleState } from './snapshot-schedule.ts';
import type { StoreView } from './store.ts';
import { isDeletion, isKept, isLastKept, type Version } from './versions.ts';

export const MAX_CHUNK_BYTES = 64 * 1024;
/** Looked at between two chunks: with many keys that are newer than the view there is little to write. */
const MAX_VERSIONS_PER_CHUNK = 1024;

/** A machine at one slot. */
export class MachineSnapshot {
  readonly slot: Slot;
  readonly #view: StoreView;
  readonly #sessions: readonly SessionState[];
  readonly #schedule: SnapshotScheduleState;

  constructor(parts: { slot: Slot; view: StoreView; sessions: SessionState[]; schedule: SnapshotScheduleState }) {
    this.slot = parts.slot;
    this.#view = parts.view;
    this.#sessions = parts.sessions;
    this.#schedule = parts.schedule;
  }

  /**
   * The stream of snapshot-format.ts in chunks of at most 64 KiB, some short or empty because the work for one is bounded
   * too; where it is cut means nothing. Closes the snapshot at the end, also when it is left early. To be read once.
   */
  *chunks(): Generator<Uint8Array, void, void> {
    const out = new ChunkWriter();
    try {
      this.#writeHeader(out);
      for (const session of this.#sessions) {
        writeSession(out, session);
        yield* out.full();
      }
      yield* this.#keys(out);
      yield* out.rest();
    } finally {
      this.close();
    }
  }

  /** Lets go of it: for a snapshot that is not read. */
  close(): void {
    this.#view.close();
  }

  #writeHeader(out: ChunkWriter): void {
    const { revision, compactedUpTo, hash, storedBytes } = this.#view;
    const { lastDueSlot, bytesThen, bytesSince } = this.#schedule;
    out.record(recordKind.header, HEADER_BYTES).u32(SNAPSHOT_FORMAT).u64(this.slot).u64(revision);
    out
      .u64(compactedUpTo + 1)
      .u32(hash)
      .u64(storedBytes)
      .u64(lastDueSlot)
      .u64(bytesThen)
      .u64(bytesSince);
  }

  *#keys(out: ChunkWriter): Generator<Uint8Array, void, void> {
    const written = { keys: 0, versions: 0 };
    let looked = 0;
    const next = this.#view.walk();
    for (let at = next(); at !== null; at = next()) {
      let isFirst = true;
      for (let version: Version | null = at.value; version !== null; version = version.previous) {
        if (++looked % MAX_VERSIONS_PER_CHUNK === 0) yield* out.rest();
        if (version.revision > this.#view.revision) continue;
        if (!isKept(version, this.#view.compactedUpTo)) break;
        if (isFirst) {
          writeKey(out, at.key);
          written.keys++;
        }
        isFirst = false;
        writeVersion(out, version);
        written.versions++;
        if (out.hasFull) yield* out.full();
        if (isLastKept(version, this.#view.compactedUpTo)) break;
      }
    }
    const crc = out.crc();
    out.record(recordKind.end, END_BYTES).u64(written.keys).u64(written.versions).u32(crc);
  }
}

function writeSession(out: ChunkWriter, { origin, boot, floor, applied }: SessionState): void {
  out.record(recordKind.session, SESSION_BYTES).u16(origin).u64(boot).u64(floor);
  const sequences = applied.toSorted();
  for (let at = 0; at < sequences.length; at += MAX_SEQUENCES_PER_RECORD) {
    const part = sequences.subarray(at, at + MAX_SEQUENCES_PER_RECORD);
    out.record(recordKind.sequences, part.length * 8);
    for (const sequence of part) out.u64(sequence);
  }
}

function writeKey(out: ChunkWriter, key: KeyText): void {
  const bytes = Buffer.from(key, 'latin1');
  out.record(recordKind.key, bytes.length).bytes(bytes, 0, bytes.length);
}

function writeVersion(out: ChunkWriter, version: Version): void {
  if (isDeletion(version)) {
    out.record(recordKind.deletion, DELETION_BYTES).u64(version.revision);
    return;
  }
  const { slab, offset, keyBytes, valueBytes } = version;
  out
    .record(recordKind.pair, PAIR_BYTES + valueBytes)
    .u64(version.revision)
    .u64(version.createRevision);
  out.u64(version.version).i64(version.lease);
  out.bytes(slab.bytes, offset + keyBytes, valueBytes);
}

class ChunkWriter {
  #buffer = Buffer.allocUnsafeSlow(MAX_CHUNK_BYTES);
  #length = 0;
  #full: Buffer[] = [];
  #crc = 0;

  get hasFull(): boolean {
    return this.#full.length > 0;
  }

  /** The chunks that are full. */
  *full(): Generator<Uint8Array, void, void> {
    const chunks = this.#full;
    this.#full = [];
    yield* chunks;
  }

  /** Everything written. */
  *rest(): Generator<Uint8Array, void, void> {
    this.#cut();
    yield* this.full();
  }

  /** CRC-32 of everything written. */
  crc(): number {
    this.#cut();
    return this.#crc;
  }

  record(kind: number, payloadBytes: number): this {
    this.#room(RECORD_HEADER_BYTES);
    this.#length = this.#buffer.writeUInt8(kind, this.#length);
    return this.u32(payloadBytes);
  }

  u16(value: number): this {
    this.#room(2);
    this.#length = this.#buffer.writeUInt16LE(value, this.#length);
    return this;
  }

  u32(value: number): this {
    this.#room(4);
    this.#length = this.#buffer.writeUInt32LE(value, this.#length);
    return this;
  }

  u64(value: number): this {
    this.#room(8);
    writeSafeInteger(this.#buffer, value, this.#length);
    this.#length += 8;
    return this;
  }

  i64(value: bigint): this {
    this.#room(8);
    this.#length = this.#buffer.writeBigInt64LE(value, this.#length);
    return this;
  }

  bytes(source: Uint8Array, offset: number, length: number): void {
    for (let done = 0; done < length; ) {
      this.#room(1);
      const part = Math.min(length - done, MAX_CHUNK_BYTES - this.#length);
      this.#buffer.set(source.subarray(offset + done, offset + done + part), this.#length);
      this.#length += part;
      done += part;
    }
  }

  #room(bytes: number): void {
    if (this.#length + bytes > MAX_CHUNK_BYTES) this.#cut();
  }

  #cut(): void {
    if (this.#length === 0) {
      this.#full.push(this.#buffer.subarray(0, 0));
      return;
    }
    const chunk = this.#buffer.subarray(0, this.#length);
    this.#crc = crc32(chunk, this.#crc);
    this.#full.push(chunk);
    this.#buffer = Buffer.allocUnsafeSlow(MAX_CHUNK_BYTES);
    this.#length = 0;
  }
}
