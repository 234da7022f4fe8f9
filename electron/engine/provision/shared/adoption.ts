/**
 * Taking over a cluster from what its hosts keep: a look that changes nothing, here or there, and the taking over of exactly what was
 * looked at. A cluster that this console has already is brought up to what another one made of it.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Adoption, AdoptionRequest } from '../../../contract/adoption.ts';
import type { Agents } from '../../agents/agents.ts';
import { agentTarget } from '../../agents/agents.ts';
import type { StoredCluster, StoredHost, StoredMember } from '../../fleet/records.ts';
import type { FleetStore } from '../../fleet/store.ts';
import { FailureError, failureOf } from '../../operations/failure.ts';
import type { AuthorityHere, ClusterKeys } from '../cluster-keys.ts';
import { keepAuthority, keepNodeKeys } from './adopted-keys.ts';
import type { ClusterRecord } from './cluster-record.ts';
import { fingerprintOf } from './cluster-record.ts';
import { believedAuthorities, clusterIdIn, differencesIn, newestRecord } from './found-cluster.ts';
import { type FoundOnHost, findOnHost } from './found-on-host.ts';
import type { HostParts } from './host-truth.ts';
import type { KnownRecord } from './judge.ts';

export interface AdoptionParts extends HostParts {
  readonly store: FleetStore;
  readonly agents: Agents;
  /** `clusters/` in the state folder. */
  readonly clustersDir: string;
  readonly keysOf: (clusterId: string) => ClusterKeys;
  readonly known: (clusterId: string) => KnownRecord | null;
  readonly remember: (clusterId: string, known: KnownRecord) => void;
}

const LOOK_WITHIN_MS = 60_000;

interface Looked {
  readonly view: Adoption;
  readonly record: ClusterRecord;
  readonly found: readonly FoundOnHost[];
  /** PEM. */
  readonly certificate: string;
  readonly here: AuthorityHere;
}

/** Throws FailureError with what forbids it: `noRecord`, `whichCluster`, `recordNotOurs`, `authoritiesDiffer`, `wrongAuthority`, … */
export async function lookToAdopt(parts: AdoptionParts, request: AdoptionRequest): Promise<Adoption> {
  return (await look(parts, request, { withKeys: false })).view;
}

/** `digest`: of the record that was agreed to. Throws as `lookToAdopt`, and FailureError `recordChanged`. Returns what was taken over. */
export async function adopt(parts: AdoptionParts, request: AdoptionRequest & { digest: string }): Promise<Adoption> {
  const looked = await look(parts, request, { withKeys: true });
  const { view, record, found, here } = looked;
  if (view.digest !== request.digest)
    throw new FailureError({
      kind: 'recordChanged',
      message: `${view.name} was changed by "${view.lastOperation.title}" (${view.lastOperation.who}) since it was looked at. Nothing was taken over.`,
      nextStep: 'Look again, and agree to what there is now.',
    });
  const { clusterId } = view;
  const dir = join(parts.clustersDir, clusterId);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await keepAuthority(dir, { certificate: looked.certificate, key: null }, here);
  const nodes = found.flatMap((one) => one.nodes).filter(({ config }) => config?.clusterId === clusterId);
  await keepNodeKeys(dir, nodes);
  const keys = parts.keysOf(clusterId);
  if ((await keys.authorityHere()).pair !== null) await keys.ensure();
  const hostIds = await hostsFor(parts, record, found);
  keep(parts.store, record, hostIds);
  parts.remember(clusterId, { sequence: view.sequence, digest: view.digest });
  const cluster = parts.store.getCluster(clusterId);
  for (const hostId of new Set(hostIds.values())) {
    const host = parts.store.getHost(hostId);
    if (cluster && host) parts.agents.attach(agentTarget(host, cluster));
  }
  return (await look(parts, request, { withKeys: false })).view;
}

async function look(parts: AdoptionParts, request: AdoptionRequest, options: { withKeys: boolean }): Promise<Looked> {
  const { store, hosts } = parts;
  const asked = request.hostIds.map((hostId) => hosts.get(hostId));
  const first = await findOn(parts, asked, options);
  // Nobody to ask is a failure of its own, with what to do about it.
  if (first.unreached.length === asked.length) throw first.unreached[0]?.error;
  const clusterId = clusterIdIn(first.found, request.cluster);
  const here = await parts.keysOf(clusterId).authorityHere();
  const input = { clusterId, here: here.certificates, fingerprint: request.authority };
  const { signed } = newestRecord(first.found, clusterId, believedAuthorities(first.found, input).authorities);
  const others = signed.record.members.flatMap(({ host }) => inFleet(store, host) ?? []);
  const more = others.filter((host) => !asked.some((one) => one.hostId === host.hostId));
  const second = await findOn(parts, more, options);
  const found = [...first.found, ...second.found];
  const believed = believedAuthorities(found, input);
  const newest = newestRecord(found, clusterId, believed.authorities);
  refuseTakenName(store, newest.signed.record);
  const certificate = believed.authorities.find((one) => fingerprintOf(one) === newest.signed.authority) ?? '';
  const unreached = [...first.unreached, ...second.unreached];
  const { record, digest } = newest.signed;
  const known = store.getCluster(clusterId) === null ? null : parts.known(clusterId);
  const { title, who, startedAtUnixMs, result } = record.lastOperation;
  const members = record.members.map((member) =>
    memberView(store, member, { found, unreached: unreached.map(({ host }) => host.hostId) }),
  );
  const view: Adoption = {
    clusterId,
    name: record.cluster.name,
    place: record.cluster.place,
    sequence: record.sequence,
    digest,
    authority: newest.signed.authority,
    isAuthorityKnown: believed.isKnown,
    hasKey: here.pair !== null && fingerprintOf(here.pair.certificate) === newest.signed.authority,
    standing: store.getCluster(clusterId) === null ? 'new' : known?.digest === digest ? 'same' : 'behind',
    lastOperation: { title, who, startedAtUnixMs, result },
    members,
    differences: [
      ...newest.differences,
      ...differencesIn(record, found),
      ...unreached.map(({ host, error }) => `${host.name} could not be looked at: ${failureOf(error).message}.`),
    ],
    newHosts: record.members.filter((_, at) => members[at]?.hostId === null).map(({ host }) => host),
  };
  return { view, record, found, certificate, here };
}

async function findOn(parts: AdoptionParts, hosts: readonly StoredHost[], { withKeys }: { withKeys: boolean }) {
  const signal = AbortSignal.timeout(LOOK_WITHIN_MS);
  const found: FoundOnHost[] = [];
  const unreached: { host: StoredHost; error: unknown }[] = [];
  const ends = await Promise.allSettled(hosts.map((host) => findOnHost(parts, host, { withKeys, signal })));
  for (const [at, end] of ends.entries()) {
    const host = hosts[at] as StoredHost;
    if (end.status === 'fulfilled') found.push(...end.value);
    else unreached.push({ host, error: end.reason });
  }
  return { found, unreached };
}

type RecordedMember = ClusterRecord['members'][number];

/** The host of this fleet that is reached as the record says. */
function inFleet(store: FleetStore, wanted: RecordedMember['host']): StoredHost | null {
  const isIt = (host: StoredHost) =>
    host.address === wanted.address && host.port === wanted.port && host.user === wanted.user;
  return store.listHosts().find(isIt) ?? null;
}

function memberView(
  store: FleetStore,
  member: RecordedMember,
  { found, unreached }: { found: readonly FoundOnHost[]; unreached: readonly string[] },
): Adoption['members'][number] {
  const { nodeId, name, address } = member;
  const seenOn = hostOfNode(found, nodeId);
  const host = seenOn ?? inFleet(store, member.host);
  const isUnknown = host === null || unreached.includes(host.hostId);
  return {
    nodeId,
    name,
    address,
    host: host?.name ?? member.host.name,
    hostId: host?.hostId ?? null,
    state: seenOn !== null ? 'seen' : isUnknown ? 'unknown' : 'absent',
  };
}

function hostOfNode(found: readonly FoundOnHost[], nodeId: string): StoredHost | null {
  return found.find(({ nodes }) => nodes.some((node) => node.nodeId === nodeId))?.host ?? null;
}

function refuseTakenName(store: FleetStore, { cluster }: ClusterRecord): void {
  const other = store
    .listClusters()
    .find(({ name, clusterId }) => name === cluster.name && clusterId !== cluster.clusterId);
  if (!other) return;
  throw new FailureError({
    kind: 'nameTaken',
    message: `This console has another cluster named ${cluster.name} (${other.clusterId}); the one on these hosts is ${cluster.clusterId}.`,
    nextStep: 'Use another state folder (--state) for it.',
  });
}

/** By node. What is not in the fleet is added, as the record reaches it; whether it can be reached shows there, and its key is to be trusted. */
async function hostsFor(
  parts: AdoptionParts,
  record: ClusterRecord,
  found: readonly FoundOnHost[],
): Promise<Map<string, string>> {
  const { store, hosts } = parts;
  const auth = found[0]?.host.auth ?? { kind: 'default' };
  const hostIds = new Map<string, string>();
  for (const { nodeId, host } of record.members) {
    const known = hostOfNode(found, nodeId) ?? inFleet(store, host);
    const { hostId } = known ?? (await hosts.add({ ...host, auth, name: freeName(store, host.name) }));
    hostIds.set(nodeId, hostId);
  }
  return hostIds;
}

function freeName(store: FleetStore, wanted: string): string {
  const taken = new Set(store.listHosts().map((host) => host.name));
  let name = wanted;
  for (let number = 2; taken.has(name); number++) name = `${wanted.slice(0, 28)}-${number}`;
  return name;
}

function keep(store: FleetStore, record: ClusterRecord, hostIds: ReadonlyMap<string, string>): void {
  const { clusterId } = record.cluster;
  const before = store.getCluster(clusterId);
  const cluster: StoredCluster = {
    ...record.cluster,
    origin: before?.origin ?? 'operator',
    lifecycle: lifecycleAfter(record),
  };
  store.transaction(() => {
    store.putCluster(cluster);
    for (const { nodeId } of [...store.listMembers(clusterId), ...store.listLeaving(clusterId)])
      if (!hostIds.has(nodeId)) store.removeMember(nodeId);
    for (const { host: _, ...member } of record.members) {
      const kept: StoredMember = { ...member, clusterId, hostId: hostIds.get(member.nodeId) ?? '' };
      store.putMember(kept);
    }
  });
}

/** What was interrupted or failed is to be gone on with, here as there. */
function lifecycleAfter({ lastOperation: { kind, result } }: ClusterRecord): StoredCluster['lifecycle'] {
  if (kind === 'clusterDestroy') return 'destroying';
  return result === 'succeeded' || kind === 'clusterRestart' || kind === 'membersChange' ? 'provisioned' : 'incomplete';
}
