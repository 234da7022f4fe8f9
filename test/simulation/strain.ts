/** How slow one node's disk and event loop are just now, and what the node measures of that. */
import type { NodeHealth } from '../../cluster-node/contract/peer.ts';
import type { World } from './world.ts';

const CALM_DISK_MS = 1;
const USUAL_LAG_MS = 1;

export class Strain {
  #slowUntilMs = 0;
  #slowFactor = 1;
  #fullUntilMs = 0;
  #lagUntilMs = 0;
  #lagMs = 0;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  slowDisk(factor: number, forMs: number): void {
    this.#slowFactor = factor;
    this.#slowUntilMs = this.#world.nowMs + forMs;
  }

  /** Nothing becomes durable for want of space. */
  fillDisk(forMs: number): void {
    this.#fullUntilMs = this.#world.nowMs + forMs;
  }

  /** The node measures that its event loop is late by so much. */
  slowLoop(lagMs: number, forMs: number): void {
    this.#lagMs = lagMs;
    this.#lagUntilMs = this.#world.nowMs + forMs;
  }

  calm(): void {
    this.#slowUntilMs = this.#fullUntilMs = this.#lagUntilMs = 0;
  }

  /** About how long an fsync or a read takes. */
  get diskMs(): number {
    const { mix, nowMs, isCalm } = this.#world;
    if (isCalm) return Math.min(mix.syncMsMean, CALM_DISK_MS);
    return nowMs < this.#slowUntilMs ? mix.syncMsMean * this.#slowFactor : mix.syncMsMean;
  }

  /** Until the disk has room again; 0 when it has. */
  get fullForMs(): number {
    return Math.max(0, this.#fullUntilMs - this.#world.nowMs);
  }

  get health(): NodeHealth {
    const loopLagMs = this.#world.nowMs < this.#lagUntilMs ? this.#lagMs : USUAL_LAG_MS;
    return { syncMs: this.diskMs, loopLagMs, isDiskFull: this.fullForMs > 0 };
  }
}
