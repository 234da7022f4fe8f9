/**
 * What nodes say to each other. Plain values: the core steps on them, the simulator delays them, `cluster-node/peer`
 * writes them as length-framed binary. docs/protocol.md tells, message by message, what must be durable before it is sent.
 */
import type { Ballot, MemberSlot, Slot } from './ballot.ts';

/** One accepted or proposed value. An empty `value` (0 bytes) is a no-op that fills a gap. */
export interface Entry {
  readonly slot: Slot;
  /** The ballot under which this value was accepted or is proposed. */
  readonly ballot: Ballot;
  readonly value: Uint8Array;
  /** CRC-32 of `value`, unsigned, fixed when the value is first proposed and checked at accept, write and apply. */
  readonly digest: number;
}

/** Identifies one client request: which node took it in (`origin`), in which life of that node (`boot`), and its number there. */
export interface RequestId {
  readonly origin: MemberSlot;
  /** Random 48-bit integer drawn at each start of the origin. */
  readonly boot: number;
  /** From 1, by one. */
  readonly sequence: number;
}

export type PeerMessage =
  | Prepare
  | Promise
  | Accept
  | Accepted
  | Nack
  | Heartbeat
  | HeartbeatReply
  | CatchUpRequest
  | CatchUpEntries
  | Forward
  | ForwardRefused
  | ReadIndexRequest
  | ReadIndexReply
  | TransferLeadership;

/** Phase 1a over the whole log suffix from `fromSlot` (inclusive). */
export interface Prepare {
  readonly kind: 'prepare';
  readonly ballot: Ballot;
  /** The configuration that the candidate knows of at `fromSlot`; an acceptor that knows a later one refuses. */
  readonly configId: number;
  readonly fromSlot: Slot;
  /** The leader of this ballot handed over to the candidate and uses its lease no more; 0: none did. */
  readonly leaseReleased: Ballot;
}

/** Something was accepted in this slot, but the disk lost the value. */
export interface FaultySlot {
  readonly slot: Slot;
  /** It was accepted under this ballot at most; null: nothing is known. */
  readonly ballot: Ballot | null;
}

/**
 * Phase 1b, durable before it is sent. Streams everything this acceptor has accepted from the prepare's `fromSlot` on in
 * pages; the promise counts once the page with `last: true` has come and no page is missing. Slots up to `decidedUpTo`
 * may be left out: the proposer must learn them by catch-up before it proposes anything.
 */
export interface Promise {
  readonly kind: 'promise';
  readonly ballot: Ballot;
  /** The first slot that this page covers; it covers up to its last entry, or everything when it is the last page. */
  readonly fromSlot: Slot;
  /** From 0, by one; for traces only, `fromSlot` says whether a page is missing. */
  readonly page: number;
  readonly last: boolean;
  readonly entries: readonly Entry[];
  /** On the last page: every undecided slot that is neither present nor empty, also below this prepare's `fromSlot`. */
  readonly faulty: readonly FaultySlot[];
  readonly decidedUpTo: Slot;
}

/** Phase 2a: consecutive slots under one ballot, with the leader's decided slot piggybacked. */
export interface Accept {
  readonly kind: 'accept';
  readonly ballot: Ballot;
  readonly entries: readonly Entry[];
  readonly decidedUpTo: Slot;
}

/**
 * Phase 2b, cumulative: under `ballot` this acceptor durably accepted every slot the leader proposed from the first slot of
 * that ballot up to and including `durableUpTo`.
 */
export interface Accepted {
  readonly kind: 'accepted';
  readonly ballot: Ballot;
  readonly durableUpTo: Slot;
  /** The highest slot up to which this acceptor has no hole under `ballot`, durable or not: tells the leader where to resend. */
  readonly receivedUpTo: Slot;
}

/**
 * Refusal of a prepare or an accept. Either `promised` is a higher ballot that this acceptor is bound to, or `configId` is a
 * later configuration than the prepare's: then the candidate must first learn what is decided.
 */
export interface Nack {
  readonly kind: 'nack';
  readonly ballot: Ballot;
  readonly promised: Ballot;
  readonly configId: number;
}

/** Sent by everyone to everyone every heartbeat interval. */
export interface Heartbeat {
  readonly kind: 'heartbeat';
  /** Counts the sender's heartbeats; echoed in the reply, so that round-trip time and read-index need no clock agreement. */
  readonly sequence: number;
  /** The ballot this node follows (its promised ballot). */
  readonly promised: Ballot;
  /** The member this node believes to lead and is content with; 0 when it has none. */
  readonly believedLeader: MemberSlot;
  /** The ballot under which `believedLeader` leads, as this node knows it. */
  readonly leaderBallot: Ballot;
  /** True when the sender hears a quorum of members, itself included. */
  readonly quorumConnected: boolean;
  readonly configId: number;
  readonly decidedUpTo: Slot;
  readonly appliedUpTo: Slot;
  /** How the sender's disk and event loop are doing. */
  readonly health: NodeHealth;
}

/** Smoothed figures in milliseconds, 0 when nothing was measured yet. */
export interface NodeHealth {
  /** Of one group commit. */
  readonly syncMs: number;
  /** How late timers fire. */
  readonly loopLagMs: number;
  /** True while nothing can be written, for want of space. */
  readonly isDiskFull: boolean;
}

export interface HeartbeatReply {
  readonly kind: 'heartbeatReply';
  readonly sequence: number;
  readonly promised: Ballot;
  readonly decidedUpTo: Slot;
  /** It answers a heartbeat of the leader of the ballot `promised`. */
  readonly confirms: boolean;
  /** The sender will promise no ballot above `promised` for so many milliseconds, whole ones, from the moment it sent this; 0: no vow. */
  readonly leaseGrantedMs: number;
}

/** Asks any peer for decided entries from `fromSlot` (inclusive). */
export interface CatchUpRequest {
  readonly kind: 'catchUpRequest';
  readonly fromSlot: Slot;
}

/** Consecutive decided entries from `fromSlot`; empty when the peer has none. */
export interface CatchUpEntries {
  readonly kind: 'catchUpEntries';
  readonly fromSlot: Slot;
  readonly entries: readonly Entry[];
  readonly decidedUpTo: Slot;
  /** Above 0: the peer's log begins after `fromSlot`; it has a snapshot of everything up to this slot instead. */
  readonly snapshotSlot: Slot;
}

/** A client request on its way to the believed leader; `hops` (from 0) is bounded so that it cannot travel in a circle. */
export interface Forward {
  readonly kind: 'forward';
  readonly request: RequestId;
  readonly value: Uint8Array;
  readonly hops: number;
}

export interface ForwardRefused {
  readonly kind: 'forwardRefused';
  readonly request: RequestId;
  readonly reason: 'notLeader' | 'busy';
}

/** Asks the leader for the slot that a linearizable read must wait for. */
export interface ReadIndexRequest {
  readonly kind: 'readIndexRequest';
  readonly request: RequestId;
  readonly hops: number;
}

export interface ReadIndexReply {
  readonly kind: 'readIndexReply';
  readonly request: RequestId;
  /** null when the asked node does not lead (or lost its quorum while it was asking). */
  readonly readSlot: Slot | null;
}

/** From a leader that has stopped proposing to the member that is to take over at once with a higher ballot. */
export interface TransferLeadership {
  readonly kind: 'transferLeadership';
  readonly ballot: Ballot;
}
