/**
 * What the console shows: views of hosts, clusters, nodes, faults and operations, as the engine last observed them. What was
 * never seen, or seen too long ago, is null: unknown, not zero and not green.
 */
import { z } from 'zod';
import { linkSchema } from '../../cluster-node/contract/fault.ts';
import { hostSampleSchema, nodeSampleSchema, serviceStateSchema } from '../../cluster-node/contract/sample.ts';
import { hostAuthSchema, jumpsSchema, transportSchema } from './login.ts';

export { formatBallot } from '../../cluster-node/contract/ballot.ts';
export type { Link } from '../../cluster-node/contract/fault.ts';
export type { NodeSample } from '../../cluster-node/contract/sample.ts';

export const hostIdSchema = z.string().regex(/^h-[a-z0-9]{8}$/, 'a host id is "h-" and 8 letters or digits');
export const clusterIdSchema = z.string().regex(/^c-[a-z0-9]{8}$/, 'a cluster id is "c-" and 8 letters or digits');
export const nodeIdSchema = z.string().regex(/^n-[a-z0-9]{8}$/, 'a node id is "n-" and 8 letters or digits');
export const operationIdSchema = z.string().regex(/^o-[a-z0-9]{8}$/);
export const faultIdSchema = z.string().regex(/^f-[a-z0-9]{8}$/);
/** Names for people: lower-case letters, digits, hyphens; at most 32 characters. */
export const nameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'use lower-case letters, digits and hyphens, 32 at most');

/** Where on a host Synod's things are: below the login's home, or in the system's own folders with root's rights. */
export const placeSchema = z.enum(['home', 'system']);
/** An absolute path of plain names, as the operator gives it; without a slash at its end. */
export const folderSchema = z
  .string()
  .max(200)
  .regex(/^(\/[A-Za-z0-9_][A-Za-z0-9._-]*)+$/, 'give an absolute path of letters, digits, ".", "_" and "-"');

/** A failure as an operator can act on it: where, what was run, what came back, what to do. */
export const failureSchema = z.object({
  kind: z.string(),
  message: z.string(),
  host: z.string().nullable(),
  step: z.string().nullable(),
  command: z.string().nullable(),
  exitCode: z.number().int().nullable(),
  /** Bounded to 4 KiB. */
  stderr: z.string().nullable(),
  nextStep: z.string(),
});
export type Failure = z.infer<typeof failureSchema>;

export const hostAddressSchema = z.object({
  name: nameSchema,
  address: z.string().min(1).max(253),
  port: z.number().int().min(1).max(65535),
  user: z.string().min(1).max(64),
  auth: hostAuthSchema,
  /** The name under which the SSH configuration of the engine's computer is asked; null: the address. */
  alias: z.string().min(1).max(253).nullable().default(null),
  /** Jump hosts, instead of those that the SSH configuration names; `none`: reached directly. null: as configured. */
  via: jumpsSchema.nullable().default(null),
  transport: transportSchema.default('builtin'),
});
/** As it is given: what has a default may be left out. */
export type NewHost = z.input<typeof hostAddressSchema>;
export type HostAddress = z.infer<typeof hostAddressSchema>;

export const hostFactsSchema = z.object({
  os: z.string(),
  kernel: z.string(),
  architecture: z.string(),
  libc: z.string().nullable(),
  hostname: z.string(),
  user: z.string(),
  home: z.string(),
  /** Identity of the machine and of the login on it; two hosts with the same one are the same place. */
  machineId: z.string().nullable(),
  cpuCount: z.number().int().nullable(),
  memoryBytes: z.number().nullable(),
  homeFreeBytes: z.number().nullable(),
  serviceManager: z.enum(['systemd', 'none']),
  privilege: z.enum(['root', 'sudo', 'none']),
  gatheredAtUnixMs: z.number(),
});
export type HostFacts = z.infer<typeof hostFactsSchema>;

export const reachabilitySchema = z.object({
  state: z.enum([
    'unknown',
    'connecting',
    'reachable',
    'unreachable',
    'hostKeyUnknown',
    'hostKeyChanged',
    'authFailed',
  ]),
  sinceUnixMs: z.number(),
  /** Set with `hostKeyUnknown`: what the host showed, for the operator to compare. */
  offeredKey: z.object({ keyType: z.string(), fingerprint: z.string() }).nullable(),
  failure: failureSchema.nullable(),
});

export const hostViewSchema = hostAddressSchema.extend({
  hostId: hostIdSchema,
  /** `lab`: one of the hosts on this computer that Synod made itself. */
  origin: z.enum(['operator', 'lab']),
  reachability: reachabilitySchema,
  facts: hostFactsSchema.nullable(),
  sample: hostSampleSchema.nullable(),
  /** When `sample` was taken, on the engine's clock; null with it. */
  sampledAtUnixMs: z.number().nullable(),
  /** Host clock minus engine clock, milliseconds; null when unknown. */
  clockOffsetMs: z.number().nullable(),
  nodeIds: z.array(nodeIdSchema),
});
export type HostView = z.infer<typeof hostViewSchema>;

export const nodeViewSchema = z.object({
  nodeId: nodeIdSchema,
  memberSlot: z.number().int(),
  name: nameSchema,
  /** In the newest configuration that a node was heard to be in. `outside`: not yet among its members, or no longer. */
  standing: z.enum(['voter', 'learner', 'outside']),
  hostId: hostIdSchema,
  address: z.string(),
  peerPort: z.number().int(),
  clientPort: z.number().int(),
  /** What the host's service manager last said; null: unknown. */
  service: serviceStateSchema.nullable(),
  /** The node's own last claims; null: it has not answered. */
  sample: nodeSampleSchema.nullable(),
  /** When `service` and `sample` were observed, on the engine's clock. */
  observedAtUnixMs: z.number().nullable(),
  /** One word for the screen, judged by the engine from age, service and claims. */
  condition: z.enum(['leader', 'follower', 'candidate', 'minority', 'stopped', 'failed', 'starting', 'unknown']),
  /** Decided slots behind the head of the cluster; null: unknown. */
  behindSlots: z.number().int().nullable(),
  writesPerSecond: z.number().nullable(),
});
export type NodeView = z.infer<typeof nodeViewSchema>;

export const faultViewSchema = z.object({
  faultId: faultIdSchema,
  clusterId: clusterIdSchema,
  kind: z.literal('partition'),
  links: z.array(linkSchema),
  /** "{node-1, node-2} | {node-3}, both ways" or the list of links. */
  title: z.string(),
  injectedAtUnixMs: z.number(),
  /** When the hosts heal it by themselves. */
  healsAtUnixMs: z.number(),
  /** When the last of its links was free again, as far as is known; null while it may hold. */
  endedAtUnixMs: z.number().nullable().default(null),
  /** `notInjected`: it never bit. `unknown`: at least one node cannot be asked. */
  state: z.enum(['injecting', 'active', 'healing', 'healed', 'expired', 'notInjected', 'unknown']),
  nodes: z.array(
    z.object({
      nodeId: nodeIdSchema,
      state: z.enum(['active', 'healed', 'unknown', 'failed']),
      droppedMessages: z.number().int().nullable(),
      failure: failureSchema.nullable(),
    }),
  ),
});
export type FaultView = z.infer<typeof faultViewSchema>;

export const healthSchema = z.object({
  level: z.enum(['ok', 'warn', 'bad', 'unknown']),
  /** A few words: "Writes are going on." */
  headline: z.string(),
  /** One or two sentences: margin, who is missing, what is being done. */
  detail: z.string(),
});

export const clusterViewSchema = z.object({
  clusterId: clusterIdSchema,
  name: nameSchema,
  origin: z.enum(['operator', 'lab']),
  createdAtUnixMs: z.number(),
  /** Where provisioning stands: desired state, not health. */
  lifecycle: z.enum(['provisioning', 'provisioned', 'incomplete', 'destroying']),
  health: healthSchema,
  quorum: z.object({
    voters: z.number().int(),
    size: z.number().int(),
    /** Voters freshly seen to follow or lead in the majority's view. */
    working: z.number().int(),
    /** How many more may fail before writes stop; negative: they have stopped. null: unknown. */
    tolerates: z.number().int().nullable(),
  }),
  /** What most freshly observed nodes believe; null: no majority of them agrees. */
  leader: z
    .object({
      memberSlot: z.number().int(),
      nodeId: nodeIdSchema,
      ballot: z.number().int(),
      believedBy: z.number().int(),
      asked: z.number().int(),
      sinceUnixMs: z.number().nullable(),
    })
    .nullable(),
  writesPerSecond: z.number().nullable(),
  commitP50Ms: z.number().nullable(),
  commitP99Ms: z.number().nullable(),
  /** The worst of the nodes. */
  fsyncP99Ms: z.number().nullable(),
  fsyncP99NodeId: nodeIdSchema.nullable(),
  decidedUpTo: z.number().int().nullable(),
  nodes: z.array(nodeViewSchema),
  faults: z.array(faultViewSchema),
  /** When the first of its certificates expires; null: unknown. */
  certificatesExpireAtUnixMs: z.number().nullable(),
  /** Changes of its members that were begun and not ended, a sentence each. */
  unfinished: z.array(z.string()),
  /** The cluster has removed them, and their hosts are not cleaned yet. */
  leaving: z.array(z.object({ nodeId: nodeIdSchema, name: nameSchema, hostId: hostIdSchema })),
});
export type ClusterView = z.infer<typeof clusterViewSchema>;

export const stepStateSchema = z.enum(['pending', 'running', 'succeeded', 'unchanged', 'failed', 'unknown', 'skipped']);
export const operationStepSchema = z.object({
  /** null: a step of the whole operation. */
  hostId: hostIdSchema.nullable(),
  host: z.string().nullable(),
  step: z.string(),
  state: stepStateSchema,
  detail: z.string().nullable(),
  /** In [0, 1] while running, where it is known. */
  progressRatio: z.number().nullable(),
  startedAtUnixMs: z.number().nullable(),
  endedAtUnixMs: z.number().nullable(),
  failure: failureSchema.nullable(),
});
export type OperationStep = z.infer<typeof operationStepSchema>;

/** Something that was asked for, followed to its end. */
export const operationSchema = z.object({
  operationId: operationIdSchema,
  kind: z.enum([
    'labUp',
    'labDown',
    'clusterCreate',
    'clusterDestroy',
    'clusterRestart',
    'certificatesRotate',
    'membersChange',
    'clusterBackup',
    'nodeStart',
    'nodeStop',
    'nodeRestart',
    'nodeKill',
    'failover',
    'faultInject',
    'faultHeal',
    'hostFix',
  ]),
  title: z.string(),
  clusterId: clusterIdSchema.nullable(),
  nodeId: nodeIdSchema.nullable(),
  state: z.enum(['pending', 'running', 'succeeded', 'failed', 'unknown']),
  startedAtUnixMs: z.number(),
  endedAtUnixMs: z.number().nullable(),
  steps: z.array(operationStepSchema),
  /** One sentence of what came out of it; null while it runs. */
  outcome: z.string().nullable(),
  failure: failureSchema.nullable(),
});
export type Operation = z.infer<typeof operationSchema>;

export const timelineEventSchema = z.object({
  eventId: z.number().int(),
  /** On the engine's clock (host clocks are corrected by their offset). */
  atUnixMs: z.number(),
  clusterId: clusterIdSchema.nullable(),
  hostId: hostIdSchema.nullable(),
  nodeId: nodeIdSchema.nullable(),
  level: z.enum(['info', 'leader', 'action', 'fault', 'warn', 'bad']),
  /** Bold part and the rest of one sentence. */
  subject: z.string(),
  text: z.string(),
});
export type TimelineEvent = z.infer<typeof timelineEventSchema>;

/** Everything an operator can do to a cluster that changes it. */
export const actionSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('nodeStart'), clusterId: clusterIdSchema, nodeId: nodeIdSchema }),
  z.object({ kind: z.literal('nodeStop'), clusterId: clusterIdSchema, nodeId: nodeIdSchema }),
  z.object({ kind: z.literal('nodeRestart'), clusterId: clusterIdSchema, nodeId: nodeIdSchema }),
  z.object({ kind: z.literal('nodeKill'), clusterId: clusterIdSchema, nodeId: nodeIdSchema }),
  z.object({ kind: z.literal('failover'), clusterId: clusterIdSchema, target: nodeIdSchema }),
  z.object({
    kind: z.literal('partition'),
    clusterId: clusterIdSchema,
    links: z.array(linkSchema).min(1).max(1000),
    ttlMs: z.number().int().min(1000).max(3_600_000),
  }),
  z.object({ kind: z.literal('heal'), clusterId: clusterIdSchema, faultId: faultIdSchema }),
  z.object({ kind: z.literal('healAll'), clusterId: clusterIdSchema }),
  /** `confirmName` must repeat the cluster's name: its data is deleted. */
  z.object({ kind: z.literal('clusterDestroy'), clusterId: clusterIdSchema, confirmName: z.string() }),
]);
export type Action = z.infer<typeof actionSchema>;

const quorumOutlookSchema = z.object({
  working: z.number().int(),
  size: z.number().int(),
  voters: z.number().int(),
  tolerates: z.number().int(),
  /** null: unknown. */
  writable: z.boolean().nullable(),
});

/** What an action would do, computed from what is observed now; computed again when it runs. */
export const consequenceSchema = z.object({
  /** Empty when it may run. Each a sentence with its reason. */
  refusals: z.array(z.string()),
  /** What the operator should know before agreeing. */
  warnings: z.array(z.string()),
  /** What will be run, and where: one line each. */
  runs: z.array(z.object({ host: z.string(), what: z.string() })),
  before: quorumOutlookSchema,
  after: quorumOutlookSchema,
  /** Node that is expected to lead afterwards; null: none, or it cannot be told. */
  predictedLeader: nodeIdSchema.nullable(),
  /** Milliseconds for which writes are expected to stop; 0: not at all; null: until something else is done. */
  expectedUnavailabilityMs: z.number().nullable(),
  /** Sentence on what brings it back; null: it cannot be undone, or passes by itself (then `expectedUnavailabilityMs` is set). */
  undo: z.string().nullable(),
  /** Every link that the action cuts, for the drawing. */
  cutLinks: z.array(linkSchema),
});
export type Consequence = z.infer<typeof consequenceSchema>;

/** Something that Synod can put right on a host, once an operator has seen how. */
export const checkFixSchema = z.object({
  fixId: z.string(),
  title: z.string(),
  /** The very lines that will run there, as root, under `sh -e`. */
  commands: z.array(z.string()),
  /** How it is taken back by hand. */
  undo: z.array(z.string()),
});
export type CheckFix = z.infer<typeof checkFixSchema>;

export const checkItemSchema = z.object({
  check: z.string(),
  verdict: z.enum(['pass', 'warn', 'fail', 'unknown']),
  /** The figure or the words behind the verdict. */
  found: z.string(),
  nextStep: z.string().nullable(),
  fix: checkFixSchema.nullable(),
});
export type CheckItem = z.infer<typeof checkItemSchema>;

/** Whether one host reaches another on a port that a cluster would use there. */
export const checkLinkSchema = z.object({
  fromHostId: z.string(),
  toHostId: z.string(),
  port: z.number().int(),
  verdict: checkItemSchema.shape.verdict,
  found: z.string(),
  nextStep: z.string().nullable(),
  /** Median time to connect; null: no connection was made. */
  roundTripMs: z.number().nullable(),
});
export type CheckLink = z.infer<typeof checkLinkSchema>;
