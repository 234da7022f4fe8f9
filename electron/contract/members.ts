/** Changes of a cluster's members: what can be asked for, and what is told before it is done. */
import { z } from 'zod';
import { clusterIdSchema, folderSchema, hostIdSchema, nodeIdSchema } from './model.ts';

const portSchema = z.number().int().min(1).max(65535).nullable();
/** A node that is still to be made. null: chosen by the engine. */
const newNode = {
  hostId: hostIdSchema,
  dataFolder: folderSchema.nullable(),
  peerPort: portSchema,
  clientPort: portSchema,
};
const ofCluster = { clusterId: clusterIdSchema };

export const membersChangeSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('add'), ...ofCluster, ...newNode }),
  z.object({ kind: z.literal('remove'), ...ofCluster, nodeId: nodeIdSchema }),
  /** `nodeId` goes, be its host within reach or not; a node on the host comes. */
  z.object({ kind: z.literal('replace'), ...ofCluster, nodeId: nodeIdSchema, ...newNode }),
  /** `dataFolder`: as where a cluster is created; null: the place's own. */
  z.object({ kind: z.literal('move'), ...ofCluster, nodeId: nodeIdSchema, dataFolder: folderSchema.nullable() }),
]);
export type MembersChange = z.infer<typeof membersChangeSchema>;

const quorumAtSchema = z.object({
  when: z.enum(['now', 'during', 'after']),
  voters: z.number().int(),
  /** Needed for writes. */
  size: z.number().int(),
  /** Voters that work then, as far as is known now. */
  working: z.number().int(),
  /** How many more may fail; below 0: writes stop. */
  tolerates: z.number().int(),
});
export type QuorumAt = z.infer<typeof quorumAtSchema>;

export const membersPreviewSchema = z.object({
  title: z.string(),
  /** Why it will not be done. */
  refusals: z.array(z.string()),
  warnings: z.array(z.string()),
  /** What is done, in this order. */
  runs: z.array(z.string()),
  quorums: z.array(quorumAtSchema),
  /** Writes stop on the way: it is done only when that is agreed to. */
  stopsWrites: z.boolean(),
});
export type MembersPreview = z.infer<typeof membersPreviewSchema>;
