/**
 * One node's disk: an append-only list of records of which a prefix is synced. A crash keeps that prefix and, by chance, some
 * of what followed, since a record may reach the platter without anyone having been told.
 */
import type { Ballot, Slot } from '../../cluster-node/contract/ballot.ts';
import type { Entry } from '../../cluster-node/contract/peer.ts';
import type { DurableRecord, RecoveredState } from '../../cluster-node/paxos/interface.ts';
import type { Random } from './random.ts';

export interface WrittenRecord {
  readonly sequence: number;
  readonly record: DurableRecord;
}

export class Disk {
  promised: Ballot = 0;
  decidedUpTo: Slot = 0;
  #entries: (Entry | undefined)[] = [];
  #unsynced: WrittenRecord[] = [];

  write(sequence: number, record: DurableRecord): void {
    this.#unsynced.push({ sequence, record });
  }

  get unsyncedCount(): number {
    return this.#unsynced.length;
  }

  /** The first `count` records that are not durable yet become so; returns them. */
  sync(count: number): readonly WrittenRecord[] {
    const synced = this.#unsynced.splice(0, count);
    for (const { record } of synced) this.#keep(record);
    return synced;
  }

  /** Loses what was not synced, except for a random prefix of it; returns the records that survived by luck. */
  crash(random: Random): readonly WrittenRecord[] {
    const lucky = random.chance(0.5) ? this.sync(random.integer(0, this.#unsynced.length)) : [];
    this.#unsynced = [];
    return lucky;
  }

  recover(): RecoveredState {
    const { promised, decidedUpTo } = this;
    const accepted = this.#entries.filter((entry) => entry !== undefined && entry.slot > decidedUpTo) as Entry[];
    return { promised, decidedUpTo, accepted, faulty: [] };
  }

  entry(slot: Slot): Entry | undefined {
    return this.#entries[slot];
  }

  /** Consecutive entries from `fromSlot`, as the runtime reads them from its log. */
  read(fromSlot: Slot, maxBytes: number): Entry[] {
    const entries: Entry[] = [];
    let bytes = 0;
    for (let slot = fromSlot; slot <= this.decidedUpTo; slot++) {
      const entry = this.#entries[slot];
      bytes += entry?.value.length ?? 0;
      if (entry === undefined || (entries.length > 0 && bytes > maxBytes)) break;
      entries.push(entry);
    }
    return entries;
  }

  #keep(record: DurableRecord): void {
    if (record.kind === 'promised') this.promised = record.ballot;
    else if (record.kind === 'decided') this.decidedUpTo = record.upTo;
    else if ((this.#entries[record.entry.slot]?.ballot ?? 0) <= record.entry.ballot)
      this.#entries[record.entry.slot] = record.entry;
  }
}
