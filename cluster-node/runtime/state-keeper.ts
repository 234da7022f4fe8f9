/**
 * The replicated state of this node and what follows from each executed slot: a new configuration, a snapshot that is due, a
 * comparison with the other nodes. The machine is replaced whole when a peer's snapshot is installed.
 */
import type { MemberSlot, Slot } from '../contract/ballot.ts';
import type { Configuration } from '../contract/configuration.ts';
import type { Applied, KeyValueMachine } from '../machine/machine.ts';
import { AGREED_SLOT_INTERVAL } from '../machine/snapshot-schedule.ts';
import type { SnapshotInfo } from '../storage/snapshot-file.ts';
import type { Alarms } from './alarms.ts';
import type { Membership } from './membership.ts';
import { configurationAfter } from './recover.ts';
import type { InstalledState } from './snapshots.ts';
import { type AuditFinding, findingText, StateAudit, type StateDigest } from './state-audit.ts';

export interface StateSurroundings {
  readonly self: MemberSlot;
  readonly membership: Membership;
  readonly takeSnapshot: (machine: KeyValueMachine, configuration: Configuration) => void;
  /** Tells all other members. */
  readonly broadcast: (digest: StateDigest) => void;
  readonly alarms: Alarms;
  /** This node's state is not the majority's, in words. */
  readonly onDiverged: (text: string) => void;
  /** The configuration in force changed with the slot just executed. */
  readonly onConfiguration: (configuration: Configuration) => void;
}

export class StateKeeper {
  #machine: KeyValueMachine;
  readonly #audit: StateAudit;
  readonly #around: StateSurroundings;
  /** States built from peers' snapshots, by slot. */
  readonly #prepared = new Map<Slot, InstalledState>();

  constructor(machine: KeyValueMachine, around: StateSurroundings) {
    this.#machine = machine;
    this.#around = around;
    this.#audit = new StateAudit(around.self);
  }

  get machine(): KeyValueMachine {
    return this.#machine;
  }

  /** Up to here the whole content was compared and was the majority's. */
  get agreedContentUpTo(): Slot {
    return this.#audit.agreedContentUpTo;
  }

  /** Executes the next slot. */
  apply(slot: Slot, value: Uint8Array): Applied | null {
    const { membership, onConfiguration, takeSnapshot } = this.#around;
    const applied = this.#machine.apply(slot, value);
    const configuration = configurationAfter(membership.configuration, value);
    if (configuration !== membership.configuration) onConfiguration(configuration);
    if (slot % AGREED_SLOT_INTERVAL === 0) this.#noteOwn({ kind: 'changes', slot, digest: this.#machine.stateHash() });
    if (this.#machine.isSnapshotDue) takeSnapshot(this.#machine, membership.configuration);
    return applied;
  }

  /** A state built from a peer's snapshot: it takes over when the core says so. */
  prepare(state: InstalledState): void {
    this.#prepared.set(state.machine.appliedUpTo, state);
  }

  /** The machine stands at this slot from now on, unless it is further already. */
  install(slot: Slot): void {
    const state = this.#prepared.get(slot);
    this.#prepared.clear();
    if (slot <= this.#machine.appliedUpTo) return;
    if (state === undefined) throw new Error(`no state was built for slot ${slot}`);
    this.#machine = state.machine;
    this.#around.onConfiguration(state.configuration);
  }

  /** A snapshot of this node's state: taken, found at the start, or come from a peer. */
  noteSnapshot({ slot, sha256 }: SnapshotInfo): void {
    this.#noteOwn({ kind: 'content', slot, digest: sha256 });
  }

  onPeerDigest(from: MemberSlot, digest: StateDigest): void {
    if (digest.slot % AGREED_SLOT_INTERVAL !== 0) return;
    this.#report(this.#audit.note(from, digest, this.#around.membership.voters));
  }

  isDisputed(slot: Slot): boolean {
    return this.#audit.isDisputed(slot);
  }

  isOdd(member: MemberSlot): boolean {
    return this.#audit.isOdd(member);
  }

  /** What a member that just connected should hear. */
  newestDigests(): StateDigest[] {
    return this.#audit.newest();
  }

  #noteOwn(digest: StateDigest): void {
    const { self, membership, broadcast } = this.#around;
    const findings = this.#audit.note(self, digest, membership.voters);
    broadcast(digest);
    this.#report(findings);
  }

  #report(findings: readonly AuditFinding[]): void {
    for (const finding of findings) this.#act(finding);
  }

  #act(finding: AuditFinding): void {
    const { alarms, membership, onDiverged } = this.#around;
    const text = findingText(finding, (member) => membership.nameOf(member));
    switch (finding.kind) {
      case 'split':
        return alarms.raise('split', text);
      case 'splitIsOver':
        return alarms.clear('split', text);
      case 'peerIsOdd':
        return alarms.raise(`odd-${finding.member}`, text);
      case 'agreesAgain':
        return alarms.clear(`odd-${finding.member}`, text);
      case 'selfIsOdd':
        return onDiverged(text);
    }
  }
}
