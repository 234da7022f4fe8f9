/** A host as plans and checks see it: what was gathered of it last, and the ports that a node would get there. */
import type { Hosts } from '../fleet/hosts.ts';
import type { StoredHost } from '../fleet/records.ts';
import type { FleetStore } from '../fleet/store.ts';
import { freeLabPorts } from './apply/free-ports.ts';
import { DEFAULT_CLIENT_PORT, DEFAULT_PEER_PORT, type PlannedHost } from './plan/cluster-plan.ts';

/** null: chosen here. */
export interface WantedPorts {
  readonly peerPort: number | null;
  readonly clientPort: number | null;
}

/** Does not contact the host. */
export async function plannedHost(
  parts: { hosts: Hosts; store: FleetStore },
  hostId: string,
  ports: WantedPorts,
): Promise<PlannedHost> {
  const host = parts.hosts.get(hostId);
  const gathered = parts.hosts.gathered(hostId);
  const memberPorts = memberPortsAt(parts.store, host.address);
  const free = await portsFor(host, new Set(memberPorts.map((one) => one.port)));
  return {
    view: parts.hosts.view(hostId),
    place: host.place,
    homeWritable: gathered?.homeWritable ?? null,
    homeNoexec: gathered?.homeNoexec ?? null,
    listeners: gathered?.listeners ?? [],
    memberPorts,
    peerPort: ports.peerPort ?? free.peerPort,
    clientPort: ports.clientPort ?? free.clientPort,
  };
}

async function portsFor(
  host: StoredHost,
  taken: ReadonlySet<number>,
): Promise<{ peerPort: number; clientPort: number }> {
  const usual = { peerPort: DEFAULT_PEER_PORT, clientPort: DEFAULT_CLIENT_PORT };
  return host.origin === 'lab' ? freeLabPorts(host.address, taken).catch(() => usual) : usual;
}

/** Ports that members of any cluster have at this address. */
function memberPortsAt(store: FleetStore, address: string): { port: number; cluster: string }[] {
  return store.listClusters().flatMap((cluster) =>
    store
      .listMembers(cluster.clusterId)
      .filter((member) => member.address === address)
      .flatMap((member) => [member.peerPort, member.clientPort].map((port) => ({ port, cluster: cluster.name }))),
  );
}
