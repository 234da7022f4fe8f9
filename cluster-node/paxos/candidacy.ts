/**
 * Phase 1 of one ballot, seen from its proposer. It asks every acceptor for what it has accepted from one slot on and
 * merges the pages that come back. "If the proposer receives a response to its prepare requests from a majority of
 * acceptors, then it can send an accept request [...] where v is the value of the highest-numbered proposal among the
 * responses" (Paxos Made Simple, section 2.2), here for the whole suffix of the log at once.
 */
import type { Ballot, MemberSlot, Slot } from '../contract/ballot.ts';
import type { Entry, FaultySlot, Promise } from '../contract/peer.ts';
import type { Membership } from './membership.ts';
import type { Outbox } from './outbox.ts';
import type { ReplicaLog } from './replica-log.ts';
import type { PaxosRules } from './rules.ts';

/**
 * More slots without a value between two of one report than any acceptor leaves free or any disk loses: not to be believed, since
 * a leader would fill them all.
 */
const MAX_GAP_SLOTS = 2 ** 18;

interface Parts {
  readonly out: Outbox;
  readonly log: ReplicaLog;
  readonly rules: PaxosRules;
  readonly membership: Membership;
}

interface Report {
  /** Everything accepted there in [fromSlot, coveredUpTo] has come. */
  coveredUpTo: Slot;
  isComplete: boolean;
  decidedUpTo: Slot;
  /** What its disk lost, known once it is complete. */
  faulty: readonly FaultySlot[];
}

export class Candidacy {
  readonly ballot: Ballot;
  readonly configId: number;
  readonly fromSlot: Slot;
  /** When it last got anywhere. */
  progressAtMs: number;
  #leaseReleased: Ballot;
  #ownRecord: number;
  #reports = new Map<MemberSlot, Report>();
  #reported = new Map<Slot, Entry>();
  #parts: Parts;

  /** The promise to oneself has just been given to the disk. `leaseReleased`: see the prepare's. */
  constructor(parts: Parts, ballot: Ballot, leaseReleased: Ballot) {
    this.#parts = parts;
    this.ballot = ballot;
    this.#leaseReleased = leaseReleased;
    this.configId = parts.membership.configId;
    this.fromSlot = parts.log.decidedUpTo + 1;
    this.progressAtMs = parts.out.nowMs;
    this.#ownRecord = parts.out.lastRecord;
  }

  /** Asks, or asks again, whoever has not yet promised; each from the slot up to which it has already answered. */
  sendPrepares(): void {
    const { out, membership } = this.#parts;
    const { self, configId, quorums } = membership;
    for (const member of quorums.members) {
      const report = this.#reports.get(member);
      if (member === self || report?.isComplete) continue;
      const fromSlot = report === undefined ? this.fromSlot : report.coveredUpTo + 1;
      // The ballot must not be forgotten and used again, so it is on disk before anyone hears of it.
      const leaseReleased = this.#leaseReleased;
      out.sendDurable(member, { kind: 'prepare', ballot: this.ballot, configId, fromSlot, leaseReleased });
    }
  }

  onPromise(from: MemberSlot, message: Promise): void {
    const report = this.#reports.get(from) ?? unreported(this.fromSlot);
    if (report.isComplete || !this.#parts.rules.isNextPage(report.coveredUpTo, message.fromSlot)) return;
    const absurd = afterAbsurdGap(message, Math.max(report.coveredUpTo, message.decidedUpTo));
    if (absurd !== undefined) return this.#parts.out.event({ kind: 'absurdPromise', from, slot: absurd.slot });
    if (!this.#merge(from, message.entries)) return;
    report.coveredUpTo = Math.max(report.coveredUpTo, message.entries.at(-1)?.slot ?? 0);
    report.decidedUpTo = Math.max(report.decidedUpTo, message.decidedUpTo);
    report.isComplete = message.last;
    report.faulty = message.faulty;
    this.#reports.set(from, report);
    this.progressAtMs = this.#parts.out.nowMs;
  }

  hasQuorum(): boolean {
    return this.#parts.membership.quorums.phase1((member) => this.#hasReported(member));
  }

  /**
   * A slot in which a value may have been chosen that no report shows, or null when there is none. Reports of damaged disks
   * count, slot by slot: what hides something there and what has not reported must not be a phase 2 quorum by themselves. Then
   * every phase 2 quorum has a member that shows all it accepted there or lost nothing that the others do not show, and the
   * highest ballot shown is that of a chosen value or above it. While they are such a quorum, they may have chosen something,
   * and all that is left is to wait for more reports.
   */
  hiddenSlot(): Slot | null {
    const { quorums } = this.#parts.membership;
    let hidden: Slot | null = null;
    for (const [slot, hiding] of this.#hiding())
      if (quorums.phase2((member) => !this.#hasReported(member) || hiding.has(member)))
        hidden = Math.min(slot, hidden ?? slot);
    // After a stop entry it is for the next configuration to ask.
    const last = hidden === null ? undefined : this.proposals().at(-1);
    return last !== undefined && this.#isStop(last) && last.slot < (hidden ?? 0) ? null : hidden;
  }

  /**
   * The member to ask for decided slots that promises left out, or null when all are here. Without them this node would
   * propose into slots that are decided already.
   */
  aheadOfUs(): MemberSlot | null {
    const { log, rules } = this.#parts;
    let needed = log.decidedUpTo;
    let ahead: MemberSlot | null = null;
    for (const [member, report] of this.#reports) {
      if (!report.isComplete || !rules.mustLearnFirst(report.decidedUpTo, needed)) continue;
      needed = report.decidedUpTo;
      ahead = member;
    }
    return ahead;
  }

  /**
   * What must be proposed again: for each slot above the decided ones the binding value, a no-op where nobody has one. A stop
   * entry is the last: what was accepted after it is of another configuration, or was never chosen.
   */
  proposals(): Entry[] {
    const { log } = this.#parts;
    let upTo = log.acceptedUpTo;
    for (const slot of this.#reported.keys()) upTo = Math.max(upTo, slot);
    const entries: Entry[] = [];
    for (let slot = log.decidedUpTo + 1; slot <= upTo; slot++) {
      const { value, digest } = this.#bound(slot) ?? NO_OP;
      entries.push({ slot, ballot: this.ballot, value, digest });
      if (this.#isStop({ value })) break;
    }
    return entries;
  }

  #isStop({ value }: Pick<Entry, 'value'>): boolean {
    const { membership, rules } = this.#parts;
    return rules.isLast(membership.successorIn(value) !== null);
  }

  #merge(from: MemberSlot, entries: readonly Entry[]): boolean {
    const broken = entries.find((entry) => !this.#parts.rules.isIntact(entry));
    if (broken !== undefined) {
      this.#parts.out.event({ kind: 'digestMismatch', from, slot: broken.slot });
      return false;
    }
    for (const entry of entries) {
      const binding = this.#parts.rules.binding(this.#reported.get(entry.slot), entry);
      if (binding !== undefined) this.#reported.set(entry.slot, binding);
    }
    return true;
  }

  /** What the others' reports and this node's own acceptance leave no choice about. */
  #bound(slot: Slot): Entry | undefined {
    const { log, rules } = this.#parts;
    const own = rules.ownReport(log.get(slot));
    const reported = this.#reported.get(slot);
    return own === undefined ? reported : rules.binding(reported, own);
  }

  #hasReported(member: MemberSlot): boolean {
    const { out, membership } = this.#parts;
    if (member === membership.self) return out.durableUpTo >= this.#ownRecord;
    return this.#reports.get(member)?.isComplete === true;
  }

  /** By undecided slot, the members that may have accepted something there that is not shown. */
  #hiding(): Map<Slot, Set<MemberSlot>> {
    const { log, membership } = this.#parts;
    const hiding = new Map<Slot, Set<MemberSlot>>();
    this.#addHiding(hiding, membership.self, log.faulty());
    for (const [member, report] of this.#reports) this.#addHiding(hiding, member, report.faulty);
    return hiding;
  }

  #addHiding(hiding: Map<Slot, Set<MemberSlot>>, member: MemberSlot, faulty: readonly FaultySlot[]): void {
    const { log, rules } = this.#parts;
    for (const { slot, ballot } of faulty) {
      const intact = Math.max(log.get(slot)?.ballot ?? 0, this.#reported.get(slot)?.ballot ?? 0);
      if (slot <= log.decidedUpTo || !rules.mayHide(ballot, intact)) continue;
      const members = hiding.get(slot);
      if (members === undefined) hiding.set(slot, new Set([member]));
      else members.add(member);
    }
  }
}

/** The first entry that is too far above what is before it. */
function afterAbsurdGap({ entries }: Promise, coveredUpTo: Slot): Entry | undefined {
  let last = coveredUpTo;
  return entries.find(({ slot }) => {
    const isAbsurd = slot - last > MAX_GAP_SLOTS;
    last = Math.max(last, slot);
    return isAbsurd;
  });
}

function unreported(fromSlot: Slot): Report {
  return { coveredUpTo: fromSlot - 1, isComplete: false, decidedUpTo: 0, faulty: [] };
}

const NO_OP = { value: new Uint8Array(0), digest: 0 };
