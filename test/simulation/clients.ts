/**
 * The clients of one node: what they asked in this life of it and were not told yet. What they see goes into the history of the
 * whole cluster, which must be linearizable; a request whose node died or that timed out has an unknown outcome.
 */
import type { MemberSlot, Slot } from '../../cluster-node/contract/ballot.ts';
import type { RequestId } from '../../cluster-node/contract/peer.ts';
import { encodeCommand, numberOf, type RegisterMachine } from './register-machine.ts';
import type { World } from './world.ts';

/** Clients give up after this long in the safety phase. */
const CLIENT_TIMEOUT_MS = 3000;

/** One request as its client sees it. */
export interface ClientOperation {
  readonly client: number;
  readonly key: number;
  /** The number to write; null: a read. */
  readonly writes: number | null;
  readonly calledAtMs: number;
  /** null while, or for ever, unknown. */
  returned: { readonly atMs: number; readonly value: number } | null;
  /** It certainly had and will have no effect. */
  isRefused: boolean;
}

interface Waiting {
  readonly request: RequestId;
  readonly visibleAtInvocation: Slot;
  readonly operation: ClientOperation;
  /** Set once a read may be answered at that applied slot. */
  readSlot: Slot | null;
}

export class Clients {
  acknowledged = 0;
  readsAnswered = 0;
  /** Requests of the liveness phase that were given back for want of a leader. */
  refusedInCalm = 0;
  readonly #waiting = new Map<number, Waiting>();
  #sequence = 0;
  #life = 0;
  readonly #world: World;
  readonly #member: MemberSlot;

  constructor(world: World, member: MemberSlot) {
    this.#world = world;
    this.#member = member;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** A life of the node begins: nobody will tell what became of earlier requests. */
  reset(life: number): void {
    this.#life = life;
    this.#sequence = 0;
    this.#waiting.clear();
  }

  write(key: number, fillBytes: number): { readonly request: RequestId; readonly value: Uint8Array } {
    const request = this.#nextRequest();
    const value = encodeCommand({ key, request }, fillBytes);
    this.#wait(request, { key, writes: numberOf(request) });
    return { request, value };
  }

  read(key: number): RequestId {
    const request = this.#nextRequest();
    this.#wait(request, { key, writes: null });
    return request;
  }

  /** Requests that waited too long; their clients are gone. */
  giveUp(): RequestId[] {
    const old: RequestId[] = [];
    for (const { request, operation } of this.#waiting.values()) {
      if (this.#world.nowMs - operation.calledAtMs < CLIENT_TIMEOUT_MS) break;
      old.push(request);
    }
    for (const { sequence } of old) this.#waiting.delete(sequence);
    return old;
  }

  /** The machine has carried out this request in this slot. */
  onApplied(request: RequestId, slot: Slot): void {
    if (request.origin !== this.#member || request.boot !== this.#life) return;
    const waiting = this.#waiting.get(request.sequence);
    if (waiting === undefined) return;
    this.#waiting.delete(request.sequence);
    this.acknowledged += 1;
    waiting.operation.returned = { atMs: this.#world.nowMs, value: 0 };
    this.#world.checker.onVisible(slot);
  }

  onReadReady(request: RequestId, readSlot: Slot, machine: RegisterMachine): void {
    const waiting = this.#waiting.get(request.sequence);
    if (waiting === undefined || request.boot !== this.#life) return;
    waiting.readSlot = readSlot;
    this.#answerRead(waiting, machine);
  }

  /** The machine went on: reads that waited for it get their answers. */
  answerReads(machine: RegisterMachine): void {
    for (const waiting of this.#waiting.values()) if (waiting.readSlot !== null) this.#answerRead(waiting, machine);
  }

  onRefused(request: RequestId, reason: 'busy' | 'noLeader'): void {
    const waiting = this.#waiting.get(request.sequence);
    if (waiting === undefined) return;
    this.#waiting.delete(request.sequence);
    waiting.operation.isRefused = true;
    if (waiting.operation.writes !== null) this.#world.checker.onRefused(request);
    if (reason === 'noLeader' && waiting.operation.calledAtMs >= this.#world.calmSinceMs) this.refusedInCalm += 1;
  }

  /** It may be inside a snapshot: nobody can tell. */
  onLost(request: RequestId): void {
    this.#waiting.delete(request.sequence);
  }

  #answerRead({ request, readSlot, operation, visibleAtInvocation }: Waiting, machine: RegisterMachine): void {
    const { control, checker, nowMs } = this.#world;
    const { appliedUpTo } = machine;
    if (readSlot === null || (appliedUpTo < readSlot && !control.readsBeforeApplied)) return;
    this.#waiting.delete(request.sequence);
    this.readsAnswered += 1;
    operation.returned = { atMs: nowMs, value: machine.get(operation.key) };
    checker.onRead(this.#member, appliedUpTo, visibleAtInvocation);
    checker.onVisible(appliedUpTo);
  }

  #nextRequest(): RequestId {
    this.#sequence += 1;
    return { origin: this.#member, boot: this.#life, sequence: this.#sequence };
  }

  #wait(request: RequestId, { key, writes }: { key: number; writes: number | null }): void {
    const { checker, nowMs, history } = this.#world;
    const client = numberOf(request);
    const operation: ClientOperation = { client, key, writes, calledAtMs: nowMs, returned: null, isRefused: false };
    history.push(operation);
    const visibleAtInvocation = checker.visibleUpTo;
    this.#waiting.set(request.sequence, { request, visibleAtInvocation, operation, readSlot: null });
  }
}
