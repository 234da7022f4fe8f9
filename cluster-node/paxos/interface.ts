/**
 * What goes into the core and what comes out of it.
 *
 * `step(state, input, nowMs) → effects`: the core does no input or output of its own, knows no clock and no randomness. The
 * runtime (cluster-node/node.ts) and the simulator (test/simulation) obey the same effects. An effect with
 * `afterDurable: n` may only happen once every record with sequence ≤ n is on disk.
 */
import type { Ballot, MemberSlot, Slot } from '../contract/ballot.ts';
import type { Entry, PeerMessage, RequestId } from '../contract/peer.ts';

/** Everything the core is told at its birth. Times in milliseconds. */
export interface CoreOptions {
  readonly self: MemberSlot;
  /** All voting members, `self` included. */
  readonly members: readonly MemberSlot[];
  readonly heartbeatMs: number;
  /** A believed leader not heard of for this long is no longer content with. */
  readonly electionTimeoutMs: number;
  /** Draws jitter only; injected so that the same seed gives the same trace. */
  readonly seed: number;
  /** Bound of proposed, undecided slots at the leader; past it a proposal is answered `busy`. */
  readonly maxUndecidedSlots: number;
  /** Bound in bytes of one accept's, promise page's or catch-up page's values. */
  readonly maxBatchBytes: number;
  /** Decided and applied slots kept in memory for peers that are a little behind; 4096 when left out. */
  readonly memorySlots?: number;
}

/**
 * What a restarted node knows from its disk. The runtime executes everything up to `decidedUpTo` from its own log; the core
 * delivers from `decidedUpTo + 1` on and counts what comes before as applied.
 */
export interface RecoveredState {
  readonly promised: Ballot;
  readonly decidedUpTo: Slot;
  /** The highest accepted entry of every slot that is on disk from `decidedUpTo + 1` on, ascending. */
  readonly accepted: readonly Entry[];
}

/** What must reach the disk. `sequence` is given by the core, from 1, by one, and grows over one life of the process. */
export type DurableRecord =
  | { readonly kind: 'promised'; readonly ballot: Ballot }
  | { readonly kind: 'accepted'; readonly entry: Entry }
  /** Knowledge, not a vow: may be lost in a crash without harm, so nothing waits for it. Entries up to it are on disk. */
  | { readonly kind: 'decided'; readonly upTo: Slot };

export type Input =
  /** Drives every timer; at least five times a heartbeat interval. */
  | { readonly kind: 'tick' }
  | { readonly kind: 'message'; readonly from: MemberSlot; readonly message: PeerMessage }
  /** Every record with sequence ≤ `upTo` is on disk. */
  | { readonly kind: 'durable'; readonly upTo: number }
  /** The runtime executed everything up to and including this slot. */
  | { readonly kind: 'applied'; readonly upTo: Slot }
  /** A transport connection to this member went up or down: a hint that only ever speeds things up. */
  | { readonly kind: 'link'; readonly member: MemberSlot; readonly up: boolean }
  /**
   * A client request taken in by this node. It is proposed here or forwarded; retried under a new leader until it is decided.
   * No two requests may have the same value bytes (commands carry their request id): by them the core knows that it is decided.
   */
  | { readonly kind: 'propose'; readonly request: RequestId; readonly value: Uint8Array }
  /** The origin gave up waiting (client gone or timed out): stop retrying. The value may still be chosen. */
  | { readonly kind: 'abandon'; readonly request: RequestId }
  | { readonly kind: 'read'; readonly request: RequestId }
  | { readonly kind: 'transfer'; readonly target: MemberSlot }
  /** Answer to a `readLog` effect: decided entries from the runtime's log, ascending and consecutive; empty when it failed. */
  | { readonly kind: 'logRead'; readonly to: MemberSlot; readonly fromSlot: Slot; readonly entries: readonly Entry[] };

export type Effect =
  | { readonly kind: 'send'; readonly to: MemberSlot; readonly message: PeerMessage; readonly afterDurable: number }
  | { readonly kind: 'persist'; readonly sequence: number; readonly record: DurableRecord }
  /** Decided, in slot order, each slot once per life of the process; execute and report with `applied`. */
  | { readonly kind: 'deliver'; readonly entry: Entry }
  /** A linearizable read may be answered once applied ≥ readSlot. */
  | { readonly kind: 'readReady'; readonly request: RequestId; readonly readSlot: Slot }
  /** The request was certainly not and will never be proposed by this node on behalf of the client. */
  | { readonly kind: 'refuse'; readonly request: RequestId; readonly reason: 'busy' | 'noLeader' }
  /** A peer asks for decided entries that the core no longer keeps in memory. */
  | { readonly kind: 'readLog'; readonly to: MemberSlot; readonly fromSlot: Slot; readonly maxBytes: number }
  | { readonly kind: 'event'; readonly event: CoreEvent };

/** Protocol events for the timeline; never needed for correctness. */
export type CoreEvent =
  | { readonly kind: 'electionStarted'; readonly ballot: Ballot; readonly reason: 'noLeader' | 'transfer' }
  | { readonly kind: 'becameLeader'; readonly ballot: Ballot; readonly fromSlot: Slot }
  | { readonly kind: 'steppedDown'; readonly ballot: Ballot; readonly reason: 'noQuorum' | 'higherBallot' | 'transfer' }
  | { readonly kind: 'leaderChanged'; readonly leader: MemberSlot; readonly ballot: Ballot }
  | { readonly kind: 'transferFailed'; readonly target: MemberSlot; readonly reason: string }
  /** A value came from `from` that does not match its digest; it was dropped and will be sent again. */
  | { readonly kind: 'digestMismatch'; readonly from: MemberSlot; readonly slot: Slot };

/** A snapshot of the core for status and samples; all figures at the moment of the call. */
export interface CoreStatus {
  readonly role: 'leader' | 'candidate' | 'follower';
  readonly believedLeader: MemberSlot;
  readonly leaderBallot: Ballot;
  readonly promised: Ballot;
  readonly decidedUpTo: Slot;
  readonly appliedUpTo: Slot;
  /** Highest slot with an accepted value here. */
  readonly acceptedUpTo: Slot;
  readonly quorumConnected: boolean;
  readonly undecidedSlots: number;
  readonly pendingRequests: number;
  readonly transferTarget: MemberSlot;
  readonly peers: readonly {
    readonly member: MemberSlot;
    /** Milliseconds since anything was heard of this member; null when never. */
    readonly heardMsAgo: number | null;
    readonly roundTripMs: number | null;
    readonly decidedUpTo: Slot;
  }[];
}
