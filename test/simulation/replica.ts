/**
 * What one simulated node makes of decided slots: the machine and the configuration after them, and snapshots of both, as the
 * product does it. One is taken at slots on which all agree, while the node goes on; then the log is trimmed up to the one
 * before. A node too far behind for any log gets a peer's, which may come to nothing.
 */
import type { MemberSlot, Slot } from '../../cluster-node/contract/ballot.ts';
import {
  type Configuration,
  decodeConfiguration,
  isConfigurationValue,
} from '../../cluster-node/contract/configuration.ts';
import type { Entry, RequestId } from '../../cluster-node/contract/peer.ts';
import type { Input, RecoveredState } from '../../cluster-node/paxos/interface.ts';
import { RegisterMachine } from './register-machine.ts';
import type { SimulatedDisk } from './simulated-disk.ts';
import { type Snapshot, SnapshotFiles } from './snapshot-files.ts';
import { Violation } from './violation.ts';
import type { World } from './world.ts';

const CALM_FETCH_MS = 5;

export interface ReplicaSurroundings {
  readonly world: World;
  readonly member: MemberSlot;
  readonly disk: () => SimulatedDisk;
  /** About how long a disk access takes now. */
  readonly diskMs: () => number;
  /** After about so long, if this life of the node lasts. */
  readonly later: (meanMs: number, run: () => void) => void;
  readonly give: (input: Input) => void;
}

export class Replica {
  machine: RegisterMachine;
  snapshots = new SnapshotFiles();
  #configuration: Configuration;
  #isTaking = false;
  /** On disk, and about to be told to the core. */
  #fetched: Snapshot | null = null;
  readonly #around: ReplicaSurroundings;

  constructor(around: ReplicaSurroundings) {
    this.#around = around;
    this.machine = new RegisterMachine(around.world.control.retried);
    this.#configuration = around.world.firstConfiguration;
  }

  /** The log begins later than the snapshots reach: all of them were lost. */
  get hasGap(): boolean {
    return this.#around.disk().firstSlot > (this.snapshots.newest?.slot ?? 0) + 1;
  }

  /** With what the disk has; what the core is to know, and the configuration after it. Not while there is a gap. */
  restart(recovered: RecoveredState): { readonly recovered: RecoveredState; readonly configuration: Configuration } {
    const { world, member, disk } = this.#around;
    this.#isTaking = false;
    this.#fetched = null;
    this.machine = new RegisterMachine(world.control.retried);
    this.#configuration = world.firstConfiguration;
    const { newest } = this.snapshots;
    if (newest !== null) this.#restore(newest);
    const decidedUpTo = Math.max(recovered.decidedUpTo, this.machine.appliedUpTo);
    while (this.machine.appliedUpTo < decidedUpTo) {
      const slot = this.machine.appliedUpTo + 1;
      const entry = disk().entry(slot);
      world.checker.onReplay(member, entry, slot);
      this.#carryOut(entry as Entry);
    }
    const isOpen = ({ slot }: { readonly slot: Slot }) => slot > decidedUpTo;
    const accepted = recovered.accepted.filter(isOpen);
    const faulty = recovered.faulty.filter(isOpen);
    return { recovered: { ...recovered, decidedUpTo, accepted, faulty }, configuration: this.#configuration };
  }

  /** Executes the next decided entry; the request that it carried out, if any. */
  apply(entry: Entry): RequestId | null {
    const { world, member } = this.#around;
    const request = this.#carryOut(entry);
    world.checker.onApplied(member, entry.slot, this.machine.hash);
    const { snapshotSlots } = world.mix;
    if (snapshotSlots !== null && entry.slot % snapshotSlots === 0) this.#takeSnapshot();
    return request;
  }

  /** A snapshot of this slot or a later one from that peer, and then `snapshotInstalled` or `snapshotFailed`. */
  fetch(from: MemberSlot, slot: Slot): void {
    const { world, member, later, diskMs, give } = this.#around;
    const meanMs = world.isCalm ? Math.min(world.mix.fetchMsMean, CALM_FETCH_MS) : world.mix.fetchMsMean;
    world.tell(() => `${member} asks ${from} for a snapshot of slot ${slot} or later`);
    later(meanMs, () => {
      const snapshot = this.#get(from, slot);
      world.tell(() => `${member} got ${snapshot === null ? 'no snapshot' : `the snapshot of slot ${snapshot.slot}`}`);
      if (snapshot === null) {
        world.count('failedFetch');
        return give({ kind: 'snapshotFailed', slot });
      }
      later(diskMs(), () => {
        world.count('fetchedSnapshot');
        this.#keep(snapshot);
        this.#fetched = snapshot;
        give({ kind: 'snapshotInstalled', slot: snapshot.slot, configuration: snapshot.configuration });
      });
    });
  }

  /** The core is about to be told. `decidedUpTo`: of this node until now. */
  install(decidedUpTo: Slot): void {
    const { world, member } = this.#around;
    const snapshot = this.#fetched;
    this.#fetched = null;
    if (snapshot === null || snapshot.slot <= decidedUpTo) return;
    this.#restore(snapshot);
    world.checker.onApplied(member, snapshot.slot, this.machine.hash);
  }

  /** Closes a gap before a start, by any peer that can; whether that worked. */
  closeGap(): boolean {
    const { world, member, disk } = this.#around;
    if (!this.snapshots.isDamaged)
      throw new Violation('no gap between snapshot and log', `member ${member}, slot ${disk().firstSlot - 1}`);
    for (const from of world.receivers.keys()) {
      const snapshot = from === member ? null : this.#get(from, disk().firstSlot - 1);
      if (snapshot === null) continue;
      world.count('closedGap');
      this.#keep(snapshot);
      return true;
    }
    return false;
  }

  /** Its disk is gone. */
  forget(): void {
    this.snapshots = new SnapshotFiles();
  }

  #get(from: MemberSlot, slot: Slot): Snapshot | null {
    const { world, member } = this.#around;
    const snapshot = world.receivers.get(from)?.snapshot() ?? null;
    const isReachable = world.network.reaches(from, member) && world.network.reaches(member, from);
    return isReachable && snapshot !== null && snapshot.slot >= slot ? snapshot : null;
  }

  #keep(snapshot: Snapshot): void {
    const { world, member, disk } = this.#around;
    this.snapshots.add(snapshot);
    disk().installSnapshot(snapshot.slot);
    world.checker.onSnapshot(member, snapshot.slot);
  }

  #takeSnapshot(): void {
    const { world, member, later, diskMs, disk } = this.#around;
    if (this.#isTaking) return;
    this.#isTaking = true;
    const machine = this.machine.snapshot();
    const snapshot = { slot: machine.appliedUpTo, machine, configuration: this.#configuration };
    later(diskMs(), () => {
      this.#isTaking = false;
      const before = this.snapshots.newest?.slot ?? 0;
      this.snapshots.add(world.control.snapshot(snapshot, world.firstConfiguration));
      world.checker.onSnapshot(member, snapshot.slot);
      world.count('snapshot');
      if (before > 0) disk().trim(world.control.trimSlot(before, this.machine.appliedUpTo));
    });
  }

  #restore(snapshot: Snapshot): void {
    this.machine = new RegisterMachine(this.#around.world.control.retried);
    this.machine.restore(snapshot.machine);
    this.#configuration = snapshot.configuration;
  }

  #carryOut({ slot, value }: Entry): RequestId | null {
    const request = this.machine.apply(slot, value);
    if (!isConfigurationValue(value)) return request;
    const next = decodeConfiguration(value);
    if (next.configId === this.#configuration.configId + 1) this.#configuration = next;
    return request;
  }
}
