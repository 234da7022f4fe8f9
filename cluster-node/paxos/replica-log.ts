/**
 * What this node has in memory of the replicated log: the highest accepted entry of each slot from `startSlot` on, and how
 * far it is decided and applied. Everything undecided stays; decided and applied entries stay while they fit a window,
 * because peers that are a little behind ask for them; older ones are read from disk by the runtime.
 */
import type { Slot } from '../contract/ballot.ts';
import type { Entry } from '../contract/peer.ts';

const DEFAULT_WINDOW_SLOTS = 4096;
const WINDOW_BYTES = 16 * 1024 * 1024;
/** What an entry costs in a page besides its value, so that pages of no-ops end too. */
const ENTRY_OVERHEAD_BYTES = 32;

export class ReplicaLog {
  /** Everything up to and including this slot is known to be chosen, with its value. */
  decidedUpTo: Slot;
  /** What the runtime has executed; applied ≤ decided. */
  appliedUpTo: Slot;
  /** The highest slot with an accepted value; at least `decidedUpTo`. */
  acceptedUpTo: Slot;
  /** Decided entries below this slot have left memory. */
  startSlot: Slot;
  #entries = new Map<Slot, Entry>();
  #bytes = 0;
  #windowSlots: number;

  constructor(decidedUpTo: Slot, accepted: readonly Entry[], windowSlots = DEFAULT_WINDOW_SLOTS) {
    this.#windowSlots = windowSlots;
    this.decidedUpTo = decidedUpTo;
    this.appliedUpTo = decidedUpTo;
    this.acceptedUpTo = decidedUpTo;
    this.startSlot = decidedUpTo + 1;
    for (const entry of accepted) if (entry.slot > decidedUpTo) this.put(entry);
  }

  get(slot: Slot): Entry | undefined {
    return this.#entries.get(slot);
  }

  put(entry: Entry): void {
    const replaced = this.#entries.get(entry.slot);
    if (replaced !== undefined) this.#bytes -= replaced.value.length;
    this.#entries.set(entry.slot, entry);
    this.#bytes += entry.value.length;
    if (entry.slot > this.acceptedUpTo) this.acceptedUpTo = entry.slot;
  }

  /** Entries of [fromSlot, upToSlot] that exist, ascending, until `maxBytes` are passed; at least one if any. */
  page(range: { fromSlot: Slot; upToSlot: Slot; maxBytes: number }): Entry[] {
    const entries: Entry[] = [];
    let bytes = 0;
    for (let slot = range.fromSlot; slot <= range.upToSlot; slot++) {
      const entry = this.#entries.get(slot);
      if (entry === undefined) continue;
      bytes += entry.value.length + ENTRY_OVERHEAD_BYTES;
      if (entries.length > 0 && bytes > range.maxBytes) break;
      entries.push(entry);
    }
    return entries;
  }

  /** Notes what the runtime executed and lets go of old entries beyond the window. */
  applied(upTo: Slot): void {
    if (upTo > this.decidedUpTo) throw new Error(`applied slot ${upTo} is beyond decided slot ${this.decidedUpTo}`);
    if (upTo > this.appliedUpTo) this.appliedUpTo = upTo;
    while (this.startSlot <= this.appliedUpTo && this.#isOverWindow()) {
      const oldest = this.#entries.get(this.startSlot);
      if (oldest !== undefined) this.#bytes -= oldest.value.length;
      this.#entries.delete(this.startSlot);
      this.startSlot += 1;
    }
  }

  #isOverWindow(): boolean {
    return this.decidedUpTo - this.startSlot >= this.#windowSlots || this.#bytes > WINDOW_BYTES;
  }
}
