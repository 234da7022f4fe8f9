/** The history of one cluster, followed while a screen shows it. */
import { createContext, useContext, useEffect, useMemo, useSyncExternalStore } from 'react';
import { applyBatch, type Row } from '../charts/rows.ts';
import { follow } from './follow.ts';
import { createStore, type Store } from './store.ts';

const none: readonly Row[] = [];

/** One store a cluster and window, kept when its screen is left: the engine may be gone when one comes back. */
const kept = new Map<string, Store<readonly Row[]>>();
const MOST_KEPT = 16;

function keptRows(clusterId: string, windowMs: number): Store<readonly Row[]> {
  const key = `${clusterId}/${windowMs}`;
  const store = kept.get(key) ?? createStore(none);
  // The one that was used last stands last.
  kept.delete(key);
  kept.set(key, store);
  const [oldest] = kept.keys();
  if (kept.size > MOST_KEPT && oldest !== undefined) kept.delete(oldest);
  return store;
}

/** Follows the history, beginning with what was known of it before. */
export function useSeries(clusterId: string, windowMs: number): Store<readonly Row[]> {
  const store = useMemo(() => keptRows(clusterId, windowMs), [clusterId, windowMs]);
  useEffect(
    () =>
      follow({
        open: (client, signal) => client.clusters.series({ clusterId, windowMs }, { signal }),
        onValue: (batch) => store.set(applyBatch(store.get(), batch, windowMs)),
        whenItEnds: 'reopen',
      }),
    [clusterId, windowMs, store],
  );
  return store;
}

/** What the charts of a screen share: rows, the window and whether it stands still. */
export interface ChartTime {
  readonly rows: Store<readonly Row[]>;
  readonly windowMs: number;
  readonly paused: boolean;
}

export const ChartTimeContext = createContext<ChartTime | null>(null);

export function useChartTime(): ChartTime {
  const time = useContext(ChartTimeContext);
  if (time === null) throw new Error('charts stand inside a ChartTimeContext');
  return time;
}

const deaf = () => () => {};

/** The rows; while paused, those that were shown when it was paused. */
export function useRows(time: ChartTime): readonly Row[] {
  const frozen = useMemo(() => (time.paused ? time.rows.get() : null), [time.paused, time.rows]);
  return useSyncExternalStore(frozen === null ? time.rows.subscribe : deaf, () => frozen ?? time.rows.get());
}
