/**
 * Phase 1 of one ballot, seen from its proposer. It asks every acceptor for what it has accepted from one slot on and
 * merges the pages that come back. "If the proposer receives a response to its prepare requests from a majority of
 * acceptors, then it can send an accept request [...] where v is the value of the highest-numbered proposal among the
 * responses" (Paxos Made Simple, section 2.2), here for the whole suffix of the log at once.
 */
import type { Ballot, MemberSlot, Slot } from '../contract/ballot.ts';
import { digestOf } from '../contract/digest.ts';
import type { Entry, Promise } from '../contract/peer.ts';
import type { Membership } from './membership.ts';
import type { Outbox } from './outbox.ts';
import type { ReplicaLog } from './replica-log.ts';
import type { PaxosRules } from './rules.ts';

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
}

export class Candidacy {
  readonly ballot: Ballot;
  readonly fromSlot: Slot;
  /** When it last got anywhere. */
  progressAtMs: number;
  #ownRecord: number;
  #reports = new Map<MemberSlot, Report>();
  #reported = new Map<Slot, Entry>();
  #parts: Parts;

  /** The promise to oneself has just been given to the disk. */
  constructor(parts: Parts, ballot: Ballot) {
    this.#parts = parts;
    this.ballot = ballot;
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
      out.sendDurable(member, { kind: 'prepare', ballot: this.ballot, configId, fromSlot });
    }
  }

  onPromise(from: MemberSlot, message: Promise): void {
    const report = this.#reports.get(from) ?? { coveredUpTo: this.fromSlot - 1, isComplete: false, decidedUpTo: 0 };
    if (report.isComplete || message.fromSlot > report.coveredUpTo + 1 || !this.#merge(from, message.entries)) return;
    report.coveredUpTo = Math.max(report.coveredUpTo, message.entries.at(-1)?.slot ?? 0);
    report.decidedUpTo = Math.max(report.decidedUpTo, message.decidedUpTo);
    report.isComplete = message.last;
    this.#reports.set(from, report);
    this.progressAtMs = this.#parts.out.nowMs;
  }

  hasQuorum(): boolean {
    const { out, membership } = this.#parts;
    const { self, quorums } = membership;
    return quorums.phase1((member) =>
      member === self ? out.durableUpTo >= this.#ownRecord : this.#reports.get(member)?.isComplete === true,
    );
  }

  /**
   * The member to ask for decided slots that promises left out, or null when all are here. Without them this node would
   * propose into slots that are decided already.
   */
  aheadOfUs(): MemberSlot | null {
    let needed = this.#parts.log.decidedUpTo;
    let ahead: MemberSlot | null = null;
    for (const [member, report] of this.#reports) {
      if (!report.isComplete || report.decidedUpTo <= needed) continue;
      needed = report.decidedUpTo;
      ahead = member;
    }
    return ahead;
  }

  /** What must be proposed again: for each slot above the decided ones the binding value, a no-op where nobody has one. */
  proposals(): Entry[] {
    const { log } = this.#parts;
    let upTo = log.acceptedUpTo;
    for (const slot of this.#reported.keys()) upTo = Math.max(upTo, slot);
    const entries: Entry[] = [];
    for (let slot = log.decidedUpTo + 1; slot <= upTo; slot++) {
      const { value, digest } = this.#bound(slot) ?? NO_OP;
      entries.push({ slot, ballot: this.ballot, value, digest });
    }
    return entries;
  }

  #merge(from: MemberSlot, entries: readonly Entry[]): boolean {
    const broken = entries.find((entry) => digestOf(entry.value) !== entry.digest);
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
    const own = this.#parts.log.get(slot);
    const reported = this.#reported.get(slot);
    return own === undefined ? reported : this.#parts.rules.binding(reported, own);
  }
}

const NO_OP = { value: new Uint8Array(0), digest: 0 };
