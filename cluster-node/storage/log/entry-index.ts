/**
 * Where the accepted value of each slot stands on disk: eight bytes a slot, in chunks that go when their slots are trimmed, so
 * that millions of slots cost megabytes. The ballots that decide which record counts are kept only for slots that are not
 * decided yet.
 */
import type { Ballot, Slot } from '../../contract/ballot.ts';

const CHUNK_SLOTS = 4096;

export interface EntryPlace {
  /** From 1. */
  readonly segment: number;
  /** Byte offset of the record in the segment; never 0, the segment's header stands there. */
  readonly offset: number;
}

export class EntryIndex {
  /** Per chunk: segment and offset of each slot, interleaved. */
  readonly #chunks = new Map<number, Uint32Array>();
  readonly #undecidedBallots = new Map<Slot, Ballot>();
  #decidedUpTo: Slot = 0;
  #firstSlot: Slot = 1;

  /** Every slot up to this one is decided, says a record on disk. */
  get decidedUpTo(): Slot {
    return this.#decidedUpTo;
  }

  /** Entries of lower slots are gone. */
  get firstSlot(): Slot {
    return this.#firstSlot;
  }

  /** Notes an accepted record; of two for one slot the higher ballot counts, and of equal ones the later. */
  accepted(slot: Slot, ballot: Ballot, { segment, offset }: EntryPlace): void {
    if (slot <= this.#decidedUpTo) {
      if (this.find(slot) !== null) return;
    } else {
      if ((this.#undecidedBallots.get(slot) ?? 0) > ballot) return;
      this.#undecidedBallots.set(slot, ballot);
    }
    const number = Math.floor(slot / CHUNK_SLOTS);
    let chunk = this.#chunks.get(number);
    if (chunk === undefined) this.#chunks.set(number, (chunk = new Uint32Array(CHUNK_SLOTS * 2)));
    const at = (slot % CHUNK_SLOTS) * 2;
    chunk[at] = segment;
    chunk[at + 1] = offset;
  }

  /** The ballot of the entry that counts for an undecided slot; 0 when there is none or it is decided. */
  undecidedBallot(slot: Slot): Ballot {
    return this.#undecidedBallots.get(slot) ?? 0;
  }

  decided(upTo: Slot): void {
    const undecided = this.#undecidedBallots;
    // A snapshot may jump over millions of slots.
    if (upTo - this.#decidedUpTo > undecided.size) {
      for (const slot of undecided.keys()) if (slot <= upTo) undecided.delete(slot);
    } else for (let slot = this.#decidedUpTo + 1; slot <= upTo; slot++) undecided.delete(slot);
    this.#decidedUpTo = Math.max(this.#decidedUpTo, upTo);
  }

  /** The entry of this slot is not to be trusted. */
  forget(slot: Slot): void {
    this.#undecidedBallots.delete(slot);
    const chunk = this.#chunks.get(Math.floor(slot / CHUNK_SLOTS));
    if (chunk !== undefined) chunk[(slot % CHUNK_SLOTS) * 2 + 1] = 0;
  }

  /** Takes back that slots above `upTo` are decided; `ballots` are those of the entries that count there. */
  reopen(upTo: Slot, ballots: Iterable<readonly [Slot, Ballot]>): void {
    this.#decidedUpTo = Math.min(this.#decidedUpTo, upTo);
    for (const [slot, ballot] of ballots) this.#undecidedBallots.set(slot, ballot);
  }

  /** Entries of slots below `slot` are gone. */
  trimBelow(slot: Slot): void {
    if (slot <= this.#firstSlot) return;
    this.#firstSlot = slot;
    const firstChunk = Math.floor(slot / CHUNK_SLOTS);
    for (const number of this.#chunks.keys()) if (number < firstChunk) this.#chunks.delete(number);
  }

  find(slot: Slot): EntryPlace | null {
    if (slot < this.#firstSlot) return null;
    const chunk = this.#chunks.get(Math.floor(slot / CHUNK_SLOTS));
    const at = (slot % CHUNK_SLOTS) * 2;
    const offset = chunk?.[at + 1] ?? 0;
    return chunk === undefined || offset === 0 ? null : { segment: chunk[at] as number, offset };
  }
}
