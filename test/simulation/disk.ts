/**
 * One node's disk: an append-only list of records of which a prefix is synced. A crash keeps that prefix and, by chance, some
 * of what followed, since a record may reach the platter without anyone having been told.
 */
import type { Ballot, Slot } from '../../cluster-node/contract/ballot.ts';
import type { Entry } from '../../cluster-node/contract/peer.ts';
import type { DurableRecord, RecoveredState } from '../../cluster-node/paxos/interface.ts';
import type { Random } from './random.ts';

export class Disk {
  #records: { readonly sequence: number; readonly record: DurableRecord }[] = [];
  #syncedCount = 0;
  /** Synced content, kept up to date for the checker and for recovery. */
  promised: Ballot = 0;
  decidedUpTo: Slot = 0;
  readonly accepted = new Map<Slot, Entry>();

  write(sequence: number, record: DurableRecord): void {
    this.#records.push({ sequence, record });
  }

  get hasUnsynced(): boolean {
    return this.#syncedCount < this.#records.length;
  }

  get writtenCount(): number {
    return this.#records.length;
  }

  /** Everything among the first `count` records is durable now; returns the newly synced records. */
  sync(count: number): { readonly sequence: number; readonly record: DurableRecord }[] {
    const synced = this.#records.slice(this.#syncedCount, count);
    for (const { record } of synced) this.#keep(record);
    this.#syncedCount = Math.max(this.#syncedCount, count);
    return synced;
  }

  /** Loses what was not synced, except for a random prefix of it; returns the records that survived by luck. */
  crash(random: Random): readonly { readonly record: DurableRecord }[] {
    const lucky = random.chance(0.5) ? this.sync(random.integer(this.#syncedCount, this.#records.length)) : [];
    this.#records = [];
    this.#syncedCount = 0;
    return lucky;
  }

  recover(): RecoveredState {
    const accepted = [...this.accepted.values()].filter((entry) => entry.slot > this.decidedUpTo);
    accepted.sort((a, b) => a.slot - b.slot);
    return { promised: this.promised, decidedUpTo: this.decidedUpTo, accepted, faulty: [] };
  }

  /** Consecutive entries from `fromSlot`, as the runtime reads them from its log. */
  read(fromSlot: Slot, maxBytes: number): Entry[] {
    const entries: Entry[] = [];
    let bytes = 0;
    for (let slot = fromSlot; slot <= this.decidedUpTo; slot++) {
      const entry = this.accepted.get(slot);
      bytes += entry?.value.length ?? 0;
      if (entry === undefined || (entries.length > 0 && bytes > maxBytes)) break;
      entries.push(entry);
    }
    return entries;
  }

  #keep(record: DurableRecord): void {
    if (record.kind === 'promised') this.promised = record.ballot;
    else if (record.kind === 'decided') this.decidedUpTo = record.upTo;
    else if ((this.accepted.get(record.entry.slot)?.ballot ?? 0) <= record.entry.ballot)
      this.accepted.set(record.entry.slot, record.entry);
  }
}
