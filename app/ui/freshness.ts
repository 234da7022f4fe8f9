/** When a figure is too old to be shown as if it were now. Samples come once a second. */

/** Older than this, milliseconds: greyed, with its age. */
export const STALE_AFTER_MS = 3_000;
/** Older than this, milliseconds: it reads "unknown". */
export const UNKNOWN_AFTER_MS = 10_000;

export type Freshness = 'fresh' | 'stale' | 'unknown';

/** `observedAtUnixMs` null: never observed. Both times on the engine's clock. */
export function freshnessOf(observedAtUnixMs: number | null, nowUnixMs: number): Freshness {
  if (observedAtUnixMs === null) return 'unknown';
  const age = nowUnixMs - observedAtUnixMs;
  if (age > UNKNOWN_AFTER_MS) return 'unknown';
  return age > STALE_AFTER_MS ? 'stale' : 'fresh';
}
