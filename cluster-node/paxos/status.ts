/** What a core tells of itself for status and samples. */
import type { Ballot, Slot } from '../contract/ballot.ts';
import type { Election } from './election.ts';
import type { CoreStatus } from './interface.ts';
import type { Peers } from './peers.ts';
import type { ReplicaLog } from './replica-log.ts';

interface Observed
  extends Pick<
    CoreStatus,
    'configuration' | 'behind' | 'role' | 'undecidedSlots' | 'pendingRequests' | 'transferTarget'
  > {
  readonly nowMs: number;
  readonly log: ReplicaLog;
  readonly peers: Peers;
  readonly election: Election;
  readonly promised: Ballot;
  /** What nobody could show when this node last tried to lead. */
  readonly hiddenSlot: Slot | null;
}

export function statusOf(observed: Observed): CoreStatus {
  const { nowMs, log, peers, election, promised, hiddenSlot: _, ...told } = observed;
  const isContent = election.isContent(promised);
  return {
    ...told,
    believedLeader: isContent ? election.leader : 0,
    leaderBallot: isContent ? election.leaderBallot : 0,
    promised,
    decidedUpTo: log.decidedUpTo,
    appliedUpTo: log.appliedUpTo,
    acceptedUpTo: log.acceptedUpTo,
    quorumConnected: peers.isQuorumConnected(nowMs),
    faultySlots: log.lostSlots,
    behind: observed.behind ?? (isContent ? null : hiddenText(observed)),
    peers: peers.all.map((peer) => ({
      member: peer.member,
      heardMsAgo: peer.heardAtMs === null ? null : Math.max(0, nowMs - peer.heardAtMs),
      roundTripMs: peer.roundTripMs,
      decidedUpTo: peer.decidedUpTo,
      isDiskFull: peer.health.isDiskFull,
    })),
  };
}

function hiddenText({ hiddenSlot, log }: Observed): string | null {
  if (hiddenSlot === null || hiddenSlot <= log.decidedUpTo) return null;
  return `nobody can lead: a value may have been chosen in slot ${hiddenSlot} whose copies are damaged or out of reach; start the members that are away`;
}
