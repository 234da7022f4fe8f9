import type { Latency } from '../contract/sample.ts';

/** Beyond this many, later ones replace earlier ones at random places, so that each is kept with the same chance. */
const KEPT = 4096;

/** Latencies since the last `take`, in milliseconds; memory is bounded. */
export class LatencyWindow {
  readonly #kept = new Float64Array(KEPT);
  #count = 0;

  record(tookMs: number): void {
    const place = this.#count < KEPT ? this.#count : Math.floor(Math.random() * (this.#count + 1));
    this.#count += 1;
    if (place < KEPT) this.#kept[place] = tookMs;
  }

  /** The percentiles (nearest rank) of the interval; a new one begins. */
  take(): Latency {
    const count = this.#count;
    this.#count = 0;
    if (count === 0) return { p50Ms: null, p99Ms: null, count };
    const sorted = this.#kept.slice(0, Math.min(count, KEPT)).sort();
    const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null;
    return { p50Ms: at(0.5), p99Ms: at(0.99), count };
  }
}
