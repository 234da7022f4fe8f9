import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 10;

/** How late the event loop ran timers; a node that stalls here misses heartbeats. */
export class EventLoopLag {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });

  constructor() {
    this.#histogram.enable();
  }

  /** 99th percentile since the last call, in milliseconds; null when nothing was measured. */
  take(): number | null {
    const { count } = this.#histogram;
    const lagMs = this.#histogram.percentile(99) / 1e6 - RESOLUTION_MS;
    this.#histogram.reset();
    return count === 0 ? null : Math.max(0, lagMs);
  }

  close(): void {
    this.#histogram.disable();
  }
}
