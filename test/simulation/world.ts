/**
 * The simulated world: virtual time, chance, and what everything in it shares. Each concern draws from its own stream of chance,
 * so that leaving one fault out of a history disturbs the rest as little as possible.
 */
import type { MemberSlot } from '../../cluster-node/contract/ballot.ts';
import { type Configuration, firstConfiguration } from '../../cluster-node/contract/configuration.ts';
import type { PeerMessage } from '../../cluster-node/contract/peer.ts';
import { exampleMember } from '../../cluster-node/paxos/under-test/member-example.ts';
import { Checker } from './checker.ts';
import type { ClientOperation } from './clients.ts';
import type { Control } from './controls.ts';
import { EventHeap } from './event-heap.ts';
import { Network } from './network.ts';
import { Random } from './random.ts';
import type { Snapshot } from './snapshot-files.ts';
import type { Mix } from './swarm.ts';
import { Trace } from './trace.ts';

interface Receiver {
  receive(from: MemberSlot, message: PeerMessage): void;
  /** The newest that it can give away; null while it is down, too. */
  snapshot(): Snapshot | null;
}

const NETWORK_STREAM = 1;

export class World {
  nowMs = 0;
  /** Events taken from the heap. */
  events = 0;
  readonly mix: Mix;
  readonly control: Control;
  readonly firstConfiguration: Configuration;
  readonly checker: Checker;
  readonly network: Network;
  readonly trace = new Trace();
  /** How often each kind of fault happened. */
  readonly faults: Record<string, number> = {};
  readonly receivers = new Map<MemberSlot, Receiver>();
  /** What all clients asked and were told. */
  readonly history: ClientOperation[] = [];
  /** From this virtual time on no fault begins; what is broken stays broken. */
  calmSinceMs = Number.POSITIVE_INFINITY;
  #seed: number;
  #heap = new EventHeap();

  constructor(seed: number, mix: Mix, control: Control) {
    this.#seed = seed;
    this.mix = mix;
    this.control = control;
    const voters = Array.from({ length: mix.memberCount }, (_, at) => exampleMember(at + 1));
    this.firstConfiguration = firstConfiguration(voters);
    this.checker = new Checker(this.firstConfiguration);
    this.network = new Network(
      {
        random: this.stream(NETWORK_STREAM),
        nowMs: () => this.nowMs,
        isCalm: () => this.isCalm,
        after: (delayMs, run) => this.after(delayMs, run),
        count: (fault) => this.count(fault),
        receive: (to, from, message) => this.receivers.get(to)?.receive(from, message),
      },
      mix.delayMsMean,
    );
  }

  get isCalm(): boolean {
    return this.nowMs >= this.calmSinceMs;
  }

  /** Chance for one concern: the same number gives the same draws, whatever others draw. */
  stream(concern: number): Random {
    return World.stream(this.#seed, concern);
  }

  static stream(seed: number, concern: number): Random {
    return new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(concern, 0x85ebca6b));
  }

  after(delayMs: number, run: () => void): void {
    this.#heap.schedule(this.nowMs + delayMs, run);
  }

  /** Runs until virtual time `endMs`, or until `isDone` (asked after each event); returns whether it was done. */
  runUntil(endMs: number, isDone: () => boolean): boolean {
    while (!isDone()) {
      const event = this.#heap.pop();
      if (event === undefined) return isDone();
      if (event.atMs > endMs) {
        this.#heap.schedule(event.atMs, event.run);
        this.nowMs = endMs;
        return isDone();
      }
      this.nowMs = event.atMs;
      this.events += 1;
      event.run();
    }
    return true;
  }

  count(fault: string): void {
    this.faults[fault] = (this.faults[fault] ?? 0) + 1;
  }

  /** A line for a person who replays a seed. */
  tell(line: () => string): void {
    this.trace.tell(() => `${this.nowMs.toFixed(1)} ${line()}`);
  }
}
