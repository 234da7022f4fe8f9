/** The history of one cluster, followed while a screen shows it. */
import { createContext, useContext, useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import { applyBatch, type Row } from '../charts/rows.ts';
import { follow } from './follow.ts';
import { createStore, type Store } from './store.ts';

const none: readonly Row[] = [];

/** Follows the history; the store empties when cluster or window change. */
export function useSeries(clusterId: string, windowMs: number): Store<readonly Row[]> {
  const key = `${clusterId}/${windowMs}`;
  const [held, setHeld] = useState(() => ({ key, store: createStore(none) }));
  // A new store for each cluster and window: what belonged to another one must not be shown for an instant.
  const current = held.key === key ? held : { key, store: createStore(none) };
  if (current !== held) setHeld(current);
  const { store } = current;
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
