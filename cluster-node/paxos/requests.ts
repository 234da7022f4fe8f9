/**
 * Client requests that this node took in and that are not decided yet. Each is proposed here or forwarded to the believed
 * leader, and sent again when the leader changes or nothing is heard for long: the state machine applies a request once,
 * so proposing it twice is safe and losing it is not.
 */
import type { MemberSlot } from '../contract/ballot.ts';
import { isConfigurationValue } from '../contract/configuration.ts';
import { digestOf } from '../contract/digest.ts';
import type { Entry, Forward, ForwardRefused, RequestId } from '../contract/peer.ts';
import { type CoreOptions, DEFAULT_UNDECIDED_BYTES } from './interface.ts';
import type { Outbox } from './outbox.ts';
import { patienceMs } from './patience.ts';

const MAX_HOPS = 2;

/** The way of a value to a leader, as of now. */
export interface ProposalRoute {
  /** Proposes here what came through `origin`; 'notLeader' when this node does not lead. */
  propose(value: Uint8Array, digest: number, origin: MemberSlot): 'proposed' | 'busy' | 'notLeader';
  /** The member to forward to, another one for each `turn` where there is a choice; 0 when nobody is known. */
  next(turn: number): MemberSlot;
}

interface Pending {
  readonly request: RequestId;
  readonly value: Uint8Array;
  readonly digest: number;
  readonly bornAtMs: number;
  /** Times that it may have reached a leader. */
  attempts: number;
  retryAtMs: number;
  /** Why it could not even be sent on its way the last time: told to the client if it never can. */
  obstacle: 'busy' | 'noLeader';
}

interface Parts {
  readonly out: Outbox;
  readonly options: CoreOptions;
  readonly route: ProposalRoute;
}

export class ClientRequests {
  #bySequence = new Map<number, Pending>();
  /** Of their values. */
  #bytes = 0;
  /** Finds the request that a decided value answers; values are unique, digests nearly so. */
  #byDigest = new Map<number, Pending[]>();
  #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#bySequence.size;
  }

  /** Throws RangeError when the value would be taken for a configuration: those come by `reconfigure` alone. */
  add(request: RequestId, value: Uint8Array): void {
    if (isConfigurationValue(value)) throw new RangeError('a client request must not be a configuration');
    const { out, options } = this.#parts;
    const isFull = this.#bytes >= (options.maxUndecidedBytes ?? DEFAULT_UNDECIDED_BYTES);
    if (isFull || this.#bySequence.size >= options.maxUndecidedSlots) {
      out.emit({ kind: 'refuse', request, reason: 'busy' });
      return;
    }
    const digest = digestOf(value);
    const bornAtMs = out.nowMs;
    const pending: Pending = { request, value, digest, bornAtMs, attempts: 0, retryAtMs: 0, obstacle: 'noLeader' };
    this.#bySequence.set(request.sequence, pending);
    this.#bytes += value.length;
    const sameDigest = this.#byDigest.get(digest);
    if (sameDigest === undefined) this.#byDigest.set(digest, [pending]);
    else sameDigest.push(pending);
    this.#dispatch(pending);
  }

  abandon(request: RequestId): void {
    const pending = this.#bySequence.get(request.sequence);
    if (pending !== undefined) this.#remove(pending);
  }

  onDecided(entry: Entry): void {
    const pending = this.#byDigest.get(entry.digest)?.find((candidate) => haveSameBytes(candidate.value, entry.value));
    if (pending !== undefined) this.#remove(pending);
  }

  /**
   * Slots were skipped by a snapshot. What had left this node may have been applied in them, which nobody can tell any more,
   * and proposing it again would bring no result: the machine applies a request once. The client learns that it is unknown.
   */
  onSkipped(): void {
    for (const pending of this.#bySequence.values()) {
      if (pending.attempts === 0) continue;
      this.#remove(pending);
      this.#parts.out.emit({ kind: 'lost', request: pending.request });
    }
  }

  /** There is a new leader: whatever the old one held may be lost. */
  onLeaderChange(): void {
    for (const pending of this.#bySequence.values()) this.#dispatch(pending);
  }

  /** This node leads no more: what it had proposed may be lost, and it may never hear the next leader directly. */
  onLeadershipLost(): void {
    const { out, options } = this.#parts;
    for (const pending of this.#bySequence.values())
      pending.retryAtMs = Math.min(pending.retryAtMs, out.nowMs + options.heartbeatMs);
  }

  /** Once a heartbeat interval. */
  onRound(): void {
    const { out, options } = this.#parts;
    const giveBackBeforeMs = out.nowMs - patienceMs(options);
    for (const pending of this.#bySequence.values()) {
      if (out.nowMs >= pending.retryAtMs) this.#dispatch(pending);
      if (pending.attempts > 0 || pending.bornAtMs > giveBackBeforeMs) continue;
      this.#remove(pending);
      out.emit({ kind: 'refuse', request: pending.request, reason: pending.obstacle });
    }
  }

  /** A peer's client request: proposed if this node leads, else passed on. */
  onForward(from: MemberSlot, message: Forward): void {
    const { out, route } = this.#parts;
    const { request, value, hops } = message;
    // No node that keeps the rule above sends one.
    if (isConfigurationValue(value)) return;
    const outcome = route.propose(value, digestOf(value), request.origin);
    if (outcome === 'proposed') return;
    if (outcome === 'busy') return out.send(from, { kind: 'forwardRefused', request, reason: 'busy' });
    const next = hops < MAX_HOPS ? route.next(request.sequence + hops) : 0;
    if (next === 0 || next === from) out.send(from, { kind: 'forwardRefused', request, reason: 'notLeader' });
    else out.send(next, { kind: 'forward', request, value, hops: hops + 1 });
  }

  /**
   * A refusal says that one copy of the request was not proposed; another may still be on its way, so the client is told
   * nothing and the request is tried again a little later.
   */
  onRefused(message: ForwardRefused): void {
    const { out, options } = this.#parts;
    if (message.request.origin !== options.self) return out.send(message.request.origin, message);
    const pending = this.#bySequence.get(message.request.sequence);
    if (pending?.request.boot === message.request.boot)
      pending.retryAtMs = Math.min(pending.retryAtMs, out.nowMs + options.heartbeatMs);
  }

  #dispatch(pending: Pending): void {
    const { out, options, route } = this.#parts;
    const { request, value, digest } = pending;
    pending.retryAtMs = out.nowMs + options.heartbeatMs;
    const outcome = route.propose(value, digest, request.origin);
    pending.obstacle = outcome === 'busy' ? 'busy' : 'noLeader';
    if (outcome === 'busy') return;
    if (outcome === 'notLeader') {
      const next = route.next(request.sequence + pending.attempts);
      if (next === 0) return;
      out.send(next, { kind: 'forward', request, value, hops: 0 });
    }
    // A leader keeps what it proposed; only a forwarded request can get lost without a change of leader.
    const waitMs = options.electionTimeoutMs * (pending.attempts === 0 ? 1 : 2);
    pending.retryAtMs = outcome === 'proposed' ? Number.POSITIVE_INFINITY : out.nowMs + waitMs;
    pending.attempts += 1;
  }

  #remove(pending: Pending): void {
    if (!this.#bySequence.delete(pending.request.sequence)) return;
    this.#bytes -= pending.value.length;
    const rest = this.#byDigest.get(pending.digest)?.filter((other) => other !== pending) ?? [];
    if (rest.length === 0) this.#byDigest.delete(pending.digest);
    else this.#byDigest.set(pending.digest, rest);
  }
}

function haveSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
