/**
 * Preflight: what hosts are like before a node lives there, judged one by one and against each other. Nothing of ours is put on a
 * host for it, and nothing is left: a script looks, `dd` measures the disk, and short-lived listeners show who reaches whom.
 */
import { DEFAULT_ELECTION_TIMEOUT_MS, DEFAULT_HEARTBEAT_MS } from '../../../cluster-node/contract/node-config.ts';
import type { PreflightRequest } from '../../contract/contract.ts';
import type { CheckItem, CheckLink } from '../../contract/model.ts';
import type { GatheredFacts } from '../fleet/facts.ts';
import type { Hosts } from '../fleet/hosts.ts';
import type { FleetStore } from '../fleet/store.ts';
import type { PlannedHost } from '../provision/plan/cluster-plan.ts';
import { plannedHost } from '../provision/planned-host.ts';
import type { HostConnection } from '../ssh/connection.ts';
import { sh } from '../ssh/shell-command.ts';
import { type DiskSync, diskSyncScript, parseDiskSync } from './disk-sync.ts';
import { checkLinks, type LinkHost } from './links.ts';
import { type ClockReading, medianOffset } from './plan/clock-items.ts';
import { checkItems, unreachableItems } from './plan/host-items.ts';
import { type HostProbe, parseProbe, probeScript } from './probe.ts';

/** `uname -m` for each architecture that Node names. */
const unameOf: Readonly<Record<string, string[]>> = { x64: ['x86_64', 'amd64'], arm64: ['aarch64', 'arm64'] };

export interface PreflightParts {
  readonly hosts: Hosts;
  readonly store: FleetStore;
}

export interface PreflightReport {
  readonly hosts: { readonly hostId: string; readonly items: CheckItem[] }[];
  readonly links: CheckLink[];
}

interface Seen {
  readonly hostId: string;
  readonly planned: PlannedHost;
  readonly connection: HostConnection;
  readonly gathered: GatheredFacts;
  readonly probe: HostProbe;
  readonly sync: DiskSync | null;
}

export const oneHost = (hostId: string): PreflightRequest => ({
  hostIds: [hostId],
  dataDir: null,
  peerPort: null,
  clientPort: null,
  heartbeatMs: null,
  electionTimeoutMs: null,
});

/** What cannot be reached is an item of its list, too, not an error. Throws FailureError `notFound`. */
export async function preflight(
  parts: PreflightParts,
  request: PreflightRequest,
  signal: AbortSignal,
): Promise<PreflightReport> {
  const hostIds = [...new Set(request.hostIds)];
  for (const hostId of hostIds) parts.hosts.get(hostId);
  const looked = await Promise.all(hostIds.map((hostId) => lookAt(parts, { hostId, request, signal })));
  const seen = looked.filter((one) => one !== null);
  const links = await checkLinks(seen.map(asLinkHost), signal);
  const median = medianOffset(hostIds.map((hostId) => parts.hosts.view(hostId).clockOffsetMs));
  const hosts = await Promise.all(
    hostIds.map(async (hostId) => {
      const one = seen.find((host) => host.hostId === hostId);
      const clock: ClockReading = { ...median, offsetMs: parts.hosts.view(hostId).clockOffsetMs };
      return { hostId, items: one ? await itemsOf(parts, { ...one, request, clock }) : unreached(parts, hostId) };
    }),
  );
  return { hosts, links };
}

function unreached({ hosts }: PreflightParts, hostId: string): CheckItem[] {
  return unreachableItems(hosts.view(hostId));
}

/** null: it could not be reached, which its reachability tells. */
async function lookAt(
  parts: PreflightParts,
  at: { hostId: string; request: PreflightRequest; signal: AbortSignal },
): Promise<Seen | null> {
  const { hosts } = parts;
  const { hostId, request, signal } = at;
  let gathered: GatheredFacts;
  try {
    gathered = await hosts.gather(hostId, signal);
  } catch (error) {
    if (hosts.view(hostId).reachability.state === 'reachable') throw error;
    return null;
  }
  const connection = await hosts.connection(hostId, signal);
  const { stdout } = await connection.exec(sh`/bin/sh -s`, {
    stdin: probeScript(request.dataDir),
    timeoutMs: 30_000,
    signal,
  });
  const probe = parseProbe(stdout, hosts.get(hostId).name);
  const sync = await measureSync(connection, probe, signal);
  const planned = await plannedHost(parts, hostId, request);
  return { hostId, planned, connection, gathered, probe, sync };
}

function asLinkHost({ hostId, planned, connection }: Seen): LinkHost {
  return { hostId, connection, address: planned.view.address, ports: [planned.peerPort, planned.clientPort] };
}

/** A folder that may not be written to, or a dd of another kind, is not a failure of the check: it is `unknown`. */
async function measureSync(
  connection: HostConnection,
  { rights, data }: HostProbe,
  signal: AbortSignal,
): Promise<DiskSync | null> {
  const options = { stdin: diskSyncScript(data.at), timeoutMs: 30_000, expectedExitCodes: [0, 1], signal };
  const command = rights === 'sudo' ? sh`sudo -n /bin/sh -s` : sh`/bin/sh -s`;
  return parseDiskSync((await connection.exec(command, options)).stdout);
}

async function itemsOf(
  parts: PreflightParts,
  of: Seen & { request: PreflightRequest; clock: ClockReading },
): Promise<CheckItem[]> {
  const { request } = of;
  const others = parts.store.listHosts().filter((other) => other.hostId !== of.hostId);
  return checkItems({
    host: of.planned,
    gathered: of.gathered,
    probe: of.probe,
    sync: of.sync,
    clock: of.clock,
    limits: {
      heartbeatMs: request.heartbeatMs ?? DEFAULT_HEARTBEAT_MS,
      electionTimeoutMs: request.electionTimeoutMs ?? DEFAULT_ELECTION_TIMEOUT_MS,
    },
    others: await Promise.all(others.map((other) => plannedHost(parts, other.hostId, request))),
    runtimeArchitectures: unameOf[process.arch] ?? [],
  });
}
