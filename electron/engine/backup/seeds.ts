/**
 * The snapshots that restored clusters begin with: which one in the store, and the file itself in the folder of the cluster's keys until
 * every node has begun with it, so that a restore that was cut short goes on without the backup.
 */
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { BackupManifest } from '../../contract/backup.ts';
import type { FleetStore } from '../fleet/store.ts';
import { syncFolder } from '../provision/key-files.ts';
import type { SeedFile } from '../provision/plan/desired.ts';
import { readBackup } from './backup-file.ts';

const SEEDS = 'seed';
const seedSchema = z.object({
  slot: z.number().int(),
  sha256: z.string(),
  bytes: z.number().int(),
  isPlanted: z.boolean(),
});

export class Seeds {
  readonly #store: FleetStore;
  readonly #clustersDir: string;

  constructor(parts: { store: FleetStore; clustersDir: string }) {
    this.#store = parts.store;
    this.#clustersDir = parts.clustersDir;
  }

  /** null: the cluster began empty. */
  of(clusterId: string): SeedFile | null {
    return this.#store.getDocument(SEEDS, clusterId, seedSchema);
  }

  pathOf(clusterId: string): string {
    return join(this.#clustersDir, clusterId, 'seed.snapshot');
  }

  /** Takes the snapshot out of a backup, for a cluster that is not there yet. Throws FailureError `badBackup`. */
  async take(clusterId: string, backupPath: string): Promise<SeedFile> {
    const path = this.pathOf(clusterId);
    const aside = `${path}.part`;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(aside, 'w', 0o600);
    let manifest: BackupManifest;
    try {
      manifest = await readBackup(backupPath, (bytes) => file.writeFile(bytes));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
    await syncFolder(dirname(path));
    const { slot, snapshotSha256: sha256, snapshotBytes: bytes } = manifest;
    return { slot, sha256, bytes, isPlanted: false };
  }

  /** To be called in the transaction that makes the cluster: one without its seed would begin empty. */
  put(clusterId: string, seed: SeedFile): void {
    this.#store.putDocument(SEEDS, clusterId, seed);
  }

  /** Every first member runs, and has it as its own. */
  async planted(clusterId: string): Promise<void> {
    const seed = this.of(clusterId);
    if (seed === null || seed.isPlanted) return;
    this.put(clusterId, { ...seed, isPlanted: true });
    await rm(this.pathOf(clusterId), { force: true });
  }

  forget(clusterId: string): void {
    this.#store.removeDocument(SEEDS, clusterId);
  }
}
