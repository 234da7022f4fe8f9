/** What the records and locks that hosts have say to a console that wants to change the cluster. */
import { z } from 'zod';
import { hostPlace } from '../../../../cluster-node/contract/host-layout.ts';
import type { StoredCluster } from '../../fleet/records.ts';
import { FailureError } from '../../operations/failure.ts';
import { claimedSequence, digestOf, type SignedRecord, verifyRecord } from './cluster-record.ts';
import type { HostTruth } from './host-truth.ts';

/** The record that this console wrote or took over last. */
export const knownRecordSchema = z.object({ sequence: z.number().int(), digest: z.string() });
export type KnownRecord = z.infer<typeof knownRecordSchema>;

export interface SeenOn {
  readonly host: string;
  readonly truth: HostTruth;
}

export interface Judging {
  readonly cluster: Pick<StoredCluster, 'name' | 'clusterId' | 'place'>;
  /** null: none was ever written by this console. */
  readonly known: KnownRecord | null;
  /** Certificates of the authority that this console knows. */
  readonly authorities: readonly string[];
}

/** Whether every host has the very record that this console knows, and its operation came to a good end. */
export function isSettled(seen: readonly SeenOn[], { known, authorities }: Judging): boolean {
  return seen.every(({ truth: { recordText } }) => {
    if (recordText === null || known === null || digestOf(recordText) !== known.digest) return false;
    return verifyRecord(recordText, authorities).record.lastOperation.result === 'succeeded';
  });
}

/** Throws FailureError `recordNotOurs`, `behind`. */
export function refuseOthersRecords(seen: readonly SeenOn[], judging: Judging): void {
  const { known } = judging;
  for (const { host, truth } of seen) {
    if (truth.recordText === null || isOutdated(truth.recordText, judging)) continue;
    const found = verified(host, truth.recordText, judging);
    const isOther = found.digest !== known?.digest;
    if (isOther && found.record.sequence >= (known?.sequence ?? 0)) throw behind(host, found, judging);
  }
}

/** It is replaced anyway, and may be signed by an authority that was replaced since. */
function isOutdated(text: string, { known }: Judging): boolean {
  const sequence = claimedSequence(text);
  return known !== null && sequence !== null && sequence < known.sequence;
}

function verified(host: string, text: string, { cluster, authorities }: Judging): SignedRecord {
  const path = hostPlace(cluster.place, '~').clusterRecord(cluster.clusterId);
  try {
    return verifyRecord(text, authorities);
  } catch (cause) {
    throw new FailureError(
      {
        kind: 'recordNotOurs',
        host,
        message: `The record of ${cluster.name} on ${host} cannot be believed: ${(cause as Error).message}. Nothing was changed.`,
        nextStep: `If another console renewed the cluster's authority, take that over with \`synod cluster adopt --host ${host} --authority SHA256:…\`. Else find out who changed ${path} there, remove it, and run this again.`,
      },
      { cause },
    );
  }
}

function behind(host: string, { record }: SignedRecord, { cluster, known }: Judging): FailureError {
  const { title, who, startedAtUnixMs } = record.lastOperation;
  return new FailureError({
    kind: 'behind',
    host,
    message: `Another console changed ${cluster.name} since: "${title}" by ${who} at ${new Date(startedAtUnixMs).toISOString()} (record ${record.sequence} on ${host}; this console knows ${known?.sequence ?? 'none'}). Nothing was changed.`,
    nextStep: `Take over what is there now: synod cluster adopt --host ${host}. Then run this again.`,
  });
}

/** Why the lock was not given. */
export function lockedByOther({ host, truth }: SeenOn, cluster: Pick<StoredCluster, 'name'>): FailureError {
  const { owner, leftSeconds } = truth;
  if (truth.lock === 'foreign')
    return new FailureError({
      kind: 'foreignFiles',
      host,
      message: `Where the operation lock of ${cluster.name} goes on ${host} there is something that is not such a lock. Nothing was changed.`,
      nextStep: 'See what it is, remove it if nobody needs it, then run this again.',
    });
  const by = owner === null ? 'an unknown console' : `${owner.who} (console ${owner.consoleId})`;
  const what = owner === null ? '' : `: "${owner.title}", ${owner.operationId}, since ${sayTime(owner.sinceUnixMs)}`;
  return new FailureError({
    kind: 'lockedByOther',
    host,
    message: `${cluster.name} is being worked on by ${by}${what}. Its lock on ${host} expires in ${leftSeconds} s unless it is renewed. Nothing was changed.`,
    nextStep: `Wait until that has ended, then run this again; the lock of a console that is gone ends by itself within ${leftSeconds} s.`,
  });
}

/** While the operation ran. */
export function lockLost({ host, truth }: SeenOn, cluster: Pick<StoredCluster, 'name'>): FailureError {
  const by = truth.owner === null ? '' : ` by ${truth.owner.who}: "${truth.owner.title}"`;
  const now = truth.lock === 'free' ? 'it is gone by now' : `it is held${by}`;
  return new FailureError({
    kind: 'lockLost',
    host,
    message: `The operation lock of ${cluster.name} on ${host} is not this operation's any more: ${now}. It was not renewed in time (this computer slept, or was cut off), and another one took it. What was done until then stays.`,
    nextStep: 'See what the other console did, and run this again after it.',
  });
}

function sayTime(unixMs: number): string {
  return `${new Date(unixMs).toISOString()} by its own clock`;
}
