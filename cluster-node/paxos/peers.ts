/**
 * What this node knows of the other members from what they say. "Heard" is one way; "connected" is both ways (a recent
 * heartbeat from there and a recent answer to one of ours), because a leader needs its messages to come back as well.
 */
import type { Ballot, MemberSlot, Slot } from '../contract/ballot.ts';
import type { Heartbeat, HeartbeatReply, NodeHealth } from '../contract/peer.ts';
import type { QuorumSystem } from './quorum.ts';
import type { PaxosRules } from './rules.ts';

export interface Peer {
  readonly member: MemberSlot;
  /** When anything came from it; null before that. Likewise the next two. */
  heardAtMs: number | null;
  heartbeatAtMs: number | null;
  repliedAtMs: number | null;
  roundTripMs: number | null;
  /** Highest sequence of our heartbeats as leader of `repliedUnder` that it answered while it had promised that ballot. */
  repliedSequence: number;
  repliedUnder: Ballot;
  /** It vowed not to promise another ballot in answer to a heartbeat sent then, to the leader of `grantedUnder`. */
  grantSentAtMs: number;
  grantedUnder: Ballot;
  health: NodeHealth;
  decidedUpTo: Slot;
  believedLeader: MemberSlot;
  leaderBallot: Ballot;
}

const SENT_TIMES_KEPT = 64;

interface Parts {
  readonly self: MemberSlot;
  readonly quorums: QuorumSystem;
  readonly rules: PaxosRules;
  /** A member not heard of for this long is not connected. */
  readonly timeoutMs: number;
}

export class Peers {
  readonly all: readonly Peer[];
  /** Counts this node's heartbeat rounds. */
  sequence = 0;
  #byMember = new Map<MemberSlot, Peer>();
  #sentAtMs = new Float64Array(SENT_TIMES_KEPT);
  #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { self, quorums } = parts;
    this.all = quorums.members.filter((member) => member !== self).map(unheard);
    for (const peer of this.all) this.#byMember.set(peer.member, peer);
  }

  get(member: MemberSlot): Peer | undefined {
    return this.#byMember.get(member);
  }

  /** Begins a heartbeat round and returns its sequence. */
  nextRound(nowMs: number): number {
    this.sequence += 1;
    this.#sentAtMs[this.sequence % SENT_TIMES_KEPT] = nowMs;
    return this.sequence;
  }

  onHeartbeat(peer: Peer, message: Heartbeat, nowMs: number): void {
    peer.heartbeatAtMs = nowMs;
    peer.believedLeader = message.believedLeader;
    peer.leaderBallot = message.leaderBallot;
    peer.health = message.health;
    peer.decidedUpTo = Math.max(peer.decidedUpTo, message.decidedUpTo);
  }

  onReply(peer: Peer, message: HeartbeatReply, nowMs: number): void {
    // A longer sequence than any sent comes from an earlier life of this node, a very old one tells nothing about now.
    if (message.sequence > this.sequence || this.sequence - message.sequence >= SENT_TIMES_KEPT) return;
    peer.repliedAtMs = nowMs;
    peer.roundTripMs = nowMs - (this.#sentAtMs[message.sequence % SENT_TIMES_KEPT] as number);
    peer.decidedUpTo = Math.max(peer.decidedUpTo, message.decidedUpTo);
    if (!this.#parts.rules.replyConfirms(message)) return;
    if (message.promised !== peer.repliedUnder) {
      peer.repliedUnder = message.promised;
      peer.repliedSequence = 0;
    }
    peer.repliedSequence = Math.max(peer.repliedSequence, message.sequence);
    if (message.leaseGranted) this.#onGrant(peer, message);
  }

  isHeard(peer: Peer, nowMs: number): boolean {
    return peer.heartbeatAtMs !== null && nowMs - peer.heartbeatAtMs < this.#parts.timeoutMs;
  }

  isConnected(peer: Peer, nowMs: number): boolean {
    return this.isHeard(peer, nowMs) && peer.repliedAtMs !== null && nowMs - peer.repliedAtMs < this.#parts.timeoutMs;
  }

  /** Whether this node and the members it is connected with, both ways, make a quorum. */
  isQuorumConnected(nowMs: number): boolean {
    return this.#parts.quorums.phase1(
      (member) => member === this.#parts.self || this.#isConnectedMember(member, nowMs),
    );
  }

  /** A member heard now that says it is content with a leader other than this node. */
  contentPeer(nowMs: number): Peer | undefined {
    return this.all.find(
      (peer) => peer.believedLeader !== 0 && peer.believedLeader !== this.#parts.self && this.isHeard(peer, nowMs),
    );
  }

  /** The connected member that knows most decided slots. */
  mostDecided(nowMs: number): Peer | undefined {
    let best: Peer | undefined;
    for (const peer of this.all)
      if (this.isConnected(peer, nowMs) && (best === undefined || peer.decidedUpTo > best.decidedUpTo)) best = peer;
    return best;
  }

  #onGrant(peer: Peer, { promised, sequence }: HeartbeatReply): void {
    if (promised !== peer.grantedUnder) peer.grantSentAtMs = Number.NEGATIVE_INFINITY;
    peer.grantedUnder = promised;
    peer.grantSentAtMs = Math.max(peer.grantSentAtMs, this.#sentAtMs[sequence % SENT_TIMES_KEPT] as number);
  }

  #isConnectedMember(member: MemberSlot, nowMs: number): boolean {
    const peer = this.#byMember.get(member);
    return peer !== undefined && this.isConnected(peer, nowMs);
  }
}

function unheard(member: MemberSlot): Peer {
  return {
    member,
    heardAtMs: null,
    heartbeatAtMs: null,
    repliedAtMs: null,
    roundTripMs: null,
    repliedSequence: 0,
    repliedUnder: 0,
    grantSentAtMs: Number.NEGATIVE_INFINITY,
    grantedUnder: 0,
    health: { syncMs: 0, loopLagMs: 0, isDiskFull: false },
    decidedUpTo: 0,
    believedLeader: 0,
    leaderBallot: 0,
  };
}
