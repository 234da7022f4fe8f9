/**
 * Decides what is written to the log, where, and in which order; carries out nothing. Records are encoded into a batch as they
 * come; while one batch is on its way to the disk the next one fills; never more than one is in flight and no timer decides when
 * a batch is full.
 *
 * The driver asks `next('log')` and `next('side')` for commands, one at a time in each lane, carries them out, and reports each
 * with `done`. Batches go through the log lane; what must not delay them (the next segment, the mark, removals) through the other.
 */
import type { Ballot, Slot } from '../../contract/ballot.ts';
import type { DurableRecord } from '../../paxos/interface.ts';
import { Batch, SEGMENT_START } from './batch.ts';
import { checksum } from './checksum.ts';
import { type DiskCommand, type LogLane, MARK_FILE, segmentFile } from './commands.ts';
import type { EntryIndex } from './entry-index.ts';
import { headBytes, putHead, type Vow } from './head.ts';
import { encodeMark, MARK_SLOT_BYTES, MARK_SLOTS, type Mark } from './mark.ts';
import type { LogPosition, LogSegment, LogSizes } from './position.ts';
import { RECORD_HEADER_BYTES, recordBytes } from './record.ts';

/** The next segment is prepared once this part of the present one is used. */
const PREPARE_AFTER = 0.25;
const MAX_SPARE_BUFFERS = 8;

export interface AppendedRecord {
  readonly sequence: number;
  readonly record: DurableRecord;
}

export interface LogPlannerOptions extends LogSizes {
  readonly position: LogPosition;
  readonly index: EntryIndex;
  /** Memory for a batch; shared memory where another thread writes it. */
  readonly allocate?: (bytes: number) => Uint8Array;
}

export class LogPlanner {
  readonly #options: LogPlannerOptions;
  readonly #index: EntryIndex;
  readonly #salt: number;
  readonly #segments: LogSegment[];
  #segment: number;
  #offset: number;
  #nextNumber: number;
  #readySegment: number;
  #promised: Ballot;
  #decidedUpTo: Slot;
  #acceptedUpTo: Slot;
  #baseSlot: Slot;
  #keptFrom: Slot;
  #firstSegment: number;
  #vows: readonly Vow[];
  #headNumber: number;
  #mark: Mark;
  #filling: Batch | null = null;
  readonly #closed: Batch[] = [];
  #inFlight: Batch | null = null;
  #isFlushDue = false;
  #isHeadDue = false;
  #durableNumber: number;
  #durableUpTo = 0;
  #durableBase: Slot;
  #removedBelow: number;
  #creating = 0;
  readonly #side: DiskCommand[] = [];
  #sideInFlight: DiskCommand | null = null;
  #pendingMark: Mark | null = null;
  readonly #spare: Uint8Array[] = [];
  #unsyncedBytes = 0;
  #unsyncedRecords = 0;

  constructor(options: LogPlannerOptions) {
    const { position, segmentBytes, batchBytes } = options;
    if (batchBytes > segmentBytes / 4) throw new RangeError('a batch may be at most a quarter of a segment');
    this.#options = options;
    this.#index = options.index;
    this.#salt = position.salt;
    this.#segments = position.segments.map((segment) => ({ ...segment }));
    this.#segment = position.segment;
    this.#offset = position.offset;
    this.#nextNumber = position.nextNumber;
    this.#durableNumber = position.nextNumber - 1;
    this.#readySegment = position.readySegment;
    this.#promised = position.promised;
    this.#decidedUpTo = position.decidedUpTo;
    this.#acceptedUpTo = position.acceptedUpTo;
    this.#baseSlot = this.#durableBase = position.baseSlot;
    this.#keptFrom = position.keptFrom;
    this.#firstSegment = this.#removedBelow = position.firstSegment;
    this.#vows = position.vows;
    this.#headNumber = position.headNumber;
    this.#mark = position.mark;
  }

  /** Every appended record with sequence ≤ this one is on disk. */
  get durableUpTo(): number {
    return this.#durableUpTo;
  }

  /** What the log on disk says is in a snapshot. */
  get durableBase(): Slot {
    return this.#durableBase;
  }

  get unsyncedRecords(): number {
    return this.#unsyncedRecords;
  }

  /** Bytes in memory that wait for the disk. */
  get unsyncedBytes(): number {
    return this.#unsyncedBytes;
  }

  /** Segments that belong to the log, prepared ones not included. */
  get segments(): readonly LogSegment[] {
    return this.#segments;
  }

  get segmentBytes(): number {
    return this.#options.segmentBytes;
  }

  /** `vouch` would do something. */
  get needsVouching(): boolean {
    return this.#durableNumber > this.#mark.upTo || this.#vows.length > 0;
  }

  /** A batch waits for its segment's file, which the side lane is to create. */
  get waitsForSegment(): boolean {
    const batch = this.#closed[0] ?? this.#filling;
    return this.#inFlight === null && batch !== null && batch !== undefined && batch.segment > this.#readySegment;
  }

  /**
   * Takes records in order of their sequence. They are written with the first batch that leaves after a `flush`. Throws
   * RangeError for a record that fits no segment, Error for a value that does not match its digest: memory is damaged then.
   */
  append(records: readonly AppendedRecord[]): void {
    for (const { sequence, record } of records) {
      if (record.kind === 'decided') {
        const batch = this.#filling ?? this.#begin(0);
        batch.decidedUpTo = Math.max(batch.decidedUpTo, record.upTo);
        this.#decidedUpTo = Math.max(this.#decidedUpTo, record.upTo);
        this.#took(batch, sequence);
      } else if (record.kind === 'promised') {
        const batch = this.#batchFor(RECORD_HEADER_BYTES);
        batch.add('promised', { slot: 0, ballot: record.ballot, payloadBytes: 0, digest: 0 });
        this.#promised = Math.max(this.#promised, record.ballot);
        this.#took(batch, sequence);
      } else this.#accepted(record, sequence);
    }
  }

  /** Has everything appended written as soon as the disk is free. */
  flush(): void {
    if (this.#filling !== null) this.#isFlushDue = true;
  }

  /**
   * To be called now and then (200 ms) after something became durable: has the last vows repeated by a head of their own when
   * nothing else follows them, and notes in the mark how far the log is. Neither holds anything up.
   */
  vouch(): void {
    if (this.#vows.length > 0 && this.#filling === null && this.#closed.length === 0 && this.#inFlight === null)
      this.#isHeadDue = true;
    if (this.#pendingMark !== null || this.#durableNumber <= this.#mark.upTo) return;
    const slot = (this.#mark.slot + 1) % MARK_SLOTS;
    this.#pendingMark = { upTo: this.#durableNumber, slot };
    const bytes = encodeMark(this.#durableNumber, this.#salt);
    this.#side.push({ kind: 'write', lane: 'side', file: MARK_FILE, offset: slot * MARK_SLOT_BYTES, bytes });
  }

  /**
   * A snapshot of everything up to `snapshotSlot` is durable: whole segments without entries of `keepFrom` or higher may go.
   * They are removed once a head that says so is durable.
   */
  trim({ snapshotSlot, keepFrom }: { readonly snapshotSlot: Slot; readonly keepFrom: Slot }): void {
    const kept = Math.min(keepFrom, snapshotSlot + 1);
    this.#baseSlot = Math.max(this.#baseSlot, snapshotSlot);
    this.#keptFrom = Math.max(this.#keptFrom, kept);
    const current = (this.#filling ?? this.#closed.at(-1) ?? this.#inFlight)?.segment ?? this.#segment;
    let first = this.#firstSegment;
    for (const { segment, acceptedUpTo } of this.#segments) {
      if (segment >= current || acceptedUpTo >= this.#keptFrom) break;
      first = segment + 1;
    }
    this.#firstSegment = Math.max(this.#firstSegment, first);
    this.#index.trimBelow(this.#keptFrom);
    this.#isHeadDue = true;
  }

  /** A snapshot that came from a peer covers everything up to `slot`, whatever the log lacks below it. */
  installSnapshot(slot: Slot): void {
    this.#decidedUpTo = Math.max(this.#decidedUpTo, slot);
    this.#index.decided(slot);
    this.trim({ snapshotSlot: slot, keepFrom: slot + 1 });
  }

  /** What to carry out next in this lane; null: nothing now. The one before must have been reported. */
  next(lane: LogLane): DiskCommand | null {
    if (lane === 'side') {
      this.#prepareSegment();
      if (this.#sideInFlight !== null) return null;
      this.#sideInFlight = this.#side.shift() ?? null;
      return this.#sideInFlight;
    }
    if (this.#inFlight !== null) return null;
    if (this.#closed.length === 0) this.#closeDue();
    const batch = this.#closed[0];
    if (batch === undefined || batch.segment > this.#readySegment) return null;
    this.#closed.shift();
    this.#inFlight = batch;
    const { segment, origin, bytes } = batch;
    return { kind: 'write', lane: 'log', file: segmentFile(segment), offset: origin, bytes };
  }

  /** The command has been carried out, durably. */
  done(command: DiskCommand): void {
    if (command.lane === 'log') return this.#landed();
    this.#sideInFlight = null;
    if (command.kind === 'create') {
      this.#readySegment = this.#creating;
      this.#creating = 0;
    } else if (command.kind === 'write') {
      this.#mark = this.#pendingMark ?? this.#mark;
      this.#pendingMark = null;
    }
  }

  #accepted({ entry }: Extract<DurableRecord, { kind: 'accepted' }>, sequence: number): void {
    const { slot, ballot, value, digest } = entry;
    const payloadBytes = value.length;
    if (checksum(value, { start: 0, end: payloadBytes, seed: 0 }) !== digest)
      throw new Error(`the value of slot ${slot} does not match its digest when written; memory is damaged`);
    const batch = this.#batchFor(recordBytes(payloadBytes));
    batch.frame.bytes.set(value, batch.payloadAt);
    batch.add('accepted', { slot, ballot, payloadBytes, digest });
    this.#promised = Math.max(this.#promised, ballot);
    this.#acceptedUpTo = Math.max(this.#acceptedUpTo, slot);
    const segment = this.#segments.at(-1) as LogSegment;
    segment.acceptedUpTo = Math.max(segment.acceptedUpTo, slot);
    this.#took(batch, sequence);
  }

  #took(batch: Batch, sequence: number): void {
    batch.lastSequence = sequence;
    batch.recordCount += 1;
    this.#unsyncedRecords += 1;
  }

  #batchFor(size: number): Batch {
    const filling = this.#filling;
    if (filling?.fits(size, this.#options.segmentBytes)) return filling;
    if (filling !== null) this.#close();
    return this.#begin(size);
  }

  /** Begins a batch with its head, in the next segment where it and a record of `size` bytes do not fit this one. */
  #begin(size: number): Batch {
    const { segmentBytes, batchBytes, position } = this.#options;
    const headSize = recordBytes(headBytes(this.#vows.length));
    const needed = headSize + size + RECORD_HEADER_BYTES;
    if (this.#offset + needed > segmentBytes) {
      if (SEGMENT_START + needed > segmentBytes) throw new RangeError(`a record of ${size} bytes fits no segment`);
      this.#segment += 1;
      this.#offset = SEGMENT_START;
      this.#segments.push({ segment: this.#segment, acceptedUpTo: 0 });
    }
    const memory = this.#takeMemory(Math.max(batchBytes, needed + SEGMENT_START));
    const batch = new Batch({
      memory,
      segment: this.#segment,
      offset: this.#offset,
      firstNumber: this.#nextNumber,
      life: position.life,
      salt: this.#salt,
    });
    this.#putHead(batch);
    this.#filling = batch;
    this.#isHeadDue = false;
    return batch;
  }

  #putHead(batch: Batch): void {
    const baseSlot = this.#baseSlot;
    const firstSegment = this.#firstSegment;
    const at = batch.payloadAt;
    const payloadBytes = headBytes(this.#vows.length);
    putHead(batch.frame, at, {
      baseSlot,
      keptFrom: this.#keptFrom,
      acceptedUpTo: this.#acceptedUpTo,
      coversFrom: this.#headNumber,
      firstSegment,
      vows: this.#vows,
    });
    const digest = checksum(batch.frame.bytes, { start: at, end: at + payloadBytes, seed: 0 });
    batch.add('head', { slot: this.#decidedUpTo, ballot: this.#promised, payloadBytes, digest });
    batch.baseSlot = baseSlot;
    batch.firstSegment = firstSegment;
    this.#headNumber = batch.firstNumber;
  }

  #closeDue(): void {
    if (this.#filling === null && this.#isHeadDue) {
      this.#begin(0);
      this.#isFlushDue = true;
    }
    if (this.#filling !== null && (this.#isFlushDue || this.#isHeadDue)) this.#close();
  }

  #close(): void {
    const batch = this.#filling as Batch;
    batch.close();
    this.#filling = null;
    this.#isFlushDue = false;
    this.#closed.push(batch);
    this.#vows = batch.vows;
    this.#offset = batch.endOffset;
    this.#nextNumber = batch.nextNumber;
    this.#unsyncedBytes += batch.byteLength;
  }

  #landed(): void {
    const batch = this.#inFlight as Batch;
    this.#inFlight = null;
    for (const vow of batch.vows) if (vow.slot > 0) this.#index.accepted(vow.slot, vow.ballot, vow);
    if (batch.decidedUpTo > 0) this.#index.decided(batch.decidedUpTo);
    this.#durableNumber = batch.nextNumber - 1;
    this.#durableUpTo = Math.max(this.#durableUpTo, batch.lastSequence);
    this.#durableBase = batch.baseSlot;
    this.#unsyncedBytes -= batch.byteLength;
    this.#unsyncedRecords -= batch.recordCount;
    const memory = batch.frame.bytes;
    if (memory.length === this.#options.batchBytes && this.#spare.length < MAX_SPARE_BUFFERS) this.#spare.push(memory);
    if (batch.firstSegment > this.#removedBelow) this.#removeBelow(batch.firstSegment);
  }

  #removeBelow(segment: number): void {
    const files: string[] = [];
    for (let old = this.#removedBelow; old < segment; old++) files.push(segmentFile(old));
    this.#removedBelow = segment;
    while ((this.#segments[0]?.segment ?? segment) < segment) this.#segments.shift();
    this.#side.push({ kind: 'remove', lane: 'side', files });
  }

  #prepareSegment(): void {
    if (this.#creating > 0) return;
    const { segmentBytes } = this.#options;
    const isUsed = this.#segment > this.#readySegment || this.#offset > segmentBytes * PREPARE_AFTER;
    const wanted = isUsed ? this.#segment + 1 : this.#segment;
    if (this.#readySegment >= wanted) return;
    this.#creating = this.#readySegment + 1;
    const file = segmentFile(this.#creating);
    this.#side.unshift({ kind: 'create', lane: 'side', file, sizeBytes: segmentBytes });
  }

  #takeMemory(bytes: number): Uint8Array {
    const spare = bytes === this.#options.batchBytes ? this.#spare.pop() : undefined;
    return spare ?? (this.#options.allocate ?? ((size: number) => new Uint8Array(size)))(bytes);
  }
}
