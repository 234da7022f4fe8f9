/**
 * One node's disk as a list of records of which a prefix is synced. A crash keeps that prefix and, by chance, some of what
 * followed, since a record may reach the platter without anyone having been told. A synced record may rot: what it said is
 * gone, and of what was accepted there only the slot, and perhaps the ballot, can still be told.
 */
import type { Ballot, Slot } from '../../cluster-node/contract/ballot.ts';
import type { Entry, FaultySlot } from '../../cluster-node/contract/peer.ts';
import type { DurableRecord, RecoveredState } from '../../cluster-node/paxos/interface.ts';
import { type Control, CORRECT } from './controls.ts';
import type { Random } from './random.ts';
import { type Damage, entriesFrom, type SimulatedDisk, type WrittenRecord } from './simulated-disk.ts';

const NONE: ReadonlySet<Slot> = new Set();

export class Disk implements SimulatedDisk {
  #promised: Ballot = 0;
  #decidedUpTo: Slot = 0;
  #entries: (Entry | undefined)[] = [];
  #rotten = new Map<Slot, Ballot | null>();
  #unsynced: WrittenRecord[] = [];
  readonly #control: Control;
  #baseSlot: Slot = 0;

  constructor(control: Control = CORRECT) {
    this.#control = control;
  }

  write(sequence: number, record: DurableRecord | null): void {
    this.#unsynced.push({ sequence, record });
  }

  get unsyncedCount(): number {
    return this.#unsynced.length;
  }

  get firstSlot(): Slot {
    return this.#baseSlot + 1;
  }

  get damagedSlots(): ReadonlySet<Slot> {
    return this.#rotten.size === 0 ? NONE : new Set(this.#rotten.keys());
  }

  sync(count: number): readonly WrittenRecord[] {
    const synced = this.#unsynced.splice(0, count);
    for (const { record } of synced) if (record !== null) this.#keep(record);
    return synced;
  }

  crash(random: Random): readonly WrittenRecord[] {
    const lucky = random.chance(0.5) ? this.sync(random.integer(0, this.#unsynced.length)) : [];
    const torn = this.#unsynced[0]?.record;
    if (this.#control.takesTornRecord && torn?.kind === 'accepted') {
      const { entry } = torn;
      this.#keep({ kind: 'accepted', entry: { ...entry, value: entry.value.subarray(0, entry.value.length >> 1) } });
    }
    this.#unsynced = [];
    return lucky;
  }

  /** After bit rot its ballot can still be told. */
  damage(slot: Slot, how: Damage): void {
    const entry = this.#entries[slot];
    if (entry === undefined) return;
    const other = this.#entries[slot - 1];
    if (this.#control.takesMisdirected && how === 'misdirectedWrite' && other !== undefined) {
      this.#entries[slot] = { ...other, slot };
      return;
    }
    this.#rotten.set(slot, how === 'bitRot' ? entry.ballot : null);
    this.#entries[slot] = undefined;
  }

  trim(snapshotSlot: Slot): void {
    for (let slot = this.firstSlot; slot <= snapshotSlot; slot++) this.#entries[slot] = undefined;
    for (const slot of this.#rotten.keys()) if (slot <= snapshotSlot) this.#rotten.delete(slot);
    this.#baseSlot = Math.max(this.#baseSlot, snapshotSlot);
  }

  installSnapshot(slot: Slot): void {
    this.trim(slot);
    this.#decidedUpTo = Math.max(this.#decidedUpTo, slot);
  }

  recover(): RecoveredState {
    // A snapshot may have been quicker to the disk than what is in it.
    for (let slot = this.firstSlot; slot <= this.#decidedUpTo; slot++)
      if (this.#entries[slot] === undefined && !this.#rotten.has(slot)) this.#rotten.set(slot, null);
    const decidedUpTo = this.recoverableUpTo();
    const accepted = this.#entries.slice(decidedUpTo + 1).filter((entry) => entry !== undefined);
    const faulty: FaultySlot[] = [...this.#rotten].map(([slot, ballot]) => ({ slot, ballot }));
    return { promised: this.#promised, decidedUpTo, accepted, faulty: faulty.sort((a, b) => a.slot - b.slot) };
  }

  recoverableUpTo(): Slot {
    return Math.min(Math.max(this.#decidedUpTo, this.#baseSlot), Math.min(...this.#rotten.keys()) - 1);
  }

  entry(slot: Slot): Entry | undefined {
    return this.#entries[slot];
  }

  read(fromSlot: Slot, maxBytes: number): Entry[] | null {
    return entriesFrom(this, { fromSlot, upTo: this.#decidedUpTo, maxBytes });
  }

  #keep(record: DurableRecord): void {
    if (record.kind === 'promised') this.#promised = Math.max(this.#promised, record.ballot);
    else if (record.kind === 'decided') this.#decidedUpTo = Math.max(this.#decidedUpTo, record.upTo);
    else {
      const { entry } = record;
      if (entry.slot <= this.#baseSlot) return;
      if ((this.#entries[entry.slot]?.ballot ?? 0) > entry.ballot) return;
      this.#entries[entry.slot] = entry;
      this.#rotten.delete(entry.slot);
    }
  }
}
