/** Names for people to the ids that the contract speaks. Every miss says what there is. */
import type { FleetSnapshot } from '../contract/contract.ts';
import { type ClusterView, type HostView, type NodeView, nameSchema } from '../contract/model.ts';
import type { EngineClient } from '../serve/engine-socket.ts';
import { UsageError } from './context.ts';

/** A new name, as the contract wants it. Throws UsageError with the rule. */
export function parseName(text: string): string {
  const parsed = nameSchema.safeParse(text);
  if (!parsed.success) throw new UsageError(`the name "${text}" does not do: ${parsed.error.issues[0]?.message}`);
  return parsed.data;
}

export function findHost(fleet: FleetSnapshot, nameOrId: string): HostView {
  const found = fleet.hosts.find((host) => host.hostId === nameOrId || host.name === nameOrId);
  if (found === undefined)
    throw new UsageError(
      `no host "${nameOrId}". ${known(
        fleet.hosts.map((host) => host.name),
        'hosts',
      )}`,
    );
  return found;
}

/** `undefined` finds the only cluster there is. */
export function findCluster(fleet: FleetSnapshot, nameOrId: string | undefined): ClusterView {
  const names = known(
    fleet.clusters.map((cluster) => cluster.name),
    'clusters',
  );
  if (nameOrId === undefined) {
    const [only, ...others] = fleet.clusters;
    if (only !== undefined && others.length === 0) return only;
    throw new UsageError(`say which cluster with --cluster NAME. ${names}`);
  }
  const found = fleet.clusters.find((cluster) => cluster.clusterId === nameOrId || cluster.name === nameOrId);
  if (found === undefined) throw new UsageError(`no cluster "${nameOrId}". ${names}`);
  return found;
}

export function findNode(cluster: ClusterView, nameOrId: string): NodeView {
  const found = cluster.nodes.find((node) => node.nodeId === nameOrId || node.name === nameOrId);
  if (found === undefined)
    throw new UsageError(
      `no node "${nameOrId}" in ${cluster.name}. ${known(
        cluster.nodes.map((node) => node.name),
        'nodes',
      )}`,
    );
  return found;
}

function known(names: readonly string[], what: string): string {
  return names.length === 0 ? `There are no ${what} yet.` : `There are: ${names.join(', ')}.`;
}

/**
 * The fleet once every node was observed, or as it is after `patienceMs`: an engine that has just started has seen nothing
 * yet, and what it has not seen stays unknown.
 */
export async function observedFleet(client: EngineClient, patienceMs = 8000): Promise<FleetSnapshot> {
  const patience = AbortSignal.timeout(patienceMs);
  let latest = await client.fleet.get();
  try {
    for await (const snapshot of await client.fleet.watch(undefined, { signal: patience })) {
      latest = snapshot;
      if (isObserved(snapshot)) return snapshot;
    }
  } catch (error) {
    if (!patience.aborted) throw error;
  }
  return latest;
}

function isObserved(fleet: FleetSnapshot): boolean {
  const settled = new Set(['unreachable', 'hostKeyUnknown', 'hostKeyChanged', 'authFailed']);
  const lost = new Set(fleet.hosts.filter((host) => settled.has(host.reachability.state)).map((host) => host.hostId));
  const nodes = fleet.clusters.flatMap((cluster) => cluster.nodes);
  const hostsKnown = fleet.hosts.every(
    (host) => host.nodeIds.length === 0 || host.sampledAtUnixMs !== null || lost.has(host.hostId),
  );
  return hostsKnown && nodes.every((node) => node.observedAtUnixMs !== null || lost.has(node.hostId));
}
