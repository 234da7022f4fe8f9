/**
 * What follows from how well disks and event loops do. A leader's disk and loop are in the way of every request, so one that
 * is much worse off than another voter for a while hands over; an impaired node is in no hurry to lead. All of it is a matter
 * of speed: whoever leads, safety is the same.
 */
import type { MemberSlot } from '../contract/ballot.ts';
import type { NodeHealth } from '../contract/peer.ts';
import type { CoreOptions } from './interface.ts';
import type { Membership } from './membership.ts';
import type { Outbox } from './outbox.ts';
import type { Peer, Peers } from './peers.ts';

/** Much worse: this many times as slow, */
const WORSE_RATIO = 5;
/** and by this many milliseconds, so that nothing moves for what nobody would feel, */
const WORSE_SYNC_MS = 20;
/** or where it is no more than the load of leading, which would only follow the leader, */
const WORSE_LAG_MS = 150;
/** for this many heartbeats on end. */
const WORSE_HEARTBEATS = 20;
/** After a hand-over this node starts no other for a while, or two that are ill by turns would throw leadership to and fro. */
const QUIET_TIMEOUTS = 40;
/** A full disk can lead nothing, so it tries again sooner when nobody took over. */
const QUIET_TIMEOUTS_DISK_FULL = 4;

export const UNMEASURED: NodeHealth = { syncMs: 0, loopLagMs: 0, isDiskFull: false };

export interface HandOver {
  readonly target: MemberSlot;
  readonly reason: 'slowDisk' | 'slowLoop' | 'diskFull';
}

interface Parts {
  readonly out: Outbox;
  readonly peers: Peers;
  readonly membership: Membership;
  readonly options: CoreOptions;
}

export class Health {
  /** What this node measures of itself. */
  own: NodeHealth = UNMEASURED;
  #worseRounds = 0;
  #quietUntilMs = Number.NEGATIVE_INFINITY;
  #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Whether a voter within reach is so much better off that it should lead rather than this node. */
  isImpaired(): boolean {
    return this.own.isDiskFull || this.#better() !== null;
  }

  /** Once a heartbeat interval while this node leads: to whom it should hand over now, null to go on. */
  onLeaderRound(): HandOver | null {
    const { out, options } = this.#parts;
    const better = this.#better();
    this.#worseRounds = better === null ? 0 : this.#worseRounds + 1;
    if (better === null || out.nowMs < this.#quietUntilMs) return null;
    const isFull = better.reason === 'diskFull';
    if (!isFull && this.#worseRounds < WORSE_HEARTBEATS) return null;
    this.#worseRounds = 0;
    this.#quietUntilMs = out.nowMs + (isFull ? QUIET_TIMEOUTS_DISK_FULL : QUIET_TIMEOUTS) * options.electionTimeoutMs;
    return better;
  }

  /** The best of the connected voters than which this node is much worse in one thing and not much better in the other. */
  #better(): HandOver | null {
    const { out, peers, membership } = this.#parts;
    let best: { readonly peer: Peer; readonly reason: HandOver['reason'] } | null = null;
    for (const peer of peers.all) {
      if (peer.health.isDiskFull || membership.roleOf(peer.member) !== 'voter') continue;
      const reason = whyWorse(this.own, peer.health);
      if (reason === null || !peers.isConnected(peer, out.nowMs)) continue;
      if (best === null || slowness(peer.health) < slowness(best.peer.health)) best = { peer, reason };
    }
    return best === null ? null : { target: best.peer.member, reason: best.reason };
  }
}

function whyWorse(own: NodeHealth, other: NodeHealth): HandOver['reason'] | null {
  if (own.isDiskFull) return 'diskFull';
  if (hasWorseDisk(own, other) && !hasWorseLoop(other, own)) return 'slowDisk';
  if (hasWorseLoop(own, other) && !hasWorseDisk(other, own)) return 'slowLoop';
  return null;
}

function hasWorseDisk(mine: NodeHealth, other: NodeHealth): boolean {
  return isMuchWorse(mine.syncMs, other.syncMs, WORSE_SYNC_MS);
}

function hasWorseLoop(mine: NodeHealth, other: NodeHealth): boolean {
  return isMuchWorse(mine.loopLagMs, other.loopLagMs, WORSE_LAG_MS);
}

/** 0 is "nothing measured yet", with which nothing compares. */
function isMuchWorse(mine: number, other: number, byMs: number): boolean {
  return other > 0 && mine > WORSE_RATIO * other && mine > other + byMs;
}

function slowness(health: NodeHealth): number {
  return health.syncMs + health.loopLagMs;
}
