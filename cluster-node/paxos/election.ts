/**
 * Who leads, as far as this node knows, and when to try to lead oneself.
 *
 * A node is content while it hears a leader whose ballot is not below its own promise. It takes over only when it is not
 * content, is connected both ways with a quorum, and nobody it hears is content either. The last condition keeps a node that
 * lost only its own link to the leader from deposing it over and over (Ng et al., "OmniPaxos", the chained scenario): any
 * working leader shares a quorum member with this node, and that member says so. Waiting is jittered, and longer after
 * each failure, so that two proposers cannot duel forever.
 */
import type { Ballot, MemberSlot } from '../contract/ballot.ts';
import type { CoreOptions } from './interface.ts';
import type { Jitter } from './jitter.ts';
import type { Outbox } from './outbox.ts';
import type { Peer, Peers } from './peers.ts';

const MAX_BACK_OFF_DOUBLINGS = 4;
/** A node that knows of decided slots it lacks lets a more complete one go first. */
const BEHIND_PENALTY_HEARTBEATS = 2;
/** One whose disk or event loop is ill waits longer still, so that it leads only when nobody else can. */
const IMPAIRED_PENALTY_HEARTBEATS = 6;

interface Parts {
  readonly out: Outbox;
  readonly peers: Peers;
  readonly options: CoreOptions;
  readonly jitter: Jitter;
}

export class Election {
  /** The believed leader and its ballot; 0 when there is none. */
  leader: MemberSlot = 0;
  leaderBallot: Ballot = 0;
  /** The highest ballot heard of anywhere; the next own one must be higher. */
  highestSeen: Ballot;
  /** The view of the leader changed: everyone is to be told now rather than with the next heartbeat. */
  hasNewView = false;
  #contactAtMs = 0;
  #dueAtMs: number | null = null;
  #failures = 0;
  #parts: Parts;

  constructor(parts: Parts, highestSeen: Ballot) {
    this.#parts = parts;
    this.highestSeen = highestSeen;
  }

  sawBallot(ballot: Ballot): void {
    if (ballot > this.highestSeen) this.highestSeen = ballot;
  }

  /** The leader of `ballot` (perhaps this node) was just heard. Returns whether that is a change. */
  follow(leader: MemberSlot, ballot: Ballot): boolean {
    this.#contactAtMs = this.#parts.out.nowMs;
    this.#dueAtMs = null;
    if (leader === this.leader && ballot === this.leaderBallot) return false;
    this.leader = leader;
    this.leaderBallot = ballot;
    this.#parts.out.event({ kind: 'leaderChanged', leader, ballot });
    return true;
  }

  /** The silence of the leader counts this much less. */
  excuse(ms: number): void {
    this.#contactAtMs = Math.min(this.#parts.out.nowMs, this.#contactAtMs + ms);
  }

  /** No leader is known any more. Returns whether one was. */
  forget(): boolean {
    const had = this.leader !== 0;
    this.leader = 0;
    this.leaderBallot = 0;
    return had;
  }

  /** Whether the believed leader was heard lately and this acceptor is not bound to a higher ballot. */
  isContent(promised: Ballot): boolean {
    const { out, options } = this.#parts;
    if (this.leader === 0 || this.leaderBallot < promised) return false;
    return this.leader === options.self || out.nowMs - this.#contactAtMs < options.electionTimeoutMs;
  }

  /** Someone else tries to lead: leave it the time to succeed. */
  yieldToCandidate(): void {
    const { out, options, jitter } = this.#parts;
    this.#dueAtMs = out.nowMs + options.electionTimeoutMs * (1 + jitter.draw());
  }

  /** An own attempt came to nothing, or a higher ballot ended an own leadership. */
  failed(): void {
    const { out, options } = this.#parts;
    this.#failures += 1;
    this.#dueAtMs = out.nowMs + options.heartbeatMs + this.#delayMs();
  }

  /**
   * An own attempt came to nothing because of all that this node had to learn first. Its prepares made the others wait, who
   * lack less: without this it would try again before their patience ends, and they would never get their turn.
   */
  failedBehind(): void {
    this.#failures += 1;
    this.yieldToCandidate();
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /**
   * The connection to a member broke: wait for one or two more heartbeats, not for the whole timeout. One that lives is
   * connected again and heard by then, so a false alarm changes nothing.
   */
  onLinkDown(peer: Peer): void {
    const { out, options, jitter } = this.#parts;
    const patienceMs = options.heartbeatMs * (1 + jitter.draw());
    const heardAtMs = out.nowMs - options.electionTimeoutMs + patienceMs;
    if (peer.heartbeatAtMs !== null) peer.heartbeatAtMs = Math.min(peer.heartbeatAtMs, heardAtMs);
    if (peer.member === this.leader) this.#contactAtMs = Math.min(this.#contactAtMs, heardAtMs);
  }

  /** Asked on every tick while not content and not a candidate: is it time to start phase 1? */
  isDue({ isBehind, isImpaired }: { isBehind: boolean; isImpaired: boolean }): boolean {
    const { out, options, peers, jitter } = this.#parts;
    if (this.#dueAtMs === null) {
      const penalty = (isBehind ? BEHIND_PENALTY_HEARTBEATS : 0) + (isImpaired ? IMPAIRED_PENALTY_HEARTBEATS : 0);
      this.#dueAtMs = out.nowMs + penalty * options.heartbeatMs + this.#delayMs();
    }
    if (out.nowMs < this.#dueAtMs) return false;
    if (peers.isQuorumConnected(out.nowMs) && peers.contentPeer(out.nowMs) === undefined) return true;
    // Not allowed now. A new draw, or everyone who waits for the same permission would start in the same moment.
    this.#dueAtMs = out.nowMs + options.heartbeatMs * jitter.draw();
    return false;
  }

  /**
   * Where a client request goes from here: to the believed leader if it can be reached both ways, else to a peer that is
   * content with a leader and may reach it; 0 when nobody is known. Another relay for each `turn` of one request: who is content
   * need not be able to pass it on, or to pass the answer back.
   */
  route(promised: Ballot, turn: number): MemberSlot {
    const { out, peers } = this.#parts;
    const leader = this.isContent(promised) ? peers.get(this.leader) : undefined;
    if (leader !== undefined && peers.isConnected(leader, out.nowMs)) return leader.member;
    const relays = peers.all.filter((peer) => this.#mayRelay(peer));
    const relay = relays.find((peer) => peer.believedLeader === peer.member) ?? relays[turn % relays.length];
    return relay?.member ?? leader?.member ?? 0;
  }

  #mayRelay(peer: Peer): boolean {
    const { out, peers, options } = this.#parts;
    return peer.believedLeader !== 0 && peer.believedLeader !== options.self && peers.isConnected(peer, out.nowMs);
  }

  #delayMs(): number {
    const { options, jitter } = this.#parts;
    return options.heartbeatMs * 2 ** Math.min(this.#failures, MAX_BACK_OFF_DOUBLINGS) * jitter.draw();
  }
}
