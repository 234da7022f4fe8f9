/** What the store keeps: the desired fleet, in the words of the contract where those suffice. */
import { z } from 'zod';
import { memberAddressSchema } from '../../../cluster-node/contract/node-config.ts';
import {
  clusterIdSchema,
  folderSchema,
  hostAddressSchema,
  hostFactsSchema,
  hostIdSchema,
  nameSchema,
  placeSchema,
} from '../../contract/model.ts';

export const originSchema = z.enum(['operator', 'lab']);

export const storedHostSchema = hostAddressSchema.extend({
  hostId: hostIdSchema,
  origin: originSchema,
  addedAtUnixMs: z.number(),
  /** Last gathered; null: never. */
  facts: hostFactsSchema.nullable(),
  /**
   * Where a login on this host lands, to tell two names of one place: machine id, boot id, device and inode of the home
   * folder. null: never gathered.
   */
  place: z
    .object({
      machineId: z.string().nullable(),
      bootId: z.string().nullable(),
      homeDevice: z.string(),
      homeInode: z.string(),
    })
    .nullable(),
});
export type StoredHost = z.infer<typeof storedHostSchema>;

export const storedClusterSchema = z.object({
  clusterId: clusterIdSchema,
  name: nameSchema,
  origin: originSchema,
  createdAtUnixMs: z.number(),
  lifecycle: z.enum(['provisioning', 'provisioned', 'incomplete', 'destroying']),
  /** What its nodes run; folders on the hosts bear these names. */
  runtimeVersion: z.string(),
  releaseVersion: z.string(),
  heartbeatMs: z.number().int(),
  electionTimeoutMs: z.number().int(),
  /** Where on the hosts its things are (`hostPlace`). */
  place: placeSchema.default('home'),
  /** The voters it began with, once its members have changed: every node's configuration file names them. Empty: its members are those. */
  founders: z.array(memberAddressSchema).default([]),
});
export type StoredCluster = z.infer<typeof storedClusterSchema>;

export const storedMemberSchema = memberAddressSchema.extend({
  clusterId: clusterIdSchema,
  hostId: hostIdSchema,
  /** An absolute folder on the disk that was chosen for its data; null: the place's own. */
  dataFolder: folderSchema.nullable().default(null),
  /** Of a node that came later: whom it speaks to at first. null: one of the founders. */
  joined: z
    .object({ contacts: z.array(memberAddressSchema) })
    .nullable()
    .default(null),
  /** The cluster has removed it, and its host is not cleaned yet. */
  isLeaving: z.boolean().default(false),
  /** Its data go from one folder (as `dataFolder`) to another. `isCopied`: the new one is whole, and the node's. */
  moving: z
    .object({ from: folderSchema.nullable(), to: folderSchema.nullable(), isCopied: z.boolean() })
    .nullable()
    .default(null),
});
export type StoredMember = z.infer<typeof storedMemberSchema>;

/** Of a member that the cluster began with. */
export const asFounder = { joined: null, isLeaving: false, moving: null } as const;
