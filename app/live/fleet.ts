/** What the engine knows of the fleet, as last heard. Null until the first snapshot. */
import type { FleetSnapshot } from '../../electron/contract/contract.ts';
import type { ClusterView, HostView } from '../../electron/contract/model.ts';
import { engineSaid } from './clock.ts';
import { rememberFaults } from './fault-spans.ts';
import { follow } from './follow.ts';
import { shareStructure } from './share-structure.ts';
import { createStore, useStore } from './store.ts';

export const fleet = createStore<FleetSnapshot | null>(null);

/** Keeps `fleet` current. Called once. */
export function watchFleet(): void {
  follow({
    open: (client, signal) => client.fleet.watch(undefined, { signal }),
    onValue: (snapshot) => {
      engineSaid(snapshot.atUnixMs);
      rememberFaults(snapshot);
      fleet.set(shareStructure(fleet.get(), snapshot));
    },
    whenItEnds: 'reopen',
  });
}

export function useCluster(clusterId: string): ClusterView | null {
  return useStore(fleet, (value) => value?.clusters.find((cluster) => cluster.clusterId === clusterId) ?? null);
}

const noHosts: readonly HostView[] = [];

export function useHosts(): readonly HostView[] {
  return useStore(fleet, (value) => value?.hosts ?? noHosts);
}
