/**
 * Linearizable reads by read-index. The leader notes how far it has decided, then proves that it still led at that moment: a
 * quorum must answer a heartbeat sent later while still promised to its ballot. No other leader can have had a quorum of
 * promises then, so nothing unknown to this one can have been answered to a client before. Reads that come while a
 * round is under way share the next one.
 */
import type { Ballot, MemberSlot, Slot } from '../contract/ballot.ts';
import type { ReadIndexReply, ReadIndexRequest, RequestId } from '../contract/peer.ts';
import type { CoreOptions } from './interface.ts';
import type { Outbox } from './outbox.ts';
import { patienceMs } from './patience.ts';
import type { Peers } from './peers.ts';
import type { QuorumSystem } from './quorum.ts';
import type { PaxosRules } from './rules.ts';

const MAX_HOPS = 2;

interface Unconfirmed {
  readonly request: RequestId;
  readonly replyTo: MemberSlot;
  readonly readSlot: Slot;
  /** The first heartbeat round that began after the read came. */
  readonly round: number;
}

interface LeaderParts {
  readonly rules: PaxosRules;
  readonly peers: Peers;
  readonly quorums: QuorumSystem;
  readonly self: MemberSlot;
  readonly answer: (replyTo: MemberSlot, reply: ReadIndexReply) => void;
}

/** The leader's side: reads that wait for the proof. */
export class ReadConfirmation {
  #waiting: Unconfirmed[] = [];
  #parts: LeaderParts;

  constructor(parts: LeaderParts) {
    this.#parts = parts;
  }

  add(request: RequestId, replyTo: MemberSlot, readSlot: Slot): void {
    const { peers, rules } = this.#parts;
    this.#waiting.push({ request, replyTo, readSlot, round: rules.confirmingRound(peers.sequence) });
  }

  /** No proof is needed: this node holds a lease. */
  answer(request: RequestId, replyTo: MemberSlot, readSlot: Slot): void {
    this.#parts.answer(replyTo, { kind: 'readIndexReply', request, readSlot });
  }

  /** Whether reads wait for a round that has not begun while no earlier one is under way. */
  needsRound(): boolean {
    const oldest = this.#waiting[0];
    return oldest !== undefined && oldest.round > this.#parts.peers.sequence;
  }

  /** Answers every read whose round a quorum has answered under `ballot`. */
  confirm(ballot: Ballot): void {
    if (this.#waiting.length === 0) return;
    const { quorums, peers, self } = this.#parts;
    const confirmed = quorums.phase2UpTo((member) => {
      if (member === self) return peers.sequence;
      const peer = peers.get(member);
      // Under this very ballot: a reply to an earlier life of this node may bear a like sequence, but not a ballot that is new.
      return peer?.repliedUnder === ballot ? peer.repliedSequence : 0;
    });
    let count = 0;
    for (const read of this.#waiting) {
      if (read.round > confirmed) break;
      this.answer(read.request, read.replyTo, read.readSlot);
      count += 1;
    }
    if (count > 0) this.#waiting = this.#waiting.slice(count);
  }

  /** This node leads no more. */
  fail(): void {
    for (const read of this.#waiting)
      this.#parts.answer(read.replyTo, { kind: 'readIndexReply', request: read.request, readSlot: null });
    this.#waiting = [];
  }
}

/** The way of a read to a leader, as of now. */
export interface ReadRoute {
  /** Registers the read here if this node leads; false when it does not. */
  register(request: RequestId, replyTo: MemberSlot): boolean;
  /** As for a write. */
  next(turn: number): MemberSlot;
}

interface PendingRead {
  readonly request: RequestId;
  readonly bornAtMs: number;
  attempts: number;
  retryAtMs: number;
}

interface OriginParts {
  readonly out: Outbox;
  readonly options: CoreOptions;
  readonly route: ReadRoute;
}

/** The origin's side: reads that this node took in. A read changes nothing, so it may be asked again freely. */
export class ClientReads {
  #bySequence = new Map<number, PendingRead>();
  #parts: OriginParts;

  constructor(parts: OriginParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#bySequence.size;
  }

  add(request: RequestId): void {
    const { out, options } = this.#parts;
    if (this.#bySequence.size >= options.maxUndecidedSlots) {
      out.emit({ kind: 'refuse', request, reason: 'busy' });
      return;
    }
    const pending = { request, bornAtMs: out.nowMs, attempts: 0, retryAtMs: 0 };
    this.#bySequence.set(request.sequence, pending);
    this.#dispatch(pending);
  }

  abandon(request: RequestId): void {
    this.#bySequence.delete(request.sequence);
  }

  onLeaderChange(): void {
    for (const pending of this.#bySequence.values()) this.#dispatch(pending);
  }

  onRound(): void {
    const { out, options } = this.#parts;
    const giveBackBeforeMs = out.nowMs - patienceMs(options);
    for (const pending of this.#bySequence.values()) {
      if (pending.bornAtMs <= giveBackBeforeMs) {
        this.#bySequence.delete(pending.request.sequence);
        out.emit({ kind: 'refuse', request: pending.request, reason: 'noLeader' });
      } else if (out.nowMs >= pending.retryAtMs) this.#dispatch(pending);
    }
  }

  onRequest(from: MemberSlot, message: ReadIndexRequest): void {
    const { out, route } = this.#parts;
    const { request, hops } = message;
    if (route.register(request, from)) return;
    const next = hops < MAX_HOPS ? route.next(request.sequence + hops) : 0;
    if (next === 0 || next === from) out.send(from, { kind: 'readIndexReply', request, readSlot: null });
    else out.send(next, { kind: 'readIndexRequest', request, hops: hops + 1 });
  }

  onReply(message: ReadIndexReply): void {
    const { out, options } = this.#parts;
    const { request, readSlot } = message;
    if (request.origin !== options.self) return out.send(request.origin, message);
    const pending = this.#bySequence.get(request.sequence);
    if (pending === undefined || pending.request.boot !== request.boot) return;
    if (readSlot === null) {
      pending.retryAtMs = Math.min(pending.retryAtMs, out.nowMs + options.heartbeatMs);
      return;
    }
    this.#bySequence.delete(request.sequence);
    out.emit({ kind: 'readReady', request, readSlot });
  }

  #dispatch(pending: PendingRead): void {
    const { out, options, route } = this.#parts;
    pending.retryAtMs = out.nowMs + options.electionTimeoutMs;
    if (route.register(pending.request, options.self)) return;
    const next = route.next(pending.request.sequence + pending.attempts++);
    if (next === 0) pending.retryAtMs = out.nowMs + options.heartbeatMs;
    else out.send(next, { kind: 'readIndexRequest', request: pending.request, hops: 0 });
  }
}
