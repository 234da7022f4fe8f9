/**
 * The simulated world: virtual time, the network between the members, and the counters. Links are directed; a cut link loses
 * everything, also what is under way on it.
 */
import type { MemberSlot } from '../../cluster-node/contract/ballot.ts';
import type { PeerMessage } from '../../cluster-node/contract/peer.ts';
import { Checker } from './checker.ts';
import type { Control } from './controls.ts';
import { EventHeap } from './event-heap.ts';
import type { Random } from './random.ts';
import type { Mix } from './swarm.ts';
import { Trace } from './trace.ts';

export interface Receiver {
  receive(from: MemberSlot, message: PeerMessage): void;
}

export class World {
  nowMs = 0;
  readonly random: Random;
  readonly mix: Mix;
  readonly control: Control;
  readonly members: readonly MemberSlot[];
  readonly checker: Checker;
  readonly trace = new Trace();
  /** How often each kind of fault happened. */
  readonly faults: Record<string, number> = {};
  readonly receivers = new Map<MemberSlot, Receiver>();
  /** From then on there is no loss, duplication or slowness; cut links stay cut. */
  calmSinceMs = Number.POSITIVE_INFINITY;
  #heap = new EventHeap();
  #cut = new Set<number>();
  #lastArrivalMs = new Map<number, number>();

  constructor(random: Random, mix: Mix, control: Control) {
    this.random = random;
    this.mix = mix;
    this.control = control;
    this.members = Array.from({ length: mix.memberCount }, (_, at) => at + 1);
    this.checker = new Checker(mix.memberCount);
  }

  get isCalm(): boolean {
    return this.nowMs >= this.calmSinceMs;
  }

  after(delayMs: number, run: () => void): void {
    this.#heap.schedule(this.nowMs + delayMs, run);
  }

  /** Runs until virtual time `endMs`, or until `isDone` (asked after each event); returns whether it was done. */
  runUntil(endMs: number, isDone: () => boolean = () => false): boolean {
    while (!isDone()) {
      const event = this.#heap.pop();
      if (event === undefined) return isDone();
      if (event.atMs > endMs) {
        this.#heap.schedule(event.atMs, event.run);
        this.nowMs = endMs;
        return isDone();
      }
      this.nowMs = event.atMs;
      event.run();
    }
    return true;
  }

  count(fault: string): void {
    if (fault !== 'loss' && fault !== 'duplicate') this.trace.tell(() => `${this.nowMs.toFixed(1)} fault: ${fault}`);
    this.faults[fault] = (this.faults[fault] ?? 0) + 1;
  }

  cut(from: MemberSlot, to: MemberSlot): void {
    if (from !== to) this.#cut.add(linkOf(from, to));
  }

  heal(from: MemberSlot, to: MemberSlot): void {
    this.#cut.delete(linkOf(from, to));
  }

  healAll(): void {
    this.#cut.clear();
  }

  isCut(from: MemberSlot, to: MemberSlot): boolean {
    return this.#cut.has(linkOf(from, to));
  }

  send(from: MemberSlot, to: MemberSlot, message: PeerMessage): void {
    if (this.isCut(from, to)) return;
    if (this.#happens('loss', this.mix.lossRatio)) return;
    this.#deliver(from, to, message);
    if (this.#happens('duplicate', this.mix.duplicateRatio)) this.#deliver(from, to, message);
  }

  #deliver(from: MemberSlot, to: MemberSlot, message: PeerMessage): void {
    const link = linkOf(from, to);
    const delayMs = this.random.gap(this.isCalm ? Math.min(1, this.mix.delayMsMean) : this.mix.delayMsMean);
    const inOrderMs = this.#lastArrivalMs.get(link) ?? 0;
    const arrivalMs =
      this.mix.reorders && !this.isCalm ? this.nowMs + delayMs : Math.max(inOrderMs, this.nowMs + delayMs);
    this.#lastArrivalMs.set(link, Math.max(arrivalMs, inOrderMs));
    this.after(arrivalMs - this.nowMs, () => {
      if (!this.isCut(from, to)) this.receivers.get(to)?.receive(from, message);
    });
  }

  #happens(fault: string, ratio: number): boolean {
    if (this.isCalm || ratio === 0 || !this.random.chance(ratio)) return false;
    this.count(fault);
    return true;
  }
}

function linkOf(from: MemberSlot, to: MemberSlot): number {
  return from * 1024 + to;
}
