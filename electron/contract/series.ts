/** History as the charts get it. */
import { z } from 'zod';

/** Columns of history: `series[key][i]` belongs to `atUnixMs[i]`; null: unknown at that time. */
export const seriesBatchSchema = z.object({
  /** True: replaces all that came before; false: appends. */
  reset: z.boolean(),
  atUnixMs: z.array(z.number()),
  /** Keys: see `seriesKey`. */
  series: z.record(z.string(), z.array(z.number().nullable())),
});
export type SeriesBatch = z.infer<typeof seriesBatchSchema>;

export const nodeMetrics = [
  'decidedUpTo',
  'appliedUpTo',
  'commitP50Ms',
  'commitP99Ms',
  'fsyncP50Ms',
  'fsyncP99Ms',
  'writesPerSecond',
  'believedLeader',
  'leaderBallot',
] as const;
export const hostMetrics = ['cpuRatio', 'memoryUsedRatio', 'diskUsedRatio', 'load1'] as const;
export const clusterMetrics = ['writesPerSecond', 'leader', 'ballot'] as const;
export type NodeMetric = (typeof nodeMetrics)[number];
export type HostMetric = (typeof hostMetrics)[number];
export type ClusterMetric = (typeof clusterMetrics)[number];

/** The key of a series: "n-ab12cd34/commitP99Ms", "h-…/cpuRatio", "c-…/writesPerSecond". */
export function seriesKey(id: string, metric: NodeMetric | HostMetric | ClusterMetric): string {
  return `${id}/${metric}`;
}
