/** Handing leadership to another member, followed to its end. */
import type { AdminResult } from '../contract/admin.ts';
import type { MemberSlot } from '../contract/ballot.ts';
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

/** Resolves once another member leads, the attempt has failed, or the time is over (`unknown`: it may still happen). */
export function handOver(
  around: HandoverSurroundings,
  { target, timeoutMs }: { readonly target: MemberSlot; readonly timeoutMs: number },
): Promise<Outcome> {
  const { self, status, nameOf } = around;
  const { role, believedLeader } = status();
  if (role !== 'leader') {
    const reason = believedLeader === 0 ? 'no leader is known here' : `${nameOf(believedLeader)} leads`;
    return Promise.resolve({ outcome: 'notLeader', believedLeader, reason });
  }
  if (target === self)
    return Promise.resolve({ outcome: 'transferred', believedLeader: self, reason: `${nameOf(self)} leads already` });
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
    const stopListening = around.onEvent((event) => {
      if (event.kind === 'transferFailed') finish('failed', event.reason);
      if (event.kind !== 'leaderChanged' || event.leader === 0 || event.leader === self) return;
      if (event.leader === target) finish('transferred', `${nameOf(target)} leads`);
      else finish('failed', `${nameOf(event.leader)} leads instead`);
    });
    around.submit({ kind: 'transfer', target });
  });
}

/** The member that could take over fastest: heard of lately and with the most of the log. undefined when there is none. */
export function bestSuccessor({ peers }: CoreStatus, heardWithinMs: number): MemberSlot | undefined {
  const candidates = peers.filter((peer) => peer.heardMsAgo !== null && peer.heardMsAgo <= heardWithinMs);
  candidates.sort((left, right) => right.decidedUpTo - left.decidedUpTo);
  return candidates[0]?.member;
}
