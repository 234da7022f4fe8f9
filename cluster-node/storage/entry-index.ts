/**
 * Where the accepted value of each slot stands on disk: eight bytes a slot, in chunks, so that millions of slots cost
 * megabytes. The ballots that decide which record counts are kept only for slots that are not decided yet.
 */
import type { Ballot, Slot } from '../contract/ballot.ts';

const CHUNK_SLOTS = 4096;

export interface EntryLocation {
  /** Ordinal of the segment, from 0. */
  readonly segment: number;
  /** Byte offset of the record in the segment; never 0, the segment's header stands there. */
  readonly offset: number;
}

export class EntryIndex {
  /** Per chunk: segment and offset of each slot, interleaved. */
  readonly #chunks: (Uint32Array | undefined)[] = [];
  readonly #undecidedBallots = new Map<Slot, Ballot>();
  #decidedUpTo: Slot = 0;

  /** Every slot up to this one is decided, says a record on disk. */
  get decidedUpTo(): Slot {
    return this.#decidedUpTo;
  }

  /** Notes an accepted record; of two for one slot the higher ballot counts, and of equal ones the later. */
  accepted(slot: Slot, ballot: Ballot, location: EntryLocation): boolean {
    if (slot <= this.#decidedUpTo && this.find(slot) !== null) return false;
    if ((this.#undecidedBallots.get(slot) ?? 0) > ballot) return false;
    this.#undecidedBallots.set(slot, ballot);
    const chunkIndex = Math.floor(slot / CHUNK_SLOTS);
    const chunk = (this.#chunks[chunkIndex] ??= new Uint32Array(CHUNK_SLOTS * 2));
    const at = (slot % CHUNK_SLOTS) * 2;
    chunk[at] = location.segment;
    chunk[at + 1] = location.offset;
    return true;
  }

  decided(upTo: Slot): void {
    for (let slot = this.#decidedUpTo + 1; slot <= upTo; slot++) this.#undecidedBallots.delete(slot);
    this.#decidedUpTo = Math.max(this.#decidedUpTo, upTo);
  }

  find(slot: Slot): EntryLocation | null {
    const chunk = this.#chunks[Math.floor(slot / CHUNK_SLOTS)];
    const at = (slot % CHUNK_SLOTS) * 2;
    const offset = chunk?.[at + 1] ?? 0;
    return chunk === undefined || offset === 0 ? null : { segment: chunk[at] as number, offset };
  }
}
