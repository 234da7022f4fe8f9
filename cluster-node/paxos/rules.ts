/**
 * The rules on which safety rests, pure and in one place, so that they can be read beside their sources and broken one at a
 * time by the simulator's negative controls. First those of the paper (Lamport, "Paxos Made Simple", section 2.2), then what
 * a log of many slots, disks that lose things, reads and leases add to them.
 *
 * Elections, batching, resending and routing are not here: they are about progress alone.
 */
import { type Ballot, type MemberSlot, nextBallot, type Slot } from '../contract/ballot.ts';
import { type Configuration, type QuorumSizes, votersOf } from '../contract/configuration.ts';
import { digestOf } from '../contract/digest.ts';
import type { Entry, HeartbeatReply, PeerMessage } from '../contract/peer.ts';
import type { LeaseReads } from './interface.ts';
import { type QuorumSystem, quorumsOf } from './quorum.ts';

export interface PaxosRules {
  /** Whose promises and acceptances count: a learner's do not. */
  voters(configuration: Configuration): readonly MemberSlot[];
  quorums(voters: readonly MemberSlot[], sizes: QuorumSizes): QuorumSystem;
  /**
   * Of the configurations in the log only the direct successor of the one in force changes anything, and only once. One of a
   * higher number cannot stand there, since its proposer had decided all stop entries before it; a lower one is what lost earlier.
   */
  isSuccessor(configId: number, inForce: number): boolean;
  /** Whether a proposal is the last one in its configuration: a stop entry is. */
  isLast(isStop: boolean): boolean;
  /** P1b: "An acceptor can accept a proposal numbered n iff it has not responded to a prepare request having a number greater than n." */
  mayAccept(promised: Ballot, ballot: Ballot): boolean;
  /** P2c: of the accepted proposals for one slot, the one that binds a new proposer: "the highest-numbered proposal". */
  binding(known: Entry | undefined, reported: Entry): Entry | undefined;
  /** "Different proposers choose their numbers from disjoint sets of numbers", and each one a higher number every time. */
  nextBallot(above: Ballot, self: MemberSlot): Ballot;
  /** "An acceptor must remember": the messages that may only leave once what they vow is on disk. */
  isVow(kind: PeerMessage['kind']): boolean;

  /** A proposer is an acceptor too: what it accepted itself counts among the reports. */
  ownReport(own: Entry | undefined): Entry | undefined;
  /** A report comes in pages; one that begins after the slots covered so far does not count before the missing one. */
  isNextPage(coveredUpTo: Slot, pageFrom: Slot): boolean;
  /** What a report leaves out because it is decided must be learned before anything is proposed. */
  mustLearnFirst(reportedDecided: Slot, decidedHere: Slot): boolean;
  /**
   * Whether what an acceptor's disk lost, accepted at most under ballot `lost` (null: unknown), may be a chosen value that
   * `intact`, the highest ballot of a value known for the slot (0: none), does not show. If a value was chosen under c and
   * this acceptor had a part in it, c ≤ lost; every proposal under c or more carries the chosen value, so one known under
   * `lost` or more shows it (Alagappan et al., "Protocol-Aware Recovery").
   */
  mayHide(lost: Ballot | null, intact: Ballot): boolean;

  /** A value is accepted and learned only as it was proposed. */
  isIntact(entry: Entry): boolean;
  /** Whether an acceptor's cumulative count, under `ballot`, goes on over a slot. Lost is not accepted, whatever is left. */
  countsAsAccepted(entry: Entry | undefined, isLost: boolean, ballot: Ballot): boolean;
  /** Decided slots count as accepted, which is true only for the leader whose ballot is promised: others may propose otherwise. */
  mayAcknowledge(ballots: { readonly leader: Ballot; readonly promised: Ballot; readonly counted: Ballot }): boolean;
  /** How far a leader counts itself: as it counts the others, for what is durable. */
  ownCount(durableUpTo: Slot, receivedUpTo: Slot): Slot;
  /**
   * An acceptor's count is about one ballot, and concerns the leader of that ballot only. One that led before, crashed and leads
   * again may get a late count of values that it has forgotten.
   */
  isAnswer(counted: Ballot, ballot: Ballot): boolean;
  /** What counts as accepted is on disk: a value learned from a peer is written like one accepted, if it is news. */
  mustKeepLearned(known: Entry | undefined, learned: Entry): boolean;
  /** "Decided up to d under ballot b" says something about a slot only if the value here was accepted under b. */
  noticeProves(noticeBallot: Ballot, entry: Entry): boolean;
  /** A snapshot never takes back what is decided here. */
  mayInstall(snapshotSlot: Slot, decidedUpTo: Slot): boolean;

  /**
   * A leader that took over a stop entry cannot answer a read before that is decided: what the next configuration decided may be
   * hidden from it, and the members that confirm its round need not know of that either.
   */
  mayAnswerReads(tookOverStop: boolean): boolean;
  /** What a linearizable read must see: all that this leader decided, and all that earlier ones may have. */
  readSlot(decidedUpTo: Slot, recoveredUpTo: Slot): Slot;
  /** The heartbeat round whose answers prove that this node still led when a read came: one that began later. */
  confirmingRound(sequence: number): number;
  /**
   * A reply proves that its sender had promised nothing above `promised` if it answers the leader of that very ballot. Others may
   * answer a late heartbeat of an earlier life of that leader, with a like sequence, before a read came.
   */
  replyConfirms(reply: HeartbeatReply): boolean;

  /** A member vows only to the leader whose ballot it has promised. */
  mayGrant(leaderBallot: Ballot, promised: Ballot): boolean;
  /** Until when a vow binds that is made now. */
  vowEnd(nowMs: number, lease: LeaseReads): number;
  /** Until when a vow may bind that was made in an earlier life. */
  vowEndAfterRestart(nowMs: number, lease: LeaseReads): number;
  /** While a vow is in force its maker answers no prepare of another ballot and does not campaign. */
  isVowInForce(untilMs: number, nowMs: number): boolean;
  /** The leader of `released` gave its lease up; what was vowed to it or to an earlier one binds no more. */
  releases(released: Ballot, vowedTo: Ballot): boolean;
  /** Until when a leader may rely on a vow for `grantedMs` that answers a heartbeat sent at `sentAtMs`. */
  leaseEnd(sentAtMs: number, lease: LeaseReads, grantedMs: number): number;
  /** What a leader gives up when it hands over, for as long as it leads under this ballot. */
  isLeaseReleased(ballot: Ballot, released: Ballot): boolean;
}

const VOWS: ReadonlySet<PeerMessage['kind']> = new Set(['prepare', 'promise', 'accepted']);

export const PAXOS_RULES: PaxosRules = {
  voters: votersOf,
  quorums: quorumsOf,
  isSuccessor: (configId, inForce) => configId === inForce + 1,
  isLast: (isStop) => isStop,
  mayAccept: (promised, ballot) => ballot >= promised,
  binding: (known, reported) => (known === undefined || reported.ballot > known.ballot ? reported : known),
  nextBallot,
  isVow: (kind) => VOWS.has(kind),

  ownReport: (own) => own,
  isNextPage: (coveredUpTo, pageFrom) => pageFrom <= coveredUpTo + 1,
  mustLearnFirst: (reportedDecided, decidedHere) => reportedDecided > decidedHere,
  mayHide: (lost, intact) => lost === null || intact < lost,

  isIntact: (entry) => digestOf(entry.value) === entry.digest,
  countsAsAccepted: (entry, isLost, ballot) => entry?.ballot === ballot && !isLost,
  mayAcknowledge: ({ leader, promised, counted }) => leader === promised && leader === counted,
  ownCount: (durableUpTo) => durableUpTo,
  isAnswer: (counted, ballot) => counted === ballot,
  mustKeepLearned: (known, learned) => known === undefined || known.ballot < learned.ballot,
  noticeProves: (noticeBallot, entry) => entry.ballot === noticeBallot,
  mayInstall: (snapshotSlot, decidedUpTo) => snapshotSlot > decidedUpTo,

  mayAnswerReads: (tookOverStop) => !tookOverStop,
  readSlot: (decidedUpTo, recoveredUpTo) => Math.max(decidedUpTo, recoveredUpTo),
  confirmingRound: (sequence) => sequence + 1,
  replyConfirms: (reply) => reply.confirms,

  mayGrant: (leaderBallot, promised) => leaderBallot === promised,
  vowEnd: (nowMs, lease) => nowMs + lease.durationMs,
  vowEndAfterRestart: (nowMs, lease) => nowMs + lease.durationMs,
  isVowInForce: (untilMs, nowMs) => nowMs < untilMs,
  releases: (released, vowedTo) => released >= vowedTo && released > 0,
  leaseEnd: (sentAtMs, lease, grantedMs) => sentAtMs + Math.min(lease.durationMs, grantedMs) * (1 - lease.driftRatio),
  isLeaseReleased: (ballot, released) => ballot <= released,
};
