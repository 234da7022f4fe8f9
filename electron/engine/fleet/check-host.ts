/** A check of one host: facts gathered anew, and what they mean for a node there. */
import type { CheckItem } from '../../contract/model.ts';
import { plannedHost } from '../provision/planned-host.ts';
import type { GatheredFacts } from './facts.ts';
import { checkItems, unreachableItems } from './host-check.ts';
import type { Hosts } from './hosts.ts';
import type { FleetStore } from './store.ts';

const ANY_PORTS = { peerPort: null, clientPort: null };
/** `uname -m` for each architecture that Node names. */
const unameOf: Readonly<Record<string, string[]>> = { x64: ['x86_64', 'amd64'], arm64: ['aarch64', 'arm64'] };

/** What cannot be reached is an item of the list, too, not an error. */
export async function checkHost(parts: { hosts: Hosts; store: FleetStore }, hostId: string): Promise<CheckItem[]> {
  let gathered: GatheredFacts;
  try {
    gathered = await parts.hosts.gather(hostId);
  } catch (error) {
    const view = parts.hosts.view(hostId);
    if (view.reachability.state === 'reachable') throw error;
    return unreachableItems(view);
  }
  const others = parts.store.listHosts().filter((other) => other.hostId !== hostId);
  return checkItems({
    host: await plannedHost(parts, hostId, ANY_PORTS),
    gathered,
    clockOffsetMs: parts.hosts.view(hostId).clockOffsetMs,
    others: await Promise.all(others.map((other) => plannedHost(parts, other.hostId, ANY_PORTS))),
    runtimeArchitectures: unameOf[process.arch] ?? [],
  });
}
