/** What all hosts of a cluster say of its record and lock, beside what this console knows. Changes nothing. */
import type { Logger } from 'pino';
import type { StoredCluster } from '../../fleet/records.ts';
import type { FleetStore } from '../../fleet/store.ts';
import type { CommandLog } from '../apply/command-log.ts';
import type { AuthorityHere } from '../cluster-keys.ts';
import { lookScript } from './host-scripts.ts';
import { askHost, type HostAnswer, type HostParts, type TruthHost } from './host-truth.ts';
import { isSettled, type Judging, type KnownRecord, refuseOthersRecords, type SeenOn } from './judge.ts';
import { holderOf } from './this-console.ts';

export interface TruthParts extends HostParts {
  readonly store: FleetStore;
  readonly log: Logger;
  readonly clock: () => number;
  /** How long a lock holds that is not renewed. */
  readonly lockSeconds: number;
  readonly authorityOf: (clusterId: string) => Promise<AuthorityHere>;
  readonly known: {
    readonly get: (clusterId: string) => KnownRecord | null;
    readonly put: (clusterId: string, known: KnownRecord) => void;
  };
}

/**
 * Whether all hosts have the record that this console knows, of an operation that ended well; a host that does not answer has none.
 * Throws FailureError `behind`, `recordNotOurs`.
 */
export async function lookAtTruth(
  parts: TruthParts,
  cluster: StoredCluster,
  { signal, log }: { signal: AbortSignal; log: CommandLog | null },
): Promise<boolean> {
  const judging = await judgingOf(parts, cluster);
  const hosts = hostsOf(parts, cluster);
  const ask = {
    what: 'look at lock and record',
    script: lookScript,
    holder: holderOf(parts.store),
    token: '',
    signal,
    log,
  };
  const answers = await Promise.allSettled(hosts.map(async (at) => seenIn(at, await askHost(parts, at, ask))));
  const seen = answers.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  // Before its keys are made, a cluster has no record that could be believed.
  if (judging.authorities.length === 0) return false;
  refuseOthersRecords(seen, judging);
  return seen.length === hosts.length && isSettled(seen, judging);
}

/** In the order of the members' slots. */
export function hostsOf({ store, hosts }: TruthParts, cluster: StoredCluster): TruthHost[] {
  const { clusterId } = cluster;
  // Those that were removed come last, and do not count where a majority is asked for.
  const members = [...store.listMembers(clusterId), ...store.listLeaving(clusterId)];
  return members.map((member) => ({ cluster, member, host: hosts.get(member.hostId) }));
}

export async function judgingOf(parts: TruthParts, cluster: StoredCluster): Promise<Judging> {
  const { certificates } = await parts.authorityOf(cluster.clusterId);
  return { cluster, known: parts.known.get(cluster.clusterId), authorities: certificates };
}

export function seenIn({ host }: TruthHost, { truth }: HostAnswer): SeenOn[] {
  return truth === null ? [] : [{ host: host.name, truth }];
}
