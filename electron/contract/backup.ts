/** Backups of clusters, as files on the engine's computer. */
import { z } from 'zod';
import { clusterIdSchema, nameSchema } from './model.ts';

/** What a backup says of itself. */
export const backupManifestSchema = z.object({
  formatVersion: z.literal(1),
  clusterId: clusterIdSchema,
  clusterName: nameSchema,
  /** The node that gave it. */
  nodeName: nameSchema,
  /** The version that the node ran. */
  nodeVersion: z.string().max(100),
  /** Every log slot up to it is in the backup, and none later. */
  slot: z.number().int().min(0),
  /** Of the last change that is in it. */
  revision: z.number().int().min(1),
  createdAtUnixMs: z.number(),
  snapshotBytes: z.number().int().min(1),
  snapshotSha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type BackupManifest = z.infer<typeof backupManifestSchema>;

/** An absolute path on the engine's computer. */
export const localPathSchema = z.string().startsWith('/', 'give an absolute path').max(4096);
