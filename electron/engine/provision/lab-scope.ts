/** Where a lab listens: to be noted before it is taken down, and looked at afterwards. */
import type { FleetStore } from '../fleet/store.ts';
import { labStatus } from '../lab/lab.ts';
import type { ResidueScope } from '../lab/residue.ts';

/** The SSH servers that the lab has, and what the fleet has on its hosts. Throws FailureError where the lab cannot be read. */
export async function labScope(root: string, store: FleetStore): Promise<ResidueScope> {
  const { state } = await labStatus(root);
  return { hosts: state?.hosts ?? [], ports: placesOf(store) };
}

/** The fleet's hosts of the lab and the ports of the nodes on them. */
export function placesOf(store: FleetStore): ResidueScope['ports'] {
  const labHosts = store.listHosts().filter((host) => host.origin === 'lab');
  const members = labHosts.flatMap((host) => store.listMembersOnHost(host.hostId));
  return [
    ...labHosts.map(({ address, port }) => ({ address, port })),
    ...members.flatMap(({ address, peerPort, clientPort }) =>
      [peerPort, clientPort].map((port) => ({ address, port })),
    ),
  ];
}
