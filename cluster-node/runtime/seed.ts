/**
 * The content that a cluster begins with, where it is restored from a backup. Every first member has the same snapshot file beside it
 * before its first start, and the digest of it in its configuration: none of them can start empty, so no majority can decide slots
 * that the others have in the snapshot. The machine in it is taken over byte for byte; what says whose it was is not.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { encodeConfiguration, firstConfiguration } from '../contract/configuration.ts';
import { DataDamagedError } from '../storage/errors.ts';
import { readSnapshotFile, verifySnapshotFile } from '../storage/snapshot-file.ts';
import type { SnapshotStore } from '../storage/snapshot-store.ts';
import type { Storage } from '../storage/storage.ts';
import type { LoadedConfig, Seed } from './load-config.ts';

/** Before the state is read: makes the seed this node's first snapshot where it has nothing yet. Throws DataDamagedError. */
export async function plantSeed({
  loaded,
  storage,
  store,
  onProgress,
}: {
  readonly loaded: LoadedConfig;
  readonly storage: Pick<Storage, 'firstSlot' | 'recovered'>;
  readonly store: SnapshotStore;
  /** What it is at, in words. */
  readonly onProgress: (doing: string) => void;
}): Promise<void> {
  const { seed, config } = loaded;
  if (seed === null) return;
  const { decidedUpTo, accepted } = storage.recovered;
  const isBlank = storage.firstSlot === 1 && decidedUpTo === 0 && accepted.length === 0;
  if (isBlank && (await store.latest()).snapshot === null) {
    onProgress('it reads the snapshot that the cluster begins with');
    await check(seed);
    const configuration = encodeConfiguration(firstConfiguration(config.members));
    await store.write({ slot: seed.slot, configuration, chunks: readSnapshotFile(seed.path) });
  }
  await rm(seed.path, { force: true });
}

async function check({ path, slot, sha256 }: Seed): Promise<void> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  } catch (cause) {
    throw unusable(path, `it cannot be read: ${(cause as Error).message}`, cause as Error);
  }
  if (hash.digest('hex') !== sha256) throw unusable(path, 'its SHA-256 is not the one of the configuration');
  const found = await verifySnapshotFile(path);
  if (found.slot !== slot) throw unusable(path, `it is of slot ${found.slot}, not ${slot}`);
}

function unusable(path: string, what: string, cause?: Error): DataDamagedError {
  return new DataDamagedError(
    `this node must begin with the snapshot ${path}, and ${what}. It does not start without: it would contradict the others. ` +
      'If it never ran, put the file there again; else replace the node.',
    cause && { cause },
  );
}

/** Once the state is read: less than the seed is no state of this cluster. Throws DataDamagedError. */
export function refuseLessThanSeed(seed: Seed | null, appliedUpTo: number): void {
  if (seed === null || appliedUpTo >= seed.slot) return;
  throw new DataDamagedError(
    `this cluster begins with slot ${seed.slot}, and what this node has reaches slot ${appliedUpTo} only: it must not vote. Replace it, the other nodes have its data.`,
  );
}
