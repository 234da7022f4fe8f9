/** Backups of clusters that serve, as operations. */
import { stat } from 'node:fs/promises';
import type { Operation } from '../../contract/model.ts';
import type { StoredMember } from '../fleet/records.ts';
import type { FleetStore } from '../fleet/store.ts';
import type { NodePort } from '../nodes/node-port.ts';
import type { Operations } from '../operations/operations.ts';
import { Audit } from '../provision/audit.ts';
import type { Clusters } from '../provision/clusters.ts';
import { fileExists, takeBackup } from './take-backup.ts';

export interface BackupsOptions {
  readonly store: FleetStore;
  readonly operations: Operations;
  readonly clusters: Pick<Clusters, 'get' | 'keysOf'>;
  readonly nodes: Pick<NodePort, 'picture'>;
  readonly clock: () => number;
}

export interface BackupOrder {
  readonly clusterId: string;
  /** Absolute. */
  readonly path: string;
  readonly force: boolean;
  readonly why: string | null;
}

export class Backups {
  readonly #options: BackupsOptions;
  readonly #audit: Audit;

  constructor(options: BackupsOptions) {
    this.#options = options;
    this.#audit = new Audit(options);
  }

  /** Throws FailureError `notFound`, `fileExists`. It may go on beside another operation: it changes nothing on hosts. */
  async begin({ clusterId, path, force, why }: BackupOrder): Promise<Operation> {
    const { clusters, operations, clock } = this.#options;
    const cluster = clusters.get(clusterId);
    // Looked at before anything is sent, and again when the file is put in place.
    if (!force && (await isThere(path))) throw fileExists(path);
    const kind = 'clusterBackup';
    const title = `Back up ${cluster.name}`;
    // Not as an operation on the cluster, which would keep others from it.
    return operations.begin({ kind, title }, (run) => {
      const about = { operationId: run.operationId, kind, title, cluster: cluster.name, why, plan: null };
      return this.#audit.of(about, async () => {
        let outcome = '';
        await run.step({ hostId: null, host: null, step: 'Back up' }, async (report) => {
          const request = { cluster, members: this.#inOrder(clusterId), access: clusters.keysOf(clusterId).access() };
          const made = await takeBackup(
            { ...request, path, force, nowUnixMs: clock() },
            { signal: run.signal, report },
          );
          const size = `${(made.snapshotBytes / 2 ** 20).toFixed(1)} MiB`;
          outcome = `${cluster.name} up to revision ${made.revision} (slot ${made.slot}) is in ${path}: ${size}, SHA-256 of the snapshot ${made.snapshotSha256}.`;
          return { state: 'succeeded', detail: `from ${made.nodeName}, ${size}` };
        });
        return outcome;
      });
    });
  }

  /** Followers that work first: the leader has enough to do. */
  #inOrder(clusterId: string): StoredMember[] {
    const { working, leader } = this.#options.nodes.picture(clusterId);
    const rank = ({ memberSlot }: StoredMember) =>
      (working.includes(memberSlot) ? 0 : 2) + (leader?.memberSlot === memberSlot ? 1 : 0);
    return this.#options.store.listMembers(clusterId).toSorted((a, b) => rank(a) - rank(b));
  }
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}
