/**
 * What an agent reports once a second. A figure that could not be read is null (unknown), never zero.
 */
import { z } from 'zod';

const ratio = z.number().min(0).max(1);
const nullableCount = z.number().min(0).nullable();

/** Percentiles over the last sampling interval; null when nothing happened in it. */
export const latencySchema = z.object({
  p50Ms: z.number().min(0).nullable(),
  p99Ms: z.number().min(0).nullable(),
  /** How many were measured in the interval. */
  count: z.number().int().min(0),
});
export type Latency = z.infer<typeof latencySchema>;

export const peerSampleSchema = z.object({
  memberSlot: z.number().int(),
  /** A transport connection in the direction this node → peer is up. */
  connected: z.boolean(),
  roundTripMs: z.number().min(0).nullable(),
  /** Milliseconds since anything was heard of this peer; null: never. */
  heardMsAgo: z.number().min(0).nullable(),
  decidedUpTo: z.number().int().min(0),
});

/** A node's own claims about itself and the cluster, at one moment. */
export const nodeSampleSchema = z.object({
  nodeId: z.string(),
  memberSlot: z.number().int(),
  version: z.string(),
  pid: z.number().int(),
  startedAtUnixMs: z.number(),
  role: z.enum(['leader', 'candidate', 'follower']),
  /** 0: it believes in no leader. */
  believedLeader: z.number().int().min(0),
  leaderBallot: z.number().int().min(0),
  promised: z.number().int().min(0),
  acceptedUpTo: z.number().int().min(0),
  decidedUpTo: z.number().int().min(0),
  appliedUpTo: z.number().int().min(0),
  quorumConnected: z.boolean(),
  /** In force at this node. */
  configuration: z.object({
    configId: z.number().int().min(1),
    voters: z.array(z.number().int()),
    learners: z.array(z.number().int()),
  }),
  /** Why this node does not keep up with what is decided, in words; null when it does. */
  behind: z.string().nullable(),
  /** Slots whose value the disk lost and that are still to be had from peers. */
  faultySlots: z.number().int().min(0),
  /** The newest snapshot on disk covers everything up to this slot; 0: there is none. */
  snapshotSlot: z.number().int().min(0),
  /** What is wrong with this node now, in words; empty when nothing is. */
  alarms: z.array(z.string()),
  /** Revision of the key-value machine. */
  revision: z.number().int().min(0),
  keys: z.number().int().min(0),
  /** From a client's request to its answer, of writes taken in by this node. */
  commitLatency: latencySchema,
  /** Of one group commit: write and fdatasync. */
  fsyncLatency: latencySchema,
  /** Writes taken in by this node and answered, since its start. */
  writesTotal: z.number().int().min(0),
  readsTotal: z.number().int().min(0),
  queues: z.object({
    undecidedSlots: z.number().int().min(0),
    pendingRequests: z.number().int().min(0),
    unsyncedRecords: z.number().int().min(0),
  }),
  eventLoopLagMs: z.number().min(0).nullable(),
  dataBytes: nullableCount,
  residentBytes: nullableCount,
  peers: z.array(peerSampleSchema),
  faults: z.array(z.object({ faultId: z.string(), remainingMs: z.number().min(0) })),
});
export type NodeSample = z.infer<typeof nodeSampleSchema>;

export const diskSampleSchema = z.object({
  /** Mount point that holds what is named in `role`. */
  mountPoint: z.string(),
  device: z.string(),
  fileSystem: z.string(),
  totalBytes: nullableCount,
  freeBytes: nullableCount,
  /** Mean milliseconds per read or write over the interval, from the kernel's counters; null when idle or unknown. */
  readLatencyMs: z.number().min(0).nullable(),
  writeLatencyMs: z.number().min(0).nullable(),
  readBytesPerSecond: nullableCount,
  writeBytesPerSecond: nullableCount,
  busyRatio: ratio.nullable(),
  holdsData: z.boolean(),
});
export type DiskSample = z.infer<typeof diskSampleSchema>;

const pressureSchema = z.object({ someAvg10: z.number(), fullAvg10: z.number().nullable() }).nullable();

export const hostSampleSchema = z.object({
  uptimeSeconds: z.number().min(0).nullable(),
  cpuRatio: ratio.nullable(),
  cpuCount: z.number().int().min(1),
  load1: z.number().min(0).nullable(),
  memoryTotalBytes: nullableCount,
  memoryAvailableBytes: nullableCount,
  pressure: z.object({ cpu: pressureSchema, memory: pressureSchema, io: pressureSchema }),
  networkReceiveBytesPerSecond: nullableCount,
  networkSendBytesPerSecond: nullableCount,
  disks: z.array(diskSampleSchema),
});
export type HostSample = z.infer<typeof hostSampleSchema>;

/** State of the process as the service manager on the host sees it. */
export const serviceStateSchema = z.object({
  nodeId: z.string(),
  state: z.enum(['running', 'stopped', 'restarting', 'failed', 'unknown']),
  pid: z.number().int().nullable(),
  /** How often the service manager has started it again since it was last asked to. */
  restarts: z.number().int().min(0),
  /** Why it is not running, or runs but does not answer yet, in words; null when it does or when it was stopped on request. */
  reason: z.string().nullable(),
});
export type ServiceState = z.infer<typeof serviceStateSchema>;

/** One second on one host. `capturedAtUnixMs` is the host's own clock. */
export const sampleSchema = z.object({
  capturedAtUnixMs: z.number(),
  host: hostSampleSchema,
  nodes: z.array(
    z.object({
      service: serviceStateSchema,
      /** null: the node did not answer on its admin socket. */
      node: nodeSampleSchema.nullable(),
    }),
  ),
});
export type Sample = z.infer<typeof sampleSchema>;
