/**
 * A backup taken from one node of a cluster that serves: everything that was acknowledged before it began. It is written beside its
 * place, readable for its owner only, and put there when the node's digest was seen to be right and all is on disk; what was cut off
 * is removed.
 */
import { createHash, randomBytes } from 'node:crypto';
import { link, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { snapshotSlotIn } from '../../../cluster-node/contract/snapshot-preamble.ts';
import type { BackupManifest } from '../../contract/backup.ts';
import { EtcdClient } from '../etcd/client.ts';
import type { StoredCluster, StoredMember } from '../fleet/records.ts';
import { FailureError, failureOf } from '../operations/failure.ts';
import type { StepReport } from '../operations/operations.ts';
import type { AccessFiles } from '../provision/cluster-keys.ts';
import { syncFolder } from '../provision/key-files.ts';
import { endpointOf } from '../provision/apply/serving.ts';
import { BackupWriter } from './backup-file.ts';

export interface BackupRequest {
  readonly cluster: Pick<StoredCluster, 'clusterId' | 'name' | 'releaseVersion'>;
  /** Whom to ask, in this order; the next one where one cannot. */
  readonly members: readonly StoredMember[];
  readonly access: AccessFiles;
  readonly path: string;
  /** A file that is there already is replaced. */
  readonly force: boolean;
  readonly nowUnixMs: number;
}

/** The last bytes of the stream: SHA-256 of all before. */
const DIGEST_BYTES = 32;
const TIMEOUTS = { callMs: 10_000, connectMs: 5000 };

/** Throws FailureError `fileExists`, `backupFailed`. */
export async function takeBackup(
  request: BackupRequest,
  { signal, report }: { signal: AbortSignal; report: StepReport },
): Promise<BackupManifest> {
  const failures: string[] = [];
  for (const member of request.members) {
    signal.throwIfAborted();
    try {
      return await takeFrom(member, request, { signal, report });
    } catch (error) {
      if (signal.aborted || error instanceof FailureError) throw error;
      failures.push(`${member.name}: ${failureOf(error).message}`);
    }
  }
  throw new FailureError({
    kind: 'backupFailed',
    message: `No node of ${request.cluster.name} gave a whole snapshot: ${failures.join('; ')}. No file was written.`,
    nextStep:
      'Check with `synod cluster status` that a majority works and that this computer reaches the client ports, then run this again.',
  });
}

async function takeFrom(
  member: StoredMember,
  request: BackupRequest,
  at: { signal: AbortSignal; report: StepReport },
): Promise<BackupManifest> {
  const { access, path, force } = request;
  const [ca, cert, key] = await Promise.all([access.ca, access.cert, access.key].map((file) => readFile(file, 'utf8')));
  if (ca === undefined || cert === undefined || key === undefined) throw new Error('three files were read');
  const aside = `${path}.${randomBytes(4).toString('hex')}.part`;
  const file = await open(aside, 'wx', 0o600).catch((cause: Error) => {
    throw noFile(path, cause);
  });
  const client = new EtcdClient({ endpoint: endpointOf(member), tls: { ca, cert, key } }, TIMEOUTS);
  const stop = () => client.close();
  at.signal.addEventListener('abort', stop);
  try {
    const manifest = await receive(client, new BackupWriter(file), { member, request, report: at.report });
    await file.close();
    await place(aside, path, force);
    return manifest;
  } finally {
    at.signal.removeEventListener('abort', stop);
    client.close();
    await file.close().catch(() => undefined);
    await rm(aside, { force: true });
  }
}

/** What follows the snapshot in the stream proves it, and is not part of it. */
async function receive(
  client: EtcdClient,
  writer: BackupWriter,
  { member, request, report }: { member: StoredMember; request: BackupRequest; report: StepReport },
): Promise<BackupManifest> {
  const digest = createHash('sha256');
  let slot: number | null = null;
  let revision = 0;
  let received = 0;
  let isWhole = false;
  let proof = Buffer.alloc(0);
  for await (const { header, blob, remainingBytes } of client.snapshot()) {
    if (isWhole) {
      proof = Buffer.concat([proof, blob]);
      continue;
    }
    slot ??= snapshotSlotIn(blob);
    if (slot === null) throw new Error('what it sent does not begin as a snapshot');
    revision = Number(header?.revision ?? 0n);
    digest.update(blob);
    await writer.add(blob);
    received += blob.length;
    report.progress(0, `${Math.round(received / 2 ** 20)} MiB`);
    isWhole = remainingBytes > 0n;
  }
  digest.update(proof.subarray(0, -DIGEST_BYTES));
  if (slot === null || !isWhole || !digest.digest().equals(proof.subarray(-DIGEST_BYTES)))
    throw new Error('what came is not what it sent: the SHA-256 at its end is another');
  const { cluster, nowUnixMs } = request;
  return writer.finish({
    formatVersion: 1,
    clusterId: cluster.clusterId,
    clusterName: cluster.name,
    nodeName: member.name,
    nodeVersion: cluster.releaseVersion,
    slot,
    revision,
    createdAtUnixMs: nowUnixMs,
  });
}

/** Durably. Without `force` a file that came meanwhile is not replaced either. Throws FailureError `fileExists`. */
async function place(aside: string, path: string, force: boolean): Promise<void> {
  if (force) await rename(aside, path);
  else
    await link(aside, path).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'EEXIST' ? fileExists(path) : noFile(path, error);
    });
  await syncFolder(dirname(path));
}

export function fileExists(path: string): FailureError {
  return new FailureError({
    kind: 'fileExists',
    message: `There is a file ${path} already. It was left as it is.`,
    nextStep: 'Give another name, or --force to replace it.',
  });
}

function noFile(path: string, cause: Error): FailureError {
  return new FailureError(
    {
      kind: 'fileNotWritten',
      message: `${path} cannot be written: ${cause.message}.`,
      nextStep: 'See whether the folder is there, can be written and has room, then run this again.',
    },
    { cause },
  );
}
