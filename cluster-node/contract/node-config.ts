/**
 * A node's configuration file, `config.json` in the node's folder: written by the engine at provisioning, read once at start.
 */
import { z } from 'zod';
import { nodeLayout } from './host-layout.ts';

const port = z.number().int().min(1).max(65535);
/** Whatever names a file of the node: absolute, or relative to the folder of the configuration file. */
const filePath = z.string().min(1);

/** A host name or an IP address, as it can be connected to; what is decided about members reaches every node. */
export const hostAddressSchema = z.string().regex(/^[A-Za-z0-9._:%-]{1,253}$/);

export const memberAddressSchema = z.object({
  memberSlot: z.number().int().min(1).max(1023),
  /** Never reused: "n-" and 8 letters or digits. */
  nodeId: z.string().regex(/^n-[a-z0-9]{8}$/),
  /** For people, unique in the cluster: "node-1". */
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/),
  address: hostAddressSchema,
  peerPort: port,
  clientPort: port,
});
export type MemberAddress = z.infer<typeof memberAddressSchema>;

/** Milliseconds; also the longest that a lease vow lasts. */
export const MAX_ELECTION_TIMEOUT_MS = 60_000;

export const nodeConfigSchema = z
  .object({
    formatVersion: z.literal(1),
    /** "c-" and 8 letters or digits. */
    clusterId: z.string().regex(/^c-[a-z0-9]{8}$/),
    clusterName: z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/),
    nodeId: z.string().regex(/^n-[a-z0-9]{8}$/),
    /** The voters of the cluster's first configuration, by member slot: equal on all nodes, and never changed afterwards. */
    members: z.array(memberAddressSchema).min(1).max(31),
    /** This node, where it joined later and so is not among `members`: as the cluster's configuration has it. */
    joining: memberAddressSchema.nullable().default(null),
    /** Members to speak to at first beside `members`, because some of those may be gone by now. */
    contacts: z.array(memberAddressSchema).max(63).default([]),
    /** The log and everything that must survive. */
    dataDir: filePath,
    /** Written by the node at its first start, outside of `dataDir`: an empty data folder is lost data from then on. */
    birthFile: filePath.default(nodeLayout.birth),
    /** The unix socket of the admin API; at most 100 bytes when resolved. */
    adminSocket: filePath,
    /**
     * A node of a cluster that begins with the content of a backup: the snapshot file of that slot, which must be there with this
     * SHA-256 (hex) at the first start. All first members have the same.
     */
    seed: z
      .object({ file: filePath, slot: z.number().int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) })
      .optional(),
    /** PEM files. The peer certificate is for mutual TLS between nodes, the client one for the client API. */
    tls: z.object({
      ca: filePath,
      peerCert: filePath,
      peerKey: filePath,
      /** null: clients speak plain HTTP/2. Otherwise clients must show a certificate of `ca`. */
      client: z.object({ ca: filePath, cert: filePath, key: filePath }).nullable(),
    }),
    heartbeatMs: z.number().int().min(5).max(10_000),
    electionTimeoutMs: z.number().int().min(20).max(MAX_ELECTION_TIMEOUT_MS),
    /** When a snapshot is due, as machine/snapshot-schedule.ts counts it; null: by its defaults. The same on all members. */
    snapshotRule: z
      .object({
        slotInterval: z.number().int().min(1024).multipleOf(1024),
        minBytes: z.number().int().min(0),
        maxSlots: z.number().int().min(1024),
      })
      .nullable()
      .default(null),
    /**
     * Whether the leader may answer reads on the strength of a lease; meant to be the same on all members. Clocks may differ in
     * rate by `driftRatio` at most.
     */
    leaseReads: z
      .object({ driftRatio: z.number().min(0).max(0.5) })
      .nullable()
      .default(null),
  })
  .refine((config) => [...config.members, config.joining].some((member) => member?.nodeId === config.nodeId), {
    message: 'nodeId is neither among the members nor joining',
  })
  .refine((config) => new Set(config.members.map((member) => member.memberSlot)).size === config.members.length, {
    message: 'a member slot is used twice',
  })
  .refine((config) => new Set(config.members.map((member) => member.nodeId)).size === config.members.length, {
    message: 'a node id is used twice',
  })
  .refine((config) => config.electionTimeoutMs >= 3 * config.heartbeatMs, {
    message: 'electionTimeoutMs must be at least three heartbeats',
  });
export type NodeConfig = z.infer<typeof nodeConfigSchema>;

export const DEFAULT_HEARTBEAT_MS = 50;
export const DEFAULT_ELECTION_TIMEOUT_MS = 300;
