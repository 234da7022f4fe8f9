/**
 * What the records of a log amount to, taken one after another, and what is known of those that are missing among them.
 *
 * A missing record is first only a number. The next head that covers it says what it was: no vow, a promise (then it counts as if
 * it were there), or an accepted slot (then the slot is faulty, unless a later record holds it anew). If the repetition is lost
 * too, the head still says which ballot was promised and up to which slot anything was accepted: every slot that was not
 * decided when the record was written may be concerned.
 */
import type { Ballot, Slot } from '../../contract/ballot.ts';
import type { FaultySlot } from '../../contract/peer.ts';
import type { Damage } from './damage.ts';
import { EntryIndex } from './entry-index.ts';
import type { Head, Vow } from './head.ts';
import type { RecordHeader } from './record.ts';
import type { FoundRecord } from './segment-scan.ts';

/** Missing records that no head has explained yet. */
interface Missing {
  readonly ranges: { readonly from: number; readonly upTo: number }[];
  /** Decided when the first of them was written. */
  readonly decidedUpTo: Slot;
  /** Accepted since, in records that are there. */
  readonly acceptedSince: Set<Slot>;
}

export class LogLedger {
  readonly index = new EntryIndex();
  readonly damages: Damage[] = [];
  /** Vows since the last intact head, for the head to come. */
  uncovered: Vow[] = [];
  headNumber = 1;
  promised: Ballot = 0;
  acceptedUpTo: Slot = 0;
  baseSlot: Slot = 0;
  keptFrom: Slot = 1;
  firstSegment = 1;
  /** Number of the next record. */
  expected = 1;
  readonly #faulty = new Map<Slot, Ballot | null>();
  readonly #acceptedIn = new Map<number, Slot>();
  #missing: Missing | null = null;

  /** The first missing record that nothing explains; null when there is none. */
  get unresolvedFrom(): number | null {
    return this.#missing?.ranges[0]?.from ?? null;
  }

  acceptedIn(segment: number): Slot {
    return this.#acceptedIn.get(segment) ?? 0;
  }

  note(damage: Damage): void {
    this.damages.push(damage);
  }

  /** The next record that is there; its payload may be damaged. */
  record({ header, isWhole, head }: FoundRecord): void {
    if (header.number > this.expected) this.#miss(this.expected, header.number - 1);
    this.expected = header.number + 1;
    switch (header.kind) {
      case 'promised':
        this.promised = Math.max(this.promised, header.ballot);
        this.uncovered.push(header);
        return;
      case 'accepted':
        return this.#accepted(header, isWhole);
      case 'decided':
        return this.index.decided(header.slot);
      case 'head':
        this.promised = Math.max(this.promised, header.ballot);
        if (head !== null) this.#head(header, head);
        return this.index.decided(header.slot);
    }
  }

  finish(): {
    decidedUpTo: Slot;
    faulty: FaultySlot[];
    wanted: { slot: Slot; segment: number; offset: number }[];
  } {
    const { index, baseSlot } = this;
    index.decided(baseSlot);
    index.trimBelow(this.keptFrom);
    for (let slot = baseSlot + 1; slot <= index.decidedUpTo; slot++)
      if (index.find(slot) === null && !this.#faulty.has(slot)) this.#faulty.set(slot, null);
    const faulty = [...this.#faulty]
      .filter(([slot]) => slot > baseSlot)
      .map(([slot, ballot]) => ({ slot, ballot }))
      .sort((left, right) => left.slot - right.slot);
    const firstFaulty = faulty[0]?.slot ?? Number.POSITIVE_INFINITY;
    const decidedUpTo = Math.min(index.decidedUpTo, firstFaulty - 1);
    const wanted = [];
    for (let slot = decidedUpTo + 1; slot <= this.acceptedUpTo; slot++) {
      const place = index.find(slot);
      if (place !== null) wanted.push({ slot, ...place });
    }
    return { decidedUpTo, faulty, wanted };
  }

  #accepted(header: RecordHeader, isWhole: boolean): void {
    const { slot, ballot, segment } = header;
    this.promised = Math.max(this.promised, ballot);
    this.acceptedUpTo = Math.max(this.acceptedUpTo, slot);
    this.#acceptedIn.set(segment, Math.max(this.acceptedIn(segment), slot));
    this.uncovered.push(header);
    if (!isWhole) return this.#lost(slot, ballot, this.index.decidedUpTo);
    // Whatever was lost before this, the value of this record is what the slot holds now.
    this.#faulty.delete(slot);
    this.#missing?.acceptedSince.add(slot);
    this.index.accepted(slot, ballot, header);
  }

  /** Takes what a head says over; the decided slot comes after this. */
  #head(header: RecordHeader, head: Head): void {
    this.acceptedUpTo = Math.max(this.acceptedUpTo, head.acceptedUpTo);
    this.baseSlot = Math.max(this.baseSlot, head.baseSlot);
    this.keptFrom = Math.max(this.keptFrom, head.keptFrom);
    this.firstSegment = Math.max(this.firstSegment, head.firstSegment);
    if (this.#missing !== null) this.#explain(this.#missing, header, head);
    this.#missing = null;
    this.uncovered = [];
    this.headNumber = header.number;
  }

  #miss(from: number, upTo: number): void {
    this.#missing ??= { ranges: [], decidedUpTo: this.index.decidedUpTo, acceptedSince: new Set() };
    this.#missing.ranges.push({ from, upTo });
  }

  #explain(missing: Missing, header: RecordHeader, head: Head): void {
    const isMissing = (number: number) => missing.ranges.some(({ from, upTo }) => number >= from && number <= upTo);
    for (const { number, slot, ballot } of head.vows) {
      if (!isMissing(number)) continue;
      this.promised = Math.max(this.promised, ballot);
      if (slot > 0 && !missing.acceptedSince.has(slot)) this.#lost(slot, ballot, missing.decidedUpTo);
    }
    if (!missing.ranges.some(({ from }) => from < head.coversFrom)) return;
    // Neither the records nor their repetition: any slot not decided then may have been accepted anew, up to this ballot.
    this.promised = Math.max(this.promised, header.ballot);
    for (let slot = Math.max(missing.decidedUpTo, head.baseSlot) + 1; slot <= head.acceptedUpTo; slot++)
      if (!missing.acceptedSince.has(slot)) this.#markFaulty(slot, null);
  }

  /** An accepted record of this slot is lost; slots up to `decidedThen` were decided when it was written. */
  #lost(slot: Slot, ballot: Ballot, decidedThen: Slot): void {
    this.acceptedUpTo = Math.max(this.acceptedUpTo, slot);
    const isThere = this.index.find(slot) !== null;
    // A decided value binds every later ballot: the one that is there is the same.
    if (isThere && slot <= decidedThen) return;
    if (isThere && this.index.undecidedBallot(slot) >= ballot) return;
    this.#markFaulty(slot, ballot);
  }

  #markFaulty(slot: Slot, ballot: Ballot | null): void {
    this.#faulty.set(slot, ballot);
    this.index.forget(slot);
  }
}
