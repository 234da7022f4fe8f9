/** What may be said of a cluster's health now: nothing, once the engine is not reached. Stale is unknown, never green. */
import { useMemo } from 'react';
import type { ClusterView, NodeView } from '../../electron/contract/model.ts';
import { formatClock } from '../ui/format.ts';
import { freshnessOf } from '../ui/freshness.ts';
import { connection } from './connection.ts';
import { fleet } from './fleet.ts';
import { useStore } from './store.ts';

export function useEngineReached(): boolean {
  return useStore(connection, (link) => link.state === 'online');
}

export function useHealth(cluster: ClusterView): ClusterView['health'] {
  const reached = useEngineReached();
  const knownAt = useStore(fleet, (value) => value?.atUnixMs ?? 0);
  const { health } = cluster;
  return useMemo(
    () =>
      reached
        ? health
        : {
            level: 'unknown',
            headline: 'Unknown: the engine is not reached.',
            detail: `Last known at ${formatClock(knownAt)}: ${health.headline} ${health.detail}`,
          },
    [reached, health, knownAt],
  );
}

/** The engine's judgement of a node, for as long as it is fresh. */
export function conditionAt(
  node: Pick<NodeView, 'condition' | 'observedAtUnixMs'>,
  nowUnixMs: number,
): NodeView['condition'] {
  return freshnessOf(node.observedAtUnixMs, nowUnixMs) === 'unknown' ? 'unknown' : node.condition;
}
