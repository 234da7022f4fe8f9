/**
 * What this node has in memory of the replicated log: the highest accepted entry of each slot from `startSlot` on, and how
 * far it is decided and applied. Everything undecided stays; decided and applied entries stay while they fit a window,
 * because peers that are a little behind ask for them; older ones are read from disk by the runtime.
 */
import type { Ballot, Slot } from '../contract/ballot.ts';
import type { Entry, FaultySlot } from '../contract/peer.ts';
import type { RecoveredState } from './interface.ts';

const DEFAULT_WINDOW_SLOTS = 4096;
const WINDOW_BYTES = 16 * 1024 * 1024;
/** What an entry costs in a page besides its value, so that pages of no-ops end too. */
const ENTRY_OVERHEAD_BYTES = 32;
const NOTHING: RecoveredState = { promised: 0, decidedUpTo: 0, accepted: [], faulty: [] };

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
  /** Undecided slots in which something was accepted that the disk lost, with a ballot that is not below the lost one's. */
  #lost = new Map<Slot, Ballot>();
  /** Of the values in undecided slots. */
  undecidedBytes = 0;
  #bytes = 0;
  #windowSlots: number;

  constructor(recovered: RecoveredState | null, windowSlots = DEFAULT_WINDOW_SLOTS) {
    const { promised, decidedUpTo, accepted, faulty } = recovered ?? NOTHING;
    this.#windowSlots = windowSlots;
    this.decidedUpTo = decidedUpTo;
    this.appliedUpTo = decidedUpTo;
    this.acceptedUpTo = decidedUpTo;
    this.startSlot = decidedUpTo + 1;
    for (const entry of accepted) if (entry.slot > decidedUpTo) this.put(entry);
    for (const { slot, ballot } of faulty) {
      // Whatever was accepted in an earlier life was accepted under a ballot that was promised then.
      const bound = ballot ?? promised;
      if (slot > decidedUpTo && (this.get(slot)?.ballot ?? 0) < bound) this.#lost.set(slot, bound);
    }
  }

  get lostSlots(): number {
    return this.#lost.size;
  }

  isLost(slot: Slot): boolean {
    return this.#lost.has(slot);
  }

  /** The lost slots as promises report them, ascending. */
  faulty(): FaultySlot[] {
    return [...this.#lost].map(([slot, ballot]) => ({ slot, ballot })).sort((left, right) => left.slot - right.slot);
  }

  get(slot: Slot): Entry | undefined {
    return this.#entries.get(slot);
  }

  put(entry: Entry): void {
    const replaced = this.#entries.get(entry.slot);
    const growth = entry.value.length - (replaced?.value.length ?? 0);
    this.#entries.set(entry.slot, entry);
    this.#bytes += growth;
    if (entry.slot > this.decidedUpTo) this.undecidedBytes += growth;
    // Accepted again, under a ballot that is not below any promised before; or chosen.
    this.#lost.delete(entry.slot);
    if (entry.slot > this.acceptedUpTo) this.acceptedUpTo = entry.slot;
  }

  /** The next slot is decided, and its value is here. */
  decide(slot: Slot): void {
    if (slot !== this.decidedUpTo + 1) throw new Error(`slot ${slot} cannot be decided after slot ${this.decidedUpTo}`);
    this.decidedUpTo = slot;
    this.undecidedBytes -= this.#entries.get(slot)?.value.length ?? 0;
    this.#lost.delete(slot);
    if (slot > this.acceptedUpTo) this.acceptedUpTo = slot;
  }

  /** Everything up to `slot` is decided and applied, as a snapshot says, and its entries are not here; later ones stay. */
  skipTo(slot: Slot): void {
    for (const [known, entry] of this.#entries) {
      if (known > slot) continue;
      this.#bytes -= entry.value.length;
      if (known > this.decidedUpTo) this.undecidedBytes -= entry.value.length;
      this.#entries.delete(known);
    }
    for (const lost of this.#lost.keys()) if (lost <= slot) this.#lost.delete(lost);
    this.decidedUpTo = slot;
    this.appliedUpTo = slot;
    this.acceptedUpTo = Math.max(this.acceptedUpTo, slot);
    this.startSlot = slot + 1;
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
