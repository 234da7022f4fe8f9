/**
 * What one node has yet to take in or to finish: inputs that came while its process stood still, and work that takes a while. A
 * node that comes to rest gets on with both.
 */
import type { Input } from '../../cluster-node/paxos/interface.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

const CALM_WORK_MS = 1;
const TICK: Input = { kind: 'tick' };

export class Backlog {
  readonly #world: World;
  readonly #random: Random;
  readonly #take: (input: Input) => void;
  #pausedUntilMs = 0;
  #inputs: Input[] = [];
  #isTickDue = false;
  #work = new Set<() => void>();

  constructor(world: World, random: Random, take: (input: Input) => void) {
    this.#world = world;
    this.#random = random;
    this.#take = take;
  }

  /** The process stands still for so long. */
  pause(ms: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#world.nowMs + ms);
    this.#world.after(ms, () => this.#resume());
  }

  /** Whether this input comes while the process stands still, and is taken afterwards. */
  keeps(input: Input): boolean {
    if (this.#world.nowMs >= this.#pausedUntilMs) return false;
    if (input.kind === 'tick') this.#isTickDue = true;
    else this.#inputs.push(input);
    return true;
  }

  /** After about so long, if the node lives that long. */
  later(meanMs: number, run: () => void): void {
    const work = () => {
      if (this.#work.delete(work)) run();
    };
    this.#work.add(work);
    this.#world.after(this.#random.gap(meanMs), work);
  }

  calm(): void {
    this.#pausedUntilMs = 0;
    this.#resume();
    for (const work of this.#work) this.#world.after(this.#random.gap(CALM_WORK_MS), work);
  }

  /** The process died. */
  clear(): void {
    this.#pausedUntilMs = 0;
    this.#inputs = [];
    this.#isTickDue = false;
    this.#work.clear();
  }

  /** As the product does it (core-loop.ts): everything else before the tick, and that once. */
  #resume(): void {
    if (this.#world.nowMs < this.#pausedUntilMs) return;
    const inputs = this.#inputs;
    this.#inputs = [];
    for (const input of inputs) this.#take(input);
    if (!this.#isTickDue) return;
    this.#isTickDue = false;
    this.#take(TICK);
  }
}
