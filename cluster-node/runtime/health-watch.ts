/**
 * Measures how this node's disk and event loop are doing, smoothed, so that a leader that has become slow can hand over and the
 * others can see it coming. The event loop's lag is how late the core's own ticks come: that is what delays heartbeats.
 */
import type { NodeHealth } from '../contract/peer.ts';

/** Weights of a new measurement: about ten writes make one figure, and about a hundred ticks, a second, the other. */
const SYNC_WEIGHT = 0.1;
const LAG_WEIGHT = 0.01;
/** Told to the core at least so often, and sooner when a figure has doubled or halved. */
const REPORT_MS = 1000;

export class HealthWatch {
  readonly #tickMs: number;
  readonly #report: (health: NodeHealth) => void;
  #syncMs = 0;
  #loopLagMs = 0;
  #isDiskFull = false;
  #lastTickMs: number | null = null;
  #reported: NodeHealth | null = null;
  #reportedAtMs = 0;

  /** `tickMs` is the interval at which `onTick` should be called. */
  constructor(tickMs: number, report: (health: NodeHealth) => void) {
    this.#tickMs = tickMs;
    this.#report = report;
  }

  /** `pendingMs`: how long the write under way has lasted by now, 0 when there is none. A disk that hangs returns nothing. */
  onTick(nowMs: number, pendingMs: number): void {
    if (this.#lastTickMs !== null) {
      const lateMs = Math.max(0, nowMs - this.#lastTickMs - this.#tickMs);
      this.#loopLagMs += (lateMs - this.#loopLagMs) * LAG_WEIGHT;
    }
    this.#lastTickMs = nowMs;
    if (pendingMs > this.#syncMs) this.onSync(pendingMs);
    if (nowMs - this.#reportedAtMs >= REPORT_MS || this.#hasChanged()) this.#tell(nowMs);
  }

  onSync(tookMs: number): void {
    this.#syncMs += (tookMs - this.#syncMs) * SYNC_WEIGHT;
  }

  onDiskFull(isFull: boolean, nowMs: number): void {
    this.#isDiskFull = isFull;
    this.#tell(nowMs);
  }

  #hasChanged(): boolean {
    const known = this.#reported;
    return known === null || differs(known.syncMs, this.#syncMs) || differs(known.loopLagMs, this.#loopLagMs);
  }

  #tell(nowMs: number): void {
    this.#reportedAtMs = nowMs;
    this.#reported = { syncMs: this.#syncMs, loopLagMs: this.#loopLagMs, isDiskFull: this.#isDiskFull };
    this.#report(this.#reported);
  }
}

/** By a factor of two, and by something that matters. */
function differs(known: number, now: number): boolean {
  return Math.abs(known - now) > 5 && (now > known * 2 || known > now * 2);
}
