/**
 * Lease reads (Gray & Cheriton, "Leases"; Ongaro's thesis on Raft, section 6.4.1): a leader that knows that no other can have
 * come to lead yet may answer reads without asking.
 *
 * A member that answers a heartbeat of the leader whose ballot it has promised vows to promise no other prepare for a while,
 * by its own clock. While members that make a phase 2 quorum have vowed, no phase 1 quorum can form without one of them, so
 * no higher ballot can decide anything. What makes that sound, each against a way to read something old:
 * - the leader counts from when it *sent* the heartbeat: the vow began later, so it ends later;
 * - less what clocks may differ by (`driftRatio`);
 * - the vow says for how long, and the leader relies on no more than that: members may be set to different durations for a while;
 * - only a heartbeat that named the promised ballot draws a vow, so a late one of another life or ballot draws none;
 * - a vow is not on disk, so a restarted member keeps still, whoever asks, for as long as one of its earlier life can last (the
 *   runtime notes how long that is, and does not start the core with a shorter duration before it is over);
 * - a leader that hands over gives its lease up for good under this ballot, before it says so; the target's prepare carries
 *   that (`leaseReleased`), which ends the vows at once. Giving it up only for a while would not do: the prepare may be late.
 *
 * A vow forbids to answer a prepare and to campaign, not to accept from a higher ballot: that ballot has been promised by a
 * quorum, hence by a member whose vow had ended, hence the lease had. What the reads themselves must wait for is as ever
 * (`readSlot`). The clock must go on while the machine is suspended; a pause that it shows voids all vows received.
 */
import type { Ballot } from '../contract/ballot.ts';
import type { LeaseReads } from './interface.ts';
import type { Membership } from './membership.ts';
import type { Outbox } from './outbox.ts';
import type { Peers } from './peers.ts';
import type { PaxosRules } from './rules.ts';

/** Ticks come at least five times a heartbeat; a gap of this many heartbeats is a pause of the event loop. */
const PAUSE_HEARTBEATS = 2;

interface VowParts {
  readonly out: Outbox;
  readonly rules: PaxosRules;
  readonly lease: LeaseReads | null;
}

/** The follower's side: the vow of this member, if any. */
export class LeaseVow {
  /** The last vow was to the leader of this ballot. */
  #ballot: Ballot = 0;
  #untilMs = Number.NEGATIVE_INFINITY;
  /**
   * When the last one of an earlier life ends. No leader can release that: whose it was is unknown, since not even the promise
   * under which it was made need have reached the disk.
   */
  #earlierUntilMs = Number.NEGATIVE_INFINITY;
  #isAfterRestart: boolean;
  #parts: VowParts;

  constructor(parts: VowParts, isAfterRestart: boolean) {
    this.#parts = parts;
    this.#isAfterRestart = isAfterRestart;
  }

  /** A heartbeat of the leader of `ballot` is being answered: for how many milliseconds that answer vows, 0 if it does not. */
  grant(ballot: Ballot, promised: Ballot): number {
    const { out, rules, lease } = this.#parts;
    this.#wake();
    if (lease === null || !rules.mayGrant(ballot, promised)) return 0;
    this.#ballot = ballot;
    this.#untilMs = Math.max(this.#untilMs, rules.vowEnd(out.nowMs, lease));
    return Math.floor(lease.durationMs);
  }

  /** Whether this member must not help another ballot to lead now, `released` having given up its lease (0: none did). */
  forbids(released: Ballot): boolean {
    const { out, rules } = this.#parts;
    this.#wake();
    if (rules.isVowInForce(this.#earlierUntilMs, out.nowMs)) return true;
    return rules.isVowInForce(this.#untilMs, out.nowMs) && !rules.releases(released, this.#ballot);
  }

  /** The first thing asked in this life; what an earlier one vowed ends no later than a full duration from now. */
  #wake(): void {
    const { out, rules, lease } = this.#parts;
    if (!this.#isAfterRestart) return;
    this.#isAfterRestart = false;
    if (lease === null) return;
    this.#earlierUntilMs = rules.vowEndAfterRestart(out.nowMs, lease);
  }
}

interface LeaseParts {
  readonly out: Outbox;
  readonly rules: PaxosRules;
  readonly lease: LeaseReads | null;
  readonly membership: Membership;
  readonly peers: Peers;
  readonly heartbeatMs: number;
}

/** The leader's side: what the others have vowed to it. */
export class LeaderLease {
  #releasedBallot: Ballot = 0;
  #tickedAtMs = Number.NEGATIVE_INFINITY;
  /** Vows for heartbeats sent earlier do not count. */
  #voidBeforeMs = Number.NEGATIVE_INFINITY;
  #parts: LeaseParts;

  constructor(parts: LeaseParts) {
    this.#parts = parts;
  }

  onTick(): void {
    const { out } = this.#parts;
    if (this.#isPaused()) this.#voidBeforeMs = out.nowMs;
    this.#tickedAtMs = out.nowMs;
  }

  /** Whether the leader of `ballot`, this node, is certain now that no other ballot has decided anything. */
  holds(ballot: Ballot): boolean {
    const { out, rules, lease, membership, peers } = this.#parts;
    if (lease === null || rules.isLeaseReleased(ballot, this.#releasedBallot) || this.#isPaused()) return false;
    const untilMs = membership.quorums.phase2UpTo((member) => {
      // It leads no more in the very step in which it promises something else.
      if (member === membership.self) return Number.POSITIVE_INFINITY;
      const peer = peers.get(member);
      if (peer?.grantedUnder !== ballot || peer.grantSentAtMs < this.#voidBeforeMs) return Number.NEGATIVE_INFINITY;
      return rules.leaseEnd(peer.grantSentAtMs, lease, peer.grantedMs);
    });
    return out.nowMs < untilMs;
  }

  /** Never again under this ballot. Before the prepare that may say so is on its way. */
  release(ballot: Ballot): void {
    this.#releasedBallot = Math.max(this.#releasedBallot, ballot);
  }

  #isPaused(): boolean {
    return this.#parts.out.nowMs - this.#tickedAtMs > PAUSE_HEARTBEATS * this.#parts.heartbeatMs;
  }
}
