/** The records of one write: a head, then vows, then at most one decided record. Encoded as they come, into its own memory. */
import type { Slot } from '../../contract/ballot.ts';
import type { EntryPlace } from './entry-index.ts';
import type { Vow } from './head.ts';
import { type Frame, frameOf, putHeader, RECORD_HEADER_BYTES, type RecordKind, recordBytes } from './record.ts';

/** Every segment begins with these bytes; they tell a stranger what the file is, nothing depends on them. */
export const SEGMENT_MAGIC = Buffer.from('SYNODLG2');
export const SEGMENT_START = SEGMENT_MAGIC.length;
const DECIDED_BYTES = RECORD_HEADER_BYTES;

export type PlacedVow = Vow & EntryPlace;

interface BatchStart {
  readonly memory: Uint8Array;
  readonly segment: number;
  /** Where its first record goes. */
  readonly offset: number;
  readonly firstNumber: number;
  readonly life: number;
  readonly salt: number;
}

export class Batch {
  readonly frame: Frame;
  readonly segment: number;
  readonly firstNumber: number;
  readonly vows: PlacedVow[] = [];
  /** Said by a record of this batch; 0 when none says so. */
  decidedUpTo: Slot = 0;
  /** Of the last record taken in, however it was encoded; 0 when there is none. */
  lastSequence = 0;
  recordCount = 0;
  /** What its head says of trimming. */
  baseSlot: Slot = 0;
  firstSegment = 0;
  readonly #start: BatchStart;
  /** What the buffer's first byte is in the segment. */
  readonly #origin: number;
  #length: number;
  #nextNumber: number;

  constructor(start: BatchStart) {
    this.frame = frameOf(start.memory);
    this.segment = start.segment;
    this.firstNumber = this.#nextNumber = start.firstNumber;
    this.#start = start;
    const isFirst = start.offset === SEGMENT_START;
    this.#origin = isFirst ? 0 : start.offset;
    this.#length = isFirst ? SEGMENT_START : 0;
    if (isFirst) start.memory.set(SEGMENT_MAGIC);
  }

  get bytes(): Uint8Array {
    return this.frame.bytes.subarray(0, this.#length);
  }

  get byteLength(): number {
    return this.#length;
  }

  get origin(): number {
    return this.#origin;
  }

  /** Where the next batch begins, if it is in this segment. */
  get endOffset(): number {
    return this.#origin + this.#length;
  }

  /** After `close`. */
  get nextNumber(): number {
    return this.#nextNumber;
  }

  /** Whether a record of `size` bytes and a decided record still have room in the memory and in the segment. */
  fits(size: number, segmentBytes: number): boolean {
    const end = this.#length + size + DECIDED_BYTES;
    return end <= this.frame.bytes.length && this.#origin + end <= segmentBytes;
  }

  /** Where the payload of the next record goes in `frame`. */
  get payloadAt(): number {
    return this.#length + RECORD_HEADER_BYTES;
  }

  /** Completes a record whose payload stands at `payloadAt`. */
  add(
    kind: RecordKind,
    fields: { readonly slot: number; readonly ballot: number; readonly payloadBytes: number; readonly digest: number },
  ): void {
    const { firstNumber, life, salt, segment } = this.#start;
    const { slot, ballot, digest, payloadBytes } = fields;
    const at = this.#length;
    const end = at + recordBytes(payloadBytes);
    for (let zero = at + RECORD_HEADER_BYTES + payloadBytes; zero < end; zero++) this.frame.bytes[zero] = 0;
    const number = this.#nextNumber;
    const offset = this.#origin + at;
    const syncedUpTo = firstNumber - 1;
    const header = { kind, payloadBytes, number, syncedUpTo, segment, offset, slot, ballot, digest, life };
    putHeader(this.frame, at, { header, salt });
    if (kind === 'accepted' || kind === 'promised') this.vows.push({ number, slot, ballot, digest, segment, offset });
    this.#nextNumber += 1;
    this.#length = end;
  }

  /** No record comes after this. */
  close(): void {
    if (this.decidedUpTo > 0) this.add('decided', { slot: this.decidedUpTo, ballot: 0, payloadBytes: 0, digest: 0 });
  }
}
