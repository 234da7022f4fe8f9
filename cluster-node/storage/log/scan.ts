/**
 * Reads a log at start and says what it amounts to, without any input or output of its own: `recoverLog` is given the segments
 * one by one.
 *
 * The one thing that may be dropped is a torn tail: records behind everything that was ever synced. How far that was, later
 * records tell, and the mark. Other damage takes away what stood there but not the knowledge of it: the next head repeats the
 * headers. A slot whose accepted value is lost is *faulty*, never empty. Only where a vow itself may be forgotten is the log
 * *amnesiac*: the node must not vote from it again (Alagappan et al., Protocol-Aware Recovery, FAST'18).
 *
 * The limit: one write cannot tell a torn record from one that rotted. If the disk damages just the last write before a crash,
 * before a head or the mark has followed it (200 ms), it is taken for a torn tail. A crash alone does not do that; a crash and a
 * lying disk within that moment can.
 */
import type { Ballot, Slot } from '../../contract/ballot.ts';
import type { Entry, FaultySlot } from '../../contract/peer.ts';
import { SEGMENT_START } from './batch.ts';
import { segmentFile } from './commands.ts';
import type { Damage } from './damage.ts';
import type { EntryIndex } from './entry-index.ts';
import { LogLedger } from './ledger.ts';
import type { Mark } from './mark.ts';
import type { LogPosition, LogSegment } from './position.ts';
import { frameOf, headerAt, isPayloadIntact, RECORD_HEADER_BYTES } from './record.ts';
import { type Found, type Gap, scanSegment } from './segment-scan.ts';

export interface LogFiles {
  /** Segments whose file is there, in any order. */
  readonly segments: readonly number[];
  /** The file's bytes; not kept. May be asked for twice. */
  read(segment: number): Uint8Array;
}

export interface RecoveryOptions {
  readonly salt: number;
  readonly mark: Mark;
  readonly segmentBytes: number;
}

export interface RecoveredLog {
  readonly promised: Ballot;
  readonly decidedUpTo: Slot;
  /** The highest accepted entry of every slot above `decidedUpTo` that is on disk, ascending. */
  readonly accepted: readonly Entry[];
  readonly faulty: readonly FaultySlot[];
  /** Everything up to it is in a snapshot. */
  readonly baseSlot: Slot;
  readonly damages: readonly Damage[];
  /** Why this node must not vote from this log, in words; null when it may. Then nothing else here is to be used. */
  readonly amnesia: string | null;
  /** Of a torn tail. */
  readonly droppedBytes: number;
  readonly index: EntryIndex;
  readonly position: LogPosition;
  readonly settle: Settle;
}

/** What must be durable before the log is used: zeros over a torn tail, and the records before it. */
export interface Settle {
  readonly file: string;
  readonly offset: number;
  readonly zeroBytes: number;
  /** The file must have this size. */
  readonly sizeBytes: number;
  /** Files to remove: of segments that trimming left behind, or that hold nothing but a torn tail. */
  readonly remove: readonly string[];
}

export function recoverLog(files: LogFiles, options: RecoveryOptions): RecoveredLog {
  const segments = withoutStrays([...files.segments].sort((left, right) => left - right));
  const scan = new LogScan(options, firstSegmentOf(segments, files, options.salt));
  for (const segment of segments) scan.add(segment, files.read(segment));
  return scan.finish((segment) => files.read(segment));
}

/**
 * A segment after so many missing ones is none of this log's; each missing one would be told of. Were it one after all, the mark tells
 * that the log has lost its end.
 */
const MAX_MISSING_SEGMENTS = 4096;

function withoutStrays(segments: readonly number[]): readonly number[] {
  const stray = segments.findIndex(
    (segment, at) => at > 0 && segment - (segments[at - 1] as number) > MAX_MISSING_SEGMENTS,
  );
  return stray === -1 ? segments : segments.slice(0, stray);
}

/** Segments below this one were removed on purpose: so says the newest head that can be found. */
function firstSegmentOf(segments: readonly number[], files: LogFiles, salt: number): number {
  let first = 1;
  // Nothing can have been removed while the first segment is there.
  if (segments[0] === 1) return first;
  for (const segment of segments.toReversed()) {
    const onFound = (found: Found) => {
      if (found.kind === 'record' && found.head !== null) first = Math.max(first, found.head.firstSegment);
    };
    scanSegment(files.read(segment), { segment, salt, minNumber: 1, minLife: 1, onFound });
    if (first > 1) break;
  }
  return first;
}

class LogScan {
  readonly #options: RecoveryOptions;
  readonly #ledger: LogLedger;
  /** From the first thing on of which nobody says yet that it was synced. */
  #pending: { readonly found: Found; readonly number: number }[] = [];
  #nextNumber = 1;
  #life = 1;
  #syncedUpTo: number;
  /** Behind the last record that counts. */
  #end = { segment: 0, offset: SEGMENT_START };
  /** Behind the last record found. */
  #tail = { segment: 0, offset: SEGMENT_START };
  #isAfterGap = false;
  readonly #firstSegment: number;
  readonly #present = new Map<number, { readonly usedEnd: number; readonly sizeBytes: number }>();
  #lastScanned: number;

  constructor(options: RecoveryOptions, firstSegment: number) {
    this.#options = options;
    this.#ledger = new LogLedger();
    this.#syncedUpTo = options.mark.upTo;
    this.#firstSegment = firstSegment;
    this.#lastScanned = firstSegment - 1;
  }

  add(segment: number, bytes: Uint8Array): void {
    const { segmentBytes, salt } = this.#options;
    for (let missing = this.#lastScanned + 1; missing < segment; missing++) {
      const place = { segment: missing, offset: SEGMENT_START, endOffset: segmentBytes };
      this.#take({ kind: 'gap', ...place, damage: 'missingSegment', syncedUpTo: 0 });
    }
    this.#lastScanned = segment;
    let isFirst = true;
    const usedEnd = scanSegment(bytes.subarray(0, segmentBytes), {
      segment,
      salt,
      minNumber: this.#nextNumber,
      minLife: this.#life,
      onFound: (found) => {
        if (isFirst && found.kind === 'record') this.#enter(segment, found.header.number);
        isFirst = false;
        this.#take(found);
      },
    });
    this.#present.set(segment, { usedEnd, sizeBytes: bytes.length });
  }

  finish(read: (segment: number) => Uint8Array): RecoveredLog {
    const torn = this.#pending;
    const ledger = this.#ledger;
    const { firstSegment } = ledger;
    const dropped = this.#droppedBytes();
    if (torn.length > 0) ledger.note(this.#damageOf(torn[0] as { found: Found; number: number }, true));
    for (const [segment, { sizeBytes, usedEnd }] of this.#present)
      if (sizeBytes < this.#options.segmentBytes && usedEnd > SEGMENT_START && segment <= this.#end.segment)
        ledger.note({
          kind: 'shortSegment',
          file: segmentFile(segment),
          offset: sizeBytes,
          endOffset: this.#options.segmentBytes,
          recordNumber: null,
          text: `the file has ${sizeBytes} of its ${this.#options.segmentBytes} bytes`,
        });
    const amnesia = this.#amnesia();
    const outcome = ledger.finish();
    const accepted = amnesia === null ? readEntries(outcome.wanted, read, this.#options.salt) : [];
    ledger.index.reopen(
      outcome.decidedUpTo,
      accepted.map(({ slot, ballot }) => [slot, ballot] as const),
    );
    return {
      promised: ledger.promised,
      decidedUpTo: outcome.decidedUpTo,
      accepted,
      faulty: outcome.faulty,
      baseSlot: ledger.baseSlot,
      damages: ledger.damages,
      amnesia,
      droppedBytes: dropped,
      index: ledger.index,
      position: this.#position(firstSegment),
      settle: this.#settle(firstSegment),
    };
  }

  /** A segment begins with this record. */
  #enter(segment: number, number: number): void {
    const isOldest = this.#present.size === 0 && segment <= this.#firstSegment;
    if (isOldest) {
      this.#nextNumber = this.#ledger.expected = number;
    } else if (number > this.#nextNumber && !this.#isAfterGap) {
      // The end of the segment before is zeros, as if nothing had been written there.
      const endOffset = this.#options.segmentBytes;
      this.#take({ kind: 'gap', ...this.#tail, endOffset, damage: 'lostWrite', syncedUpTo: 0 });
    }
  }

  #take(found: Found): void {
    const pending = this.#pending;
    const number = this.#nextNumber;
    this.#isAfterGap = found.kind === 'gap';
    if (found.kind === 'record') {
      // A gap before the very next number took nothing away.
      const last = pending.at(-1);
      if (last?.found.kind === 'gap' && found.header.number === last.number) {
        pending.pop();
        this.#ledger.note({ ...this.#damageOf(last, false), recordNumber: null });
        this.#release();
      }
      this.#nextNumber = found.header.number + 1;
      this.#life = found.header.life;
      this.#tail = { segment: found.header.segment, offset: found.endOffset };
      this.#syncedUpTo = Math.max(this.#syncedUpTo, found.header.syncedUpTo);
      pending.push({ found, number: found.header.number });
    } else {
      this.#syncedUpTo = Math.max(this.#syncedUpTo, found.syncedUpTo);
      pending.push({ found, number });
    }
    this.#release();
  }

  /** Takes into account what is known to have been synced, and whole records that nothing missing stands before. */
  #release(): void {
    let count = 0;
    for (const item of this.#pending) {
      const isCertain = item.found.kind === 'record' && item.found.isWhole;
      if (!isCertain && item.number > this.#syncedUpTo) break;
      this.#apply(item);
      count += 1;
    }
    if (count > 0) this.#pending.splice(0, count);
  }

  #apply(item: { readonly found: Found; readonly number: number }): void {
    const { found } = item;
    if (found.kind === 'gap' || !found.isWhole) this.#ledger.note(this.#damageOf(item, false));
    if (found.kind === 'gap') return;
    this.#ledger.record(found);
    this.#end = { segment: found.header.segment, offset: found.endOffset };
  }

  #damageOf({ found, number }: { readonly found: Found; readonly number: number }, isTorn: boolean): Damage {
    if (found.kind === 'record') {
      const { segment, offset, kind, slot } = found.header;
      const what = kind === 'accepted' ? `the value of slot ${slot} is damaged` : `a ${kind} record is damaged`;
      const text = isTorn ? 'written only in part by a crash, and dropped' : what;
      const { endOffset } = found;
      const damage = isTorn ? 'tornTail' : 'bitRot';
      return { kind: damage, file: segmentFile(segment), offset, endOffset, recordNumber: number, text };
    }
    const file = segmentFile(found.segment);
    const kind = isTorn ? 'tornTail' : found.damage;
    return {
      kind,
      file,
      offset: found.offset,
      endOffset: found.endOffset,
      recordNumber: number,
      text: gapText(found, isTorn),
    };
  }

  #amnesia(): string | null {
    if (this.#present.size === 0) return 'the log is gone';
    const { expected, unresolvedFrom } = this.#ledger;
    if (expected <= this.#syncedUpTo)
      return `record ${this.#syncedUpTo} was on disk once, but the log ends before record ${expected}`;
    if (unresolvedFrom !== null)
      return `record ${unresolvedFrom} is lost and nothing behind it says what it was: it may have been a promise`;
    return null;
  }

  #droppedBytes(): number {
    let bytes = 0;
    for (const [segment, { usedEnd }] of this.#present) {
      if (segment < this.#end.segment) continue;
      bytes += Math.max(0, usedEnd - (segment === this.#end.segment ? this.#end.offset : SEGMENT_START));
    }
    return bytes;
  }

  #position(firstSegment: number): LogPosition {
    const ledger = this.#ledger;
    const present = [...this.#present.keys()].sort((left, right) => left - right);
    const segment = this.#end.segment || (present[0] ?? 1);
    const segments: LogSegment[] = [];
    for (let number = firstSegment; number <= segment; number++)
      segments.push({ segment: number, acceptedUpTo: ledger.acceptedIn(number) });
    return {
      salt: this.#options.salt,
      life: this.#life + 1,
      mark: this.#options.mark,
      segment,
      offset: this.#end.offset,
      nextNumber: ledger.expected,
      readySegment: segment + (this.#isPrepared(segment + 1) ? 1 : 0),
      segments,
      promised: ledger.promised,
      decidedUpTo: ledger.index.decidedUpTo,
      acceptedUpTo: ledger.acceptedUpTo,
      baseSlot: ledger.baseSlot,
      keptFrom: ledger.keptFrom,
      firstSegment,
      vows: ledger.uncovered,
      headNumber: ledger.headNumber,
    };
  }

  #settle(firstSegment: number): Settle {
    const segment = this.#end.segment || Math.min(...this.#present.keys());
    const { usedEnd } = this.#present.get(segment) ?? { usedEnd: SEGMENT_START };
    const remove: string[] = [];
    for (const number of this.#present.keys()) {
      const isUnused = number > segment + 1 || (number === segment + 1 && !this.#isPrepared(number));
      if (number < firstSegment || isUnused) remove.push(segmentFile(number));
    }
    const { offset } = this.#end;
    const zeroBytes = Math.max(0, usedEnd - offset);
    return { file: segmentFile(segment), offset, zeroBytes, sizeBytes: this.#options.segmentBytes, remove };
  }

  /** Whole and nothing in it. */
  #isPrepared(segment: number): boolean {
    const found = this.#present.get(segment);
    return found !== undefined && found.sizeBytes === this.#options.segmentBytes && found.usedEnd === SEGMENT_START;
  }
}

function gapText(gap: Gap, isTorn: boolean): string {
  const bytes = gap.endOffset - gap.offset;
  if (isTorn) return `${bytes} bytes written only in part by a crash, and dropped`;
  if (gap.damage === 'missingSegment') return 'the file is missing';
  if (gap.damage === 'lostWrite') return `${bytes} bytes are zero: what was written here never arrived`;
  if (gap.damage === 'misdirectedWrite') return `${bytes} bytes hold a record that belongs elsewhere`;
  return `${bytes} bytes changed`;
}

/** The entry whose record stands at `offset`; null when it does not check any more. The value is a copy. */
export function entryAt(bytes: Uint8Array, offset: number, salt: number): Entry | null {
  const frame = frameOf(bytes);
  const header = headerAt(frame, offset, salt);
  if (header?.kind !== 'accepted' || !isPayloadIntact(frame, offset, header)) return null;
  const start = offset + RECORD_HEADER_BYTES;
  const { slot, ballot, digest, payloadBytes } = header;
  return { slot, ballot, digest, value: new Uint8Array(bytes.subarray(start, start + payloadBytes)) };
}

function readEntries(
  wanted: readonly { readonly slot: Slot; readonly segment: number; readonly offset: number }[],
  read: (segment: number) => Uint8Array,
  salt: number,
): Entry[] {
  const entries: Entry[] = [];
  const bySegment = Map.groupBy(wanted, ({ segment }) => segment);
  for (const [segment, places] of bySegment) {
    const bytes = read(segment);
    for (const { slot, offset } of places) {
      const entry = entryAt(bytes, offset, salt);
      if (entry?.slot !== slot) throw new Error(`slot ${slot} changed on disk while the log was being read`);
      entries.push(entry);
    }
  }
  return entries.sort((left, right) => left.slot - right.slot);
}
