/**
 * When all nodes take a snapshot of the same slot, and at which slots they compare themselves. It follows from the log alone,
 * so that nobody needs to agree on it: bytes applied are counted, and the count is part of the snapshot.
 */
import type { Slot } from '../contract/ballot.ts';

/** Nodes compare the hash of their changes (`KeyValueMachine.stateHash`) at multiples of it; snapshots fall on them too. */
export const AGREED_SLOT_INTERVAL = 1024;

/** The same on all nodes of a cluster. */
export interface SnapshotRule {
  /** A multiple of AGREED_SLOT_INTERVAL; snapshots fall on its multiples. */
  readonly slotInterval: number;
  /** Applied since the last one; as much as half of what the machine held then is asked for too. */
  readonly minBytes: number;
  /** After so many slots a snapshot is due whatever they held. */
  readonly maxSlots: number;
}

export const defaultSnapshotRule: SnapshotRule = {
  slotInterval: AGREED_SLOT_INTERVAL,
  minBytes: 32 * 1024 * 1024,
  maxSlots: 1_048_576,
};

export interface SnapshotScheduleState {
  readonly lastDueSlot: Slot;
  /** Estimate of what the machine held at `lastDueSlot`. */
  readonly bytesThen: number;
  /** Length of the values applied since. */
  readonly bytesSince: number;
}

export class SnapshotSchedule {
  readonly #rule: SnapshotRule;
  #lastDueSlot: Slot = 0;
  #bytesThen = 0;
  #bytesSince = 0;

  constructor(rule: SnapshotRule) {
    this.#rule = rule;
  }

  get lastDueSlot(): Slot {
    return this.#lastDueSlot;
  }

  get state(): SnapshotScheduleState {
    return { lastDueSlot: this.#lastDueSlot, bytesThen: this.#bytesThen, bytesSince: this.#bytesSince };
  }

  restore({ lastDueSlot, bytesThen, bytesSince }: SnapshotScheduleState): void {
    this.#lastDueSlot = lastDueSlot;
    this.#bytesThen = bytesThen;
    this.#bytesSince = bytesSince;
  }

  /** After each slot; `storedBytes` as in the store. */
  applied(slot: Slot, valueBytes: number, storedBytes: number): void {
    this.#bytesSince += valueBytes;
    if (slot % this.#rule.slotInterval !== 0) return;
    const { minBytes, maxSlots } = this.#rule;
    const isEnough = this.#bytesSince >= Math.max(minBytes, this.#bytesThen / 2);
    if (!isEnough && slot - this.#lastDueSlot < maxSlots) return;
    this.#lastDueSlot = slot;
    this.#bytesThen = storedBytes;
    this.#bytesSince = 0;
  }
}
