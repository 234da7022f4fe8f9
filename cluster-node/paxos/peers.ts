/**
 * What this node knows of the others from what they say. "Heard" is one way; "connected" is both ways (a recent heartbeat from
 * there and a recent answer to one of ours), because a leader needs its messages to come back as well.
 *
 * Besides the members of the configuration in force here it knows *strangers*: members of another configuration, later
 * or earlier. They are talked to while they talk, so that whoever lags can learn from whoever does not. No quorum counts them.
 */
import type { Ballot, MemberSlot, Slot } from '../contract/ballot.ts';
import type { Heartbeat, HeartbeatReply, NodeHealth } from '../contract/peer.ts';
import type { Membership } from './membership.ts';
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
  /** For how long, from some time after that. */
  grantedMs: number;
  grantedUnder: Ballot;
  health: NodeHealth;
  /** Only its word. */
  decidedUpTo: Slot;
  believedLeader: MemberSlot;
  leaderBallot: Ballot;
  /** The configuration in force there, as far as it said. */
  configId: number;
}

const SENT_TIMES_KEPT = 64;
/** Past this the one unheard for longest is forgotten. */
const MAX_STRANGERS = 16;

interface Parts {
  readonly membership: Membership;
  readonly rules: PaxosRules;
  /** A member not heard of for this long is not connected. */
  readonly timeoutMs: number;
}

export class Peers {
  /** The members of the configuration in force here, without this node. */
  all: readonly Peer[] = [];
  /** Counts this node's heartbeat rounds. */
  sequence = 0;
  #strangers: Peer[] = [];
  #byMember = new Map<MemberSlot, Peer>();
  #sentAtMs = new Float64Array(SENT_TIMES_KEPT);
  #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.onConfiguration();
  }

  /** Another configuration is in force: strangers become members and members strangers, and nothing known is lost. */
  onConfiguration(): void {
    const { membership } = this.#parts;
    const known = this.#byMember;
    const members = membership.configuration.members.filter(({ memberSlot }) => memberSlot !== membership.self);
    this.all = members.map(({ memberSlot }) => known.get(memberSlot) ?? unheard(memberSlot));
    this.#strangers = [...known.values()].filter(({ member }) => membership.roleOf(member) === null);
    this.#forgetOldStrangers();
  }

  get(member: MemberSlot): Peer | undefined {
    return this.#byMember.get(member);
  }

  isStranger(peer: Peer): boolean {
    return this.#parts.membership.roleOf(peer.member) === null;
  }

  /** Something came from this node; it is known from now on. */
  meet(member: MemberSlot, nowMs: number): Peer {
    let peer = this.#byMember.get(member);
    if (peer === undefined) {
      peer = unheard(member);
      this.#strangers.push(peer);
      peer.heardAtMs = nowMs;
      this.#forgetOldStrangers();
    }
    peer.heardAtMs = nowMs;
    return peer;
  }

  /**
   * Whom to send heartbeats: the members, and strangers that still talk and know another configuration. This node itself may be
   * no member (any more, or not yet); then it only ever talks to members that talk to it.
   */
  addressees(nowMs: number): readonly Peer[] {
    const { self, configId } = this.#parts.membership;
    const isMember = this.#parts.membership.roleOf(self) !== null;
    if (isMember && this.#strangers.length === 0) return this.all;
    const strangers = this.#strangers.filter((peer) => peer.configId !== configId && this.isHeard(peer, nowMs));
    return [...(isMember ? this.all : this.all.filter((peer) => this.isHeard(peer, nowMs))), ...strangers];
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
    peer.configId = message.configId;
    // The latest word, not the highest: one that was mistaken is over with the next.
    peer.decidedUpTo = message.decidedUpTo;
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
    if (message.leaseGrantedMs > 0) this.#onGrant(peer, message);
  }

  /** The silence of all counts this much less. */
  excuse(ms: number, nowMs: number): void {
    for (const peer of this.#byMember.values()) {
      if (peer.heartbeatAtMs !== null) peer.heartbeatAtMs = Math.min(nowMs, peer.heartbeatAtMs + ms);
      if (peer.repliedAtMs !== null) peer.repliedAtMs = Math.min(nowMs, peer.repliedAtMs + ms);
    }
  }

  isHeard(peer: Peer, nowMs: number): boolean {
    return peer.heartbeatAtMs !== null && nowMs - peer.heartbeatAtMs < this.#parts.timeoutMs;
  }

  isConnected(peer: Peer, nowMs: number): boolean {
    return this.isHeard(peer, nowMs) && this.#isAnswering(peer, nowMs);
  }

  /** Whether this node and the voters it is connected with, both ways, make a quorum of both phases. */
  isQuorumConnected(nowMs: number): boolean {
    const { quorums } = this.#parts.membership;
    return quorums.phase1((member) => this.isPresent(member, nowMs)) && this.canDecide(nowMs);
  }

  /** The same for phase 2 alone: what a leader needs. */
  canDecide(nowMs: number): boolean {
    return this.#parts.membership.quorums.phase2UpTo((member) => Number(this.isPresent(member, nowMs))) === 1;
  }

  /** This node itself, or a member it is connected with. */
  isPresent(member: MemberSlot, nowMs: number): boolean {
    const peer = this.#byMember.get(member);
    return member === this.#parts.membership.self || (peer !== undefined && this.isConnected(peer, nowMs));
  }

  /** A voter heard now that says it is content with a leader other than this node. */
  contentPeer(nowMs: number): Peer | undefined {
    const { self } = this.#parts.membership;
    return this.all.find(
      (peer) =>
        peer.believedLeader !== 0 &&
        peer.believedLeader !== self &&
        this.#parts.membership.isVoter(peer.member) &&
        this.isHeard(peer, nowMs),
    );
  }

  /** Of those that can be asked (they answer, or talk to this node unasked), the one that knows most decided slots. */
  mostDecided(nowMs: number): Peer | undefined {
    let best: Peer | undefined;
    for (const peer of this.#byMember.values()) {
      if (best !== undefined && peer.decidedUpTo <= best.decidedUpTo) continue;
      if (this.#isAnswering(peer, nowMs) || (this.isStranger(peer) && this.isHeard(peer, nowMs))) best = peer;
    }
    return best;
  }

  /**
   * The highest slot that is decided by the word of `leader`, whom this node follows (0: nobody), or of two others. One alone may be
   * mistaken or lie. All strangers together are one, since no configuration known here says who they are.
   */
  credibleUpTo(leader: MemberSlot): Slot {
    const strangers = this.#strangers.reduce((highest, peer) => Math.max(highest, peer.decidedUpTo), 0);
    const claims = [strangers, ...this.all.map((peer) => peer.decidedUpTo)].sort((left, right) => right - left);
    return Math.max(claims[1] ?? 0, this.all.find(({ member }) => member === leader)?.decidedUpTo ?? 0);
  }

  #onGrant(peer: Peer, { promised, sequence, leaseGrantedMs }: HeartbeatReply): void {
    const sentAtMs = this.#sentAtMs[sequence % SENT_TIMES_KEPT] as number;
    if (promised !== peer.grantedUnder) peer.grantSentAtMs = Number.NEGATIVE_INFINITY;
    peer.grantedUnder = promised;
    if (sentAtMs < peer.grantSentAtMs) return;
    peer.grantSentAtMs = sentAtMs;
    peer.grantedMs = leaseGrantedMs;
  }

  #isAnswering(peer: Peer, nowMs: number): boolean {
    return peer.repliedAtMs !== null && nowMs - peer.repliedAtMs < this.#parts.timeoutMs;
  }

  #forgetOldStrangers(): void {
    this.#strangers.sort((left, right) => (right.heardAtMs ?? 0) - (left.heardAtMs ?? 0));
    this.#strangers.length = Math.min(this.#strangers.length, MAX_STRANGERS);
    this.#byMember = new Map([...this.all, ...this.#strangers].map((peer) => [peer.member, peer]));
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
    grantedMs: 0,
    grantedUnder: 0,
    health: { syncMs: 0, loopLagMs: 0, isDiskFull: false },
    decidedUpTo: 0,
    believedLeader: 0,
    leaderBallot: 0,
    configId: 0,
  };
}
