/**
 * What goes into the core and what comes out of it.
 *
 * `step(state, input, nowMs) → effects`: the core does no input or output of its own, knows no clock and no randomness. The
 * runtime (cluster-node/node.ts) and the simulator (test/simulation) obey the same effects. An effect with
 * `afterDurable: n` may only happen once every record with sequence ≤ n is on disk.
 */
import type { Ballot, MemberSlot, Slot } from '../contract/ballot.ts';
import type { Configuration, ConfigurationChange } from '../contract/configuration.ts';
import type { Entry, FaultySlot, NodeHealth, PeerMessage, RequestId } from '../contract/peer.ts';

export const DEFAULT_UNDECIDED_BYTES = 64 * 1024 * 1024;

/** Everything the core is told at its birth. Times in milliseconds. */
export interface CoreOptions {
  readonly self: MemberSlot;
  /** In force at the first slot that is not decided here. `self` may be a learner in it, or (once removed) not in it at all. */
  readonly configuration: Configuration;
  readonly heartbeatMs: number;
  /** A believed leader not heard of for this long is no longer content with. */
  readonly electionTimeoutMs: number;
  /** Draws jitter only; injected so that the same seed gives the same trace. */
  readonly seed: number;
  /**
   * Bound of proposed, undecided slots at the leader; past it a proposal is answered `busy`. An acceptor takes nothing that is
   * more than four times as far ahead of what it knows to be decided. The same at all members.
   */
  readonly maxUndecidedSlots: number;
  /**
   * Bound in bytes of the values proposed or gathered at a leader and not decided, and likewise of those that an origin waits
   * for; past it a proposal is answered `busy`. The last value taken in may go over it. DEFAULT_UNDECIDED_BYTES when left out.
   */
  readonly maxUndecidedBytes?: number;
  /** Bound in bytes of one accept's, promise page's or catch-up page's values. */
  readonly maxBatchBytes: number;
  /** Decided and applied slots kept in memory for peers that are a little behind; 4096 when left out. */
  readonly memorySlots?: number;
  /**
   * Lets the leader answer reads without asking, while a quorum has vowed to promise no other ballot. null or left out: off. It
   * must not be shorter (nor off) than in an earlier life that ended less than that life's duration ago.
   */
  readonly leaseReads?: LeaseReads | null;
}

export interface LeaseReads {
  /** How long a grant binds, by the granter's clock. */
  readonly durationMs: number;
  /** Bound of how much faster or slower one member's clock runs than another's: 0.01 is one percent. */
  readonly driftRatio: number;
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
  /** Slots above `decidedUpTo` in which something was accepted that the disk has lost. Never counted as empty. */
  readonly faulty: readonly FaultySlot[];
}

/** What must reach the disk. `sequence` is given by the core, from 1, by one, and grows over one life of the process. */
export type DurableRecord =
  | { readonly kind: 'promised'; readonly ballot: Ballot }
  | { readonly kind: 'accepted'; readonly entry: Entry }
  /** Knowledge, not a vow: may be lost in a crash without harm, so nothing waits for it. Entries up to it, or a snapshot, are on disk. */
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
  /**
   * Answer to a `readLog` effect: decided entries from the runtime's log, ascending and consecutive; empty when it failed.
   * `snapshotSlot` is that of the newest snapshot when the log cannot give `fromSlot` (trimmed, damaged, or known from a snapshot
   * alone), else 0.
   */
  | {
      readonly kind: 'logRead';
      readonly to: MemberSlot;
      readonly fromSlot: Slot;
      readonly entries: readonly Entry[];
      readonly snapshotSlot: Slot;
    }
  /**
   * Asks this node, which must lead, for the next configuration. Ends with a `configurationChanged` event or `reconfigureRefused`. A
   * refusal is final, unless its reason is that leadership was lost meanwhile: then the change may still come into force.
   */
  | { readonly kind: 'reconfigure'; readonly change: ConfigurationChange }
  /** A `fetchSnapshot` effect succeeded: the machine stands at `slot`, durably, and `configuration` governs what follows it. */
  | { readonly kind: 'snapshotInstalled'; readonly slot: Slot; readonly configuration: Configuration }
  /** A `fetchSnapshot` effect came to nothing; the core asks again, perhaps elsewhere. */
  | { readonly kind: 'snapshotFailed'; readonly slot: Slot }
  /** What this node measures of itself; once a second or when it changes much. */
  | { readonly kind: 'health'; readonly health: NodeHealth };

export type Effect =
  | { readonly kind: 'send'; readonly to: MemberSlot; readonly message: PeerMessage; readonly afterDurable: number }
  | { readonly kind: 'persist'; readonly sequence: number; readonly record: DurableRecord }
  /** Decided, in slot order, each slot once per life of the process; execute and report with `applied`. */
  | { readonly kind: 'deliver'; readonly entry: Entry }
  /** A linearizable read may be answered once applied ≥ readSlot. */
  | { readonly kind: 'readReady'; readonly request: RequestId; readonly readSlot: Slot }
  /** The request was certainly not and will never be proposed by this node on behalf of the client. */
  | { readonly kind: 'refuse'; readonly request: RequestId; readonly reason: 'busy' | 'noLeader' }
  /** The request may or may not have been applied, in slots that a snapshot skipped: nothing more will be said about it. */
  | { readonly kind: 'lost'; readonly request: RequestId }
  /** A peer asks for decided entries that the core no longer keeps in memory. */
  | { readonly kind: 'readLog'; readonly to: MemberSlot; readonly fromSlot: Slot; readonly maxBytes: number }
  /**
   * This node is too far behind for any peer's log: get the snapshot at this slot or a later one, from this peer first. Given
   * again after a long time without `snapshotInstalled` or `snapshotFailed`; one that still makes progress goes on.
   */
  | { readonly kind: 'fetchSnapshot'; readonly from: MemberSlot; readonly slot: Slot }
  | { readonly kind: 'event'; readonly event: CoreEvent };

/** Protocol events for the timeline; never needed for correctness. */
export type CoreEvent =
  | {
      readonly kind: 'electionStarted';
      readonly ballot: Ballot;
      readonly reason: 'noLeader' | 'transfer' | 'reconfigured';
    }
  | { readonly kind: 'becameLeader'; readonly ballot: Ballot; readonly fromSlot: Slot }
  | {
      readonly kind: 'steppedDown';
      readonly ballot: Ballot;
      readonly reason: 'noQuorum' | 'higherBallot' | 'transfer' | 'reconfigured';
    }
  | { readonly kind: 'leaderChanged'; readonly leader: MemberSlot; readonly ballot: Ballot }
  | { readonly kind: 'transferFailed'; readonly target: MemberSlot; readonly reason: string }
  /** From the next slot on this configuration is in force here. Comes after the `deliver` of its stop entry. */
  | { readonly kind: 'configurationChanged'; readonly configuration: Configuration; readonly slot: Slot }
  | { readonly kind: 'reconfigureRefused'; readonly change: ConfigurationChange; readonly reason: string }
  /** The leader hands over because its own disk or event loop is much worse than the target's. */
  | { readonly kind: 'handingOver'; readonly target: MemberSlot; readonly reason: 'slowDisk' | 'slowLoop' | 'diskFull' }
  /** The promise of `from` says that it accepted something in a slot too far above all others; it was dropped. */
  | { readonly kind: 'absurdPromise'; readonly from: MemberSlot; readonly slot: Slot }
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
  readonly configuration: Configuration;
  /** Slots whose accepted value the disk lost and that are not decided here yet. */
  readonly faultySlots: number;
  /** Why this node does not keep up with what is decided, in words; null when it does. */
  readonly behind: string | null;
  readonly undecidedSlots: number;
  readonly pendingRequests: number;
  readonly transferTarget: MemberSlot;
  readonly peers: readonly {
    readonly member: MemberSlot;
    /** Milliseconds since anything was heard of this member; null when never. */
    readonly heardMsAgo: number | null;
    readonly roundTripMs: number | null;
    readonly decidedUpTo: Slot;
    readonly isDiskFull: boolean;
  }[];
}
