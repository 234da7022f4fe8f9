/** The charts' subscription: the history of a window, then one row a second. */
import { clusterMetrics, hostMetrics, nodeMetrics, type SeriesBatch, seriesKey } from '../../contract/series.ts';
import { downsample } from './downsample.ts';
import type { History } from './history.ts';

/** No chart is given more rows than this. */
export const MAX_POINTS = 600;
/** After this many appended rows the whole window is sent anew, so that a reader's columns stay bounded. */
const APPENDS_BEFORE_RESET = 300;

export interface SeriesRequest {
  readonly history: History;
  readonly clusterId: string;
  readonly nodeIds: readonly string[];
  readonly hostIds: readonly string[];
  /** From 60,000 to 3,600,000. */
  readonly windowMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** A slow reader gets the seconds that it missed in one batch, or, past the bound, the window anew: nothing queues up. */
export async function* clusterSeries(request: SeriesRequest): AsyncGenerator<SeriesBatch, void, void> {
  const { rings } = request.history;
  const keys = keysOf(request);
  const seconds = Math.floor(request.windowMs / 1000);
  const whole = () => ({ reset: true, ...downsample(rings.columns(keys, seconds), MAX_POINTS) });
  let sentUpTo = rings.headUnixMs;
  let appended = 0;
  yield whole();
  while (await nextSecond(request.history, sentUpTo, request.signal)) {
    const head = rings.headUnixMs ?? 0;
    const missed = sentUpTo === null ? seconds : (head - sentUpTo) / 1000;
    sentUpTo = head;
    appended += missed;
    if (appended > APPENDS_BEFORE_RESET || missed < 0) {
      appended = 0;
      yield whole();
    } else yield { reset: false, ...rings.columns(keys, missed) };
  }
}

function keysOf({ clusterId, nodeIds, hostIds }: SeriesRequest): string[] {
  return [
    ...clusterMetrics.map((metric) => seriesKey(clusterId, metric)),
    ...nodeIds.flatMap((nodeId) => nodeMetrics.map((metric) => seriesKey(nodeId, metric))),
    ...hostIds.flatMap((hostId) => hostMetrics.map((metric) => seriesKey(hostId, metric))),
  ];
}

/** Waits until a second after `afterUnixMs` is there; false: the reader left. */
function nextSecond(history: History, afterUnixMs: number | null, signal: AbortSignal | undefined): Promise<boolean> {
  if (signal?.aborted) return Promise.resolve(false);
  if (history.rings.headUnixMs !== afterUnixMs) return Promise.resolve(true);
  return new Promise((resolve) => {
    const end = (more: boolean) => {
      unsubscribe();
      signal?.removeEventListener('abort', left);
      resolve(more);
    };
    const left = () => end(false);
    const unsubscribe = history.onSecond(() => end(true));
    signal?.addEventListener('abort', left);
  });
}
