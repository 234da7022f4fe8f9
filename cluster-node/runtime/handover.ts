/** Handing leadership to another member, followed to its end. The core does one hand-over at a time, and so does this. */
import type { AdminResult } from '../contract/admin.ts';
import type { MemberSlot } from '../contract/ballot.ts';
import { votersOf } from '../contract/configuration.ts';
import type { CoreEvent, CoreStatus, Input } from '../paxos/interface.ts';

type Outcome = AdminResult<'transferLeadership'>;

export interface HandoverSurroundings {
  readonly self: MemberSlot;
  readonly status: () => CoreStatus;
  readonly submit: (input: Input) => void;
  /** Calls back at every protocol event until the returned function is called. */
  readonly onEvent: (listener: (event: CoreEvent) => void) => () => void;
  readonly nameOf: (member: MemberSlot) => string;
}

export class Handover {
  readonly #around: HandoverSurroundings;
  #underWay: { readonly target: MemberSlot; readonly outcome: Promise<Outcome> } | null = null;

  constructor(around: HandoverSurroundings) {
    this.#around = around;
  }

  /** The hand-over that is followed now; null when none is. */
  get underWay(): Promise<Outcome> | null {
    return this.#underWay?.outcome ?? null;
  }

  /**
   * Resolves once another member leads, the attempt has failed, or the time is over (`unknown`: it may still happen). While
   * one is under way a second is refused as `failed`, and the first goes on.
   */
  async to(target: MemberSlot, timeoutMs: number): Promise<Outcome> {
    const { self, status, nameOf } = this.#around;
    const { role, believedLeader, transferTarget } = status();
    if (role !== 'leader') {
      const reason = believedLeader === 0 ? 'no leader is known here' : `${nameOf(believedLeader)} leads`;
      return { outcome: 'notLeader', believedLeader, reason };
    }
    if (target === self)
      return { outcome: 'transferred', believedLeader: self, reason: `${nameOf(self)} leads already` };
    const busyWith = this.#underWay?.target ?? transferTarget;
    if (busyWith !== 0)
      return { outcome: 'failed', believedLeader, reason: `a hand-over to ${nameOf(busyWith)} is under way` };
    const outcome = this.#follow(target, timeoutMs);
    this.#underWay = { target, outcome };
    try {
      return await outcome;
    } finally {
      this.#underWay = null;
    }
  }

  #follow(target: MemberSlot, timeoutMs: number): Promise<Outcome> {
    const { self, status, nameOf, onEvent, submit } = this.#around;
    return new Promise((resolve) => {
      const finish = (outcome: Outcome['outcome'], reason: string) => {
        clearTimeout(timer);
        stopListening();
        resolve({ outcome, believedLeader: status().believedLeader, reason });
      };
      const timer = setTimeout(
        () => finish('unknown', `nothing was decided about it within ${timeoutMs} ms; look at who leads`),
        timeoutMs,
      );
      const stopListening = onEvent((event) => {
        if (event.kind === 'transferFailed' && event.target === target) finish('failed', event.reason);
        if (event.kind !== 'leaderChanged' || event.leader === 0 || event.leader === self) return;
        if (event.leader === target) finish('transferred', `${nameOf(target)} leads`);
        else finish('failed', `${nameOf(event.leader)} leads instead`);
      });
      submit({ kind: 'transfer', target });
    });
  }
}

/** The voter that could take over fastest: heard of lately, with room on its disk, with the most of the log. undefined: none. */
export function bestSuccessor({ peers, configuration }: CoreStatus, heardWithinMs: number): MemberSlot | undefined {
  const voters = votersOf(configuration);
  const candidates = peers.filter(
    ({ member, heardMsAgo, isDiskFull }) =>
      voters.includes(member) && !isDiskFull && heardMsAgo !== null && heardMsAgo <= heardWithinMs,
  );
  candidates.sort((left, right) => right.decidedUpTo - left.decidedUpTo);
  return candidates[0]?.member;
}
