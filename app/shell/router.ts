/** Where in the console one is, kept in the address's fragment so that every screen can be linked to and gone back from. */
import { useSyncExternalStore } from 'react';

export const clusterTabs = ['overview', 'nodes', 'faults'] as const;
export type ClusterTab = (typeof clusterTabs)[number];

export type Route =
  | { readonly screen: 'fleet' }
  | { readonly screen: 'cluster'; readonly clusterId: string; readonly tab: ClusterTab };

/** "#/cluster/c-ab12cd34/nodes" → its route; anything unknown is the fleet. */
export function parseRoute(hash: string): Route {
  const [screen, clusterId, tab] = hash.replace(/^#\/?/, '').split('/');
  if (screen !== 'cluster' || clusterId === undefined || clusterId === '') return { screen: 'fleet' };
  return { screen: 'cluster', clusterId, tab: clusterTabs.find((known) => known === tab) ?? 'overview' };
}

export function formatRoute(route: Route): string {
  return route.screen === 'fleet' ? '#/fleet' : `#/cluster/${route.clusterId}/${route.tab}`;
}

export function goTo(route: Route): void {
  location.hash = formatRoute(route);
}

function subscribe(listener: () => void): () => void {
  window.addEventListener('hashchange', listener);
  return () => window.removeEventListener('hashchange', listener);
}

let last: { hash: string; route: Route } | null = null;

export function useRoute(): Route {
  return useSyncExternalStore(subscribe, () => {
    if (last?.hash !== location.hash) last = { hash: location.hash, route: parseRoute(location.hash) };
    return last.route;
  });
}
