/** What a simulated node asks of its disk: either the product's log over bytes (log-disk.ts), or a cheap list of records (disk.ts). */
import type { Slot } from '../../cluster-node/contract/ballot.ts';
import type { Entry } from '../../cluster-node/contract/peer.ts';
import type { DurableRecord, RecoveredState } from '../../cluster-node/paxos/interface.ts';
import type { Random } from './random.ts';

export interface WrittenRecord {
  readonly sequence: number;
  /** null: the runtime kept it to itself. */
  readonly record: DurableRecord | null;
}

export type Damage = 'bitRot' | 'lostWrite' | 'misdirectedWrite';

export interface SimulatedDisk {
  readonly unsyncedCount: number;
  /** Slots whose accepted value was damaged and not written again since. */
  readonly damagedSlots: ReadonlySet<Slot>;
  write(sequence: number, record: DurableRecord | null): void;
  /** The first `count` records that are not durable yet become so; returns them. */
  sync(count: number): readonly WrittenRecord[];
  /** Loses what was not synced, except for some of it; returns the records that survived by luck. */
  crash(random: Random): readonly WrittenRecord[];
  /** What a start finds. */
  recover(): RecoveredState;
  /** How far a start would find the log decided at least; changes nothing. */
  recoverableUpTo(): Slot;
  /** Entries of lower slots were trimmed. */
  readonly firstSlot: Slot;
  entry(slot: Slot): Entry | undefined;
  /** Consecutive decided entries from `fromSlot`, as the runtime reads them; null when the first is damaged. */
  read(fromSlot: Slot, maxBytes: number): Entry[] | null;
  /** A snapshot of everything up to this slot is durable, so the log may forget that. */
  trim(snapshotSlot: Slot): void;
  /** The same for a snapshot that came from a peer: whatever the log lacks below it is decided. */
  installSnapshot(slot: Slot): void;
  damage(slot: Slot, how: Damage, random: Random): void;
}

export function entriesFrom(
  disk: SimulatedDisk,
  range: { readonly fromSlot: Slot; readonly upTo: Slot; readonly maxBytes: number },
): Entry[] | null {
  const entries: Entry[] = [];
  let bytes = 0;
  for (let slot = range.fromSlot; slot <= range.upTo; slot++) {
    if (disk.damagedSlots.has(slot)) return entries.length > 0 ? entries : null;
    const entry = disk.entry(slot);
    bytes += entry?.value.length ?? 0;
    if (entry === undefined || (entries.length > 0 && bytes > range.maxBytes)) break;
    entries.push(entry);
  }
  return entries;
}
