/** Rates from counters that start again at zero when their process does. */
export interface CounterReading {
  /** Names one life of the process: readings of different lives are not compared. */
  readonly life: string;
  readonly total: number;
  /** Any clock, as long as it is the same for both readings. Milliseconds. */
  readonly atUnixMs: number;
}

/** Per second between two readings; null where they say nothing: first reading, another life, no time between them. */
export function ratePerSecond(before: CounterReading | null, now: CounterReading): number | null {
  if (before === null || before.life !== now.life) return null;
  const seconds = (now.atUnixMs - before.atUnixMs) / 1000;
  const counted = now.total - before.total;
  return seconds <= 0 || counted < 0 ? null : counted / seconds;
}
