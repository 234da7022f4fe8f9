/**
 * Fewer points on the same shape. The time axis is cut into equal buckets of two rows each; into the two rows of a bucket
 * each series puts its lowest and its highest value in the order in which they came. So a spike of one second survives any
 * zoom (a mean would hide the very fsync stall that one looks for), and all series keep one common axis. A half of a bucket
 * in which a series is wholly unknown stays unknown.
 */
import type { Columns } from './rings.ts';

/** At most `maxPoints` rows (at least 2); columns that are short enough already come back as they are. */
export function downsample(columns: Columns, maxPoints: number): Columns {
  const length = columns.atUnixMs.length;
  if (length <= maxPoints) return columns;
  const buckets = Math.max(1, Math.floor(maxPoints / 2));
  const edges = Array.from({ length: buckets + 1 }, (_, bucket) => Math.floor((bucket * length) / buckets));
  const spans = edges.slice(0, -1).map((start, bucket) => {
    const end = edges[bucket + 1] ?? length;
    return { start, middle: Math.floor((start + end) / 2), end };
  });
  return {
    atUnixMs: spans.flatMap(({ start, middle }) => [columns.atUnixMs[start] ?? 0, columns.atUnixMs[middle] ?? 0]),
    series: Object.fromEntries(
      Object.entries(columns.series).map(([key, values]) => [key, spans.flatMap((span) => extremes(values, span))]),
    ),
  };
}

function extremes(
  values: readonly (number | null)[],
  span: { start: number; middle: number; end: number },
): [number | null, number | null] {
  const firstHalf = isKnown(values, span.start, span.middle);
  const secondHalf = isKnown(values, span.middle, span.end);
  let lowest: number | null = null;
  let highest: number | null = null;
  let lowestAt = 0;
  let highestAt = 0;
  for (let at = span.start; at < span.end; at++) {
    const value = values[at] ?? null;
    if (value === null) continue;
    if (lowest === null || value < lowest) [lowest, lowestAt] = [value, at];
    if (highest === null || value > highest) [highest, highestAt] = [value, at];
  }
  if (!firstHalf) return [null, highest];
  if (!secondHalf) return [highest, null];
  return lowestAt <= highestAt ? [lowest, highest] : [highest, lowest];
}

function isKnown(values: readonly (number | null)[], start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (values[at] != null) return true;
  return false;
}
