/**
 * History as rows for charts: one row a moment, all series of a cluster in it. Immutable, so charts can be memoised on it, and
 * never longer than `MAX_POINTS` (more than a chart has room for): moments closer together than the window allows are merged into one.
 */
import type { SeriesBatch } from '../../electron/contract/series.ts';

export const MAX_POINTS = 300;

/** `t`: Unix milliseconds on the engine's clock. Other keys are series keys; null: unknown then. */
export type Row = { readonly t: number; readonly [series: string]: number | null };

/** The rows after a batch. `windowMs`: what is kept, counted back from the newest row. */
export function applyBatch(rows: readonly Row[], batch: SeriesBatch, windowMs: number): readonly Row[] {
  const bucketMs = windowMs / MAX_POINTS;
  const next: Row[] = batch.reset ? [] : [...rows];
  const keys = Object.keys(batch.series);
  batch.atUnixMs.forEach((t, index) => {
    const row: { t: number; [series: string]: number | null } = { t };
    for (const key of keys) row[key] = batch.series[key]?.[index] ?? null;
    const last = next.at(-1);
    if (last !== undefined && Math.floor(last.t / bucketMs) === Math.floor(t / bucketMs))
      next[next.length - 1] = merge(last, row);
    else next.push(row);
  });
  const newest = next.at(-1)?.t ?? 0;
  const first = next.findIndex((row) => row.t > newest - windowMs);
  return first > 0 ? next.slice(first) : next;
}

/** Latencies keep the worst of the two, everything else the later; what is known beats what is not. */
function merge(earlier: Row, later: Row): Row {
  const merged: { t: number; [series: string]: number | null } = { ...later };
  for (const [key, value] of Object.entries(earlier)) {
    if (key === 't' || value === null) continue;
    const now = merged[key] ?? null;
    if (now === null) merged[key] = value;
    else if (key.endsWith('Ms')) merged[key] = Math.max(now, value);
  }
  return merged;
}

/** Stretches of time in which a series kept one value. */
export interface Stretch {
  readonly value: number | null;
  readonly fromUnixMs: number;
  readonly toUnixMs: number;
}

/** `key`'s stretches, oldest first, without gaps; the last one ends at the newest row. */
export function stretchesOf(rows: readonly Row[], key: string): readonly Stretch[] {
  const stretches: { value: number | null; fromUnixMs: number; toUnixMs: number }[] = [];
  for (const row of rows) {
    const value = row[key] ?? null;
    const last = stretches.at(-1);
    if (last !== undefined) last.toUnixMs = row.t;
    if (last === undefined || last.value !== value) stretches.push({ value, fromUnixMs: row.t, toUnixMs: row.t });
  }
  return stretches;
}
