/** From what hosts have to the one record of a cluster that can be believed, and to what differs from it. Pure. */
import { z } from 'zod';
import { nameSchema } from '../../../contract/model.ts';
import { FailureError } from '../../operations/failure.ts';
import { certificatesIn } from '../certificates.ts';
import { type ClusterRecord, fingerprintOf, type SignedRecord, verifyRecord } from './cluster-record.ts';
import type { FoundNode, FoundOnHost } from './found-on-host.ts';

/** Which cluster the hosts tell of. Throws FailureError `noRecord`, `whichCluster`. */
export function clusterIdIn(found: readonly FoundOnHost[], wanted: string | null): string {
  const named = new Map<string, string>();
  for (const { records } of found)
    for (const [clusterId, text] of records) named.set(clusterId, nameIn(text) ?? named.get(clusterId) ?? clusterId);
  const matching = [...named].filter(([id, name]) => wanted === null || wanted === id || wanted === name);
  const [only, ...others] = matching;
  if (only !== undefined && others.length === 0) return only[0];
  if (only === undefined)
    throw new FailureError({
      kind: 'noRecord',
      message:
        named.size === 0
          ? 'The hosts that were asked have no record of a cluster.'
          : `The hosts that were asked have no record of ${wanted}; they have: ${say(named)}.`,
      nextStep: 'Name hosts that carry its nodes. A cluster of an older version has a record once it was applied to.',
    });
  throw new FailureError({
    kind: 'whichCluster',
    message: `The hosts that were asked carry several clusters: ${say(new Map(matching))}.`,
    nextStep: 'Say which one with --cluster.',
  });
}

function say(named: ReadonlyMap<string, string>): string {
  return [...named].map(([id, name]) => `${name} (${id})`).join(', ');
}

const namedSchema = z.object({ cluster: z.object({ name: nameSchema }) });

/** Believed or not: only to find it by. */
function nameIn(text: string): string | null {
  try {
    return namedSchema.parse(JSON.parse(text)).cluster.name;
  } catch {
    return null;
  }
}

export interface Believed {
  /** Certificates, PEM. */
  readonly authorities: readonly string[];
  readonly isKnown: boolean;
}

export interface BeliefInput {
  readonly clusterId: string;
  /** Certificates that this console has for the cluster. */
  readonly here: readonly string[];
  /** As the operator gave it; null: not given. */
  readonly fingerprint: string | null;
}

/** Whose signature counts. Throws FailureError `noAuthority`, `authoritiesDiffer`, `wrongAuthority`, `rotationUnderWay`. */
export function believedAuthorities(found: readonly FoundOnHost[], input: BeliefInput): Believed {
  const { clusterId, here, fingerprint } = input;
  refuseDuringRotation(found, clusterId);
  const byHost = found
    .map(({ host, nodes }) => ({ host: host.name, shown: nodes.flatMap((node) => certificatesOf(node, clusterId)) }))
    .filter(({ shown }) => shown.length > 0);
  const all = [...here, ...byHost.flatMap(({ shown }) => shown)];
  if (fingerprint !== null) {
    const named = all.find((one) => fingerprintOf(one) === fingerprint.trim());
    if (named !== undefined) return { authorities: [named], isKnown: true };
    const shown = [...new Set(all.map(fingerprintOf))].join(', ') || 'none';
    throw new FailureError({
      kind: 'wrongAuthority',
      message: `No host shows the authority ${fingerprint}; what is shown: ${shown}. Nothing was taken over.`,
      nextStep: 'Compare the fingerprint with the console that has the cluster, and ask whether these are its hosts.',
    });
  }
  if (here.length > 0) return { authorities: here, isKnown: true };
  const shared = byHost[0]?.shown.filter((one) => byHost.every(({ shown }) => shown.includes(one))) ?? [];
  if (shared.length > 0) return { authorities: shared, isKnown: false };
  throw new FailureError({
    kind: byHost.length === 0 ? 'noAuthority' : 'authoritiesDiffer',
    message:
      byHost.length === 0
        ? `None of the hosts has a node of ${clusterId} with the certificate of its authority.`
        : `The hosts show different authorities for ${clusterId}: ${byHost.map(({ host, shown }) => `${host} ${shown.map(fingerprintOf).join(' ')}`).join('; ')}. Nothing was taken over.`,
    nextStep: 'Name the right one with --authority SHA256:…, as the console that has the cluster shows it.',
  });
}

/** Two authorities on one node: its keys are half replaced, and what of them counts is known to the other console only. */
function refuseDuringRotation(found: readonly FoundOnHost[], clusterId: string): void {
  const at = found.find(({ nodes }) => nodes.some((node) => certificatesOf(node, clusterId).length > 1));
  if (at === undefined) return;
  throw new FailureError({
    kind: 'rotationUnderWay',
    host: at.host.name,
    message: `The authority of ${clusterId} is being replaced: its node on ${at.host.name} trusts two. Nothing was taken over.`,
    nextStep: 'On the console that began it, run `synod cluster rotate-certificates` to its end, then adopt.',
  });
}

function certificatesOf(node: FoundNode, clusterId: string): string[] {
  if (node.config?.clusterId !== clusterId) return [];
  return certificatesIn(node.tls.get('ca.pem') ?? '');
}

export interface NewestRecord {
  readonly signed: SignedRecord;
  /** Hosts whose record is another one, a sentence each. */
  readonly differences: readonly string[];
}

/** The one with the highest number; of two with one number that which more hosts have. Throws FailureError `recordNotOurs`. */
export function newestRecord(
  found: readonly FoundOnHost[],
  clusterId: string,
  authorities: readonly string[],
): NewestRecord {
  const valid: { host: string; signed: SignedRecord }[] = [];
  const bad: string[] = [];
  for (const { host, records } of found) {
    const text = records.get(clusterId);
    if (text === undefined) continue;
    try {
      valid.push({ host: host.name, signed: verifyRecord(text, authorities) });
    } catch (error) {
      bad.push(`The record on ${host.name} cannot be believed: ${(error as Error).message}.`);
    }
  }
  const votes = (one: SignedRecord) => valid.filter(({ signed }) => signed.digest === one.digest).length;
  const [best] = valid.toSorted(
    (a, b) => b.signed.record.sequence - a.signed.record.sequence || votes(b.signed) - votes(a.signed),
  );
  if (best === undefined)
    throw new FailureError({
      kind: 'recordNotOurs',
      message: `No host has a record of ${clusterId} that can be believed. ${bad.join(' ')} Nothing was taken over.`,
      nextStep: 'Find out who changed it, and ask other hosts of the cluster.',
    });
  const { sequence } = best.signed.record;
  const others = valid
    .filter(({ signed }) => signed.digest !== best.signed.digest)
    .map(({ host, signed: { record } }) =>
      record.sequence === sequence
        ? `The record on ${host} has the same number ${sequence} and is another one: two consoles wrote at once.`
        : `The record on ${host} is older (number ${record.sequence}, the newest is ${sequence}).`,
    );
  return { signed: best.signed, differences: [...bad, ...others] };
}

/** What is seen on hosts beside what the record says of them. */
export function differencesIn(record: ClusterRecord, found: readonly FoundOnHost[]): string[] {
  const { cluster, members } = record;
  const differences: string[] = [];
  if (record.lastOperation.result === 'inProgress')
    differences.push(
      `"${record.lastOperation.title}" by ${record.lastOperation.who} has begun, and its end is not recorded.`,
    );
  for (const { host, records, nodes } of found) {
    const ours = nodes.filter(({ config }) => config?.clusterId === cluster.clusterId);
    if (ours.length > 0 && !records.has(cluster.clusterId)) differences.push(`${host.name} has no record.`);
    for (const node of ours) {
      const member = members.find(({ nodeId }) => nodeId === node.nodeId);
      if (member === undefined)
        differences.push(`${host.name} carries ${node.nodeId}, which the record does not name.`);
      else differences.push(...differencesOf(record, member, { host: host.name, node }));
    }
  }
  return differences;
}

function differencesOf(
  { cluster }: ClusterRecord,
  member: ClusterRecord['members'][number],
  { host, node }: { host: string; node: FoundNode },
): string[] {
  const { config } = node;
  const own = [...(config?.members ?? []), config?.joining].find((one) => one?.nodeId === member.nodeId);
  type Shown = string | number | null | undefined;
  const pairs: [string, Shown, Shown][] = [
    ['its address', member.address, own?.address],
    ['its port for peers', member.peerPort, own?.peerPort],
    ['its port for clients', member.clientPort, own?.clientPort],
    ['its heartbeat', cluster.heartbeatMs, config?.heartbeatMs],
    ['its election timeout', cluster.electionTimeoutMs, config?.electionTimeoutMs],
    ['its release', cluster.releaseVersion, node.releaseVersion],
    ['its runtime', cluster.runtimeVersion, node.runtimeVersion],
  ];
  return pairs
    .filter(([, says, is]) => says !== is)
    .map(([what, says, is]) => `${member.name} on ${host}: ${what} is ${is ?? 'unreadable'}, the record says ${says}.`);
}
