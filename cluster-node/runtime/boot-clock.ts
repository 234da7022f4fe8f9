/**
 * A monotonic clock that also runs while the machine sleeps, which leases need: a leader that slept must know that its lease
 * ran on. Node offers none (`performance.now` is CLOCK_MONOTONIC, which stands still in a suspend), so what it missed is added from
 * /proc/uptime (CLOCK_BOOTTIME, proc(5)). A virtual machine that its host freezes may see neither clock move: docs/protocol.md.
 */
import { readFileSync } from 'node:fs';

/** /proc/uptime counts in hundredths of a second, and the two clocks are not read at the same moment. */
const NOISE_MS = 50;

export interface ClockSources {
  /** Milliseconds, standing still while the machine sleeps. */
  readonly monotonicMs: () => number;
  /** Milliseconds since the machine booted, sleep included. */
  readonly sinceBootMs: () => number;
}

const systemSources: ClockSources = {
  monotonicMs: () => performance.now(),
  sinceBootMs: () => Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1000,
};

/**
 * Milliseconds. Looks for a sleep at the first call of each turn of the event loop. Throws at once where there is no
 * /proc/uptime.
 */
export function bootClock({ monotonicMs, sinceBootMs }: ClockSources = systemSources): () => number {
  const between = sinceBootMs() - monotonicMs();
  if (!Number.isFinite(between)) throw new Error('/proc/uptime cannot be read as a time; leaseReads needs it');
  let sleptMs = 0;
  let isFresh = false;
  return () => {
    if (!isFresh) {
      isFresh = true;
      setImmediate(() => {
        isFresh = false;
      });
      const missedMs = sinceBootMs() - monotonicMs() - between;
      if (missedMs > sleptMs + NOISE_MS) sleptMs = missedMs;
    }
    return monotonicMs() + sleptMs;
  };
}
