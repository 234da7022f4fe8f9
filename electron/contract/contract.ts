/**
 * The one contract between the renderer or the CLI and the engine. The same calls go over a MessagePort (desktop), a
 * WebSocket (serve) or a unix socket (CLI); every input is parsed here, at the engine's edge.
 */
import { eventIterator, oc } from '@orpc/contract';
import { z } from 'zod';
import { backupManifestSchema, localPathSchema } from './backup.ts';
import { adoptionRequestSchema, adoptionSchema, passphraseSchema, sealedKeysSchema } from './adoption.ts';
import { membersChangeSchema, membersPreviewSchema } from './members.ts';
import { configuredHostSchema, promptSchema, transportSchema } from './login.ts';
import {
  actionSchema,
  checkItemSchema,
  checkLinkSchema,
  clusterIdSchema,
  clusterViewSchema,
  consequenceSchema,
  failureSchema,
  hostAddressSchema,
  hostIdSchema,
  hostViewSchema,
  folderSchema,
  nameSchema,
  nodeIdSchema,
  operationIdSchema,
  operationSchema,
  placeSchema,
  timelineEventSchema,
} from './model.ts';
import { seriesBatchSchema } from './series.ts';
import { auditEntrySchema, hostPlanSchema } from './plan.ts';

/** Every refused call fails with this error: a failure that names host, command, cause and next step. */
const call = oc.errors({ FAILED: { message: 'The engine could not do this', data: failureSchema } });

export const labStatusSchema = z.object({
  running: z.boolean(),
  hosts: z.array(
    z.object({ name: z.string(), address: z.string(), port: z.number().int(), running: z.boolean(), home: z.string() }),
  ),
  /** What is left of a lab that is not running; empty when nothing is. */
  residue: z.array(z.string()),
});

export const fleetSnapshotSchema = z.object({
  atUnixMs: z.number(),
  engineVersion: z.string(),
  hosts: z.array(hostViewSchema),
  clusters: z.array(clusterViewSchema),
  /** Running ones and the last 20 that ended, newest first. */
  operations: z.array(operationSchema),
});
export type FleetSnapshot = z.infer<typeof fleetSnapshotSchema>;

export const clusterPlanSchema = z.object({
  name: nameSchema,
  members: z.array(
    z.object({
      hostId: hostIdSchema,
      host: z.string(),
      nodeName: z.string(),
      address: z.string(),
      peerPort: z.number().int(),
      clientPort: z.number().int(),
    }),
  ),
  /** What will be put on each host, one line each. */
  puts: z.array(z.string()),
  refusals: z.array(z.string()),
  warnings: z.array(z.string()),
  /** Names the plan by what was seen on the hosts and what is wanted there; null with refusals. */
  hash: z.string().nullable(),
  /** By host; empty with refusals. Hosts are worked on at the same time, and nodes that run are restarted one after the other. */
  hosts: z.array(hostPlanSchema),
  /** How many steps there are in all; 0: nothing to do. */
  changes: z.number().int(),
});
export type ClusterPlan = z.infer<typeof clusterPlanSchema>;

const clusterRequest = z.object({
  name: nameSchema,
  hostIds: z.array(hostIdSchema).min(1).max(31),
  /** null: the engine chooses (2380 and 2379, or free ones on lab hosts). */
  peerPort: z.number().int().min(1).max(65535).nullable(),
  clientPort: z.number().int().min(1).max(65535).nullable(),
  place: placeSchema.default('home'),
  /** By host: an absolute folder on the disk for its data, where that is not the place's own. */
  dataFolders: z.record(hostIdSchema, folderSchema).default({}),
});

const started = z.object({ operationId: operationIdSchema });

const port = z.number().int().min(1).max(65535);
const preflightRequest = z.object({
  hostIds: z.array(hostIdSchema).min(1).max(100),
  /** Where data would go, absolute; null: the login's home. */
  dataDir: z.string().startsWith('/').max(4096).nullable(),
  /** null: 2380 and 2379. */
  peerPort: port.nullable(),
  clientPort: port.nullable(),
  /** The cluster's timeouts, which the disk is measured against; null: the usual ones. */
  heartbeatMs: z.number().int().min(1).max(10_000).nullable(),
  electionTimeoutMs: z.number().int().min(10).max(60_000).nullable(),
});
export type PreflightRequest = z.infer<typeof preflightRequest>;

export const contract = {
  fleet: {
    /** The whole fleet now, and again whenever it changes, at most twice a second. */
    watch: call.output(eventIterator(fleetSnapshotSchema)),
    get: call.output(fleetSnapshotSchema),
  },
  hosts: {
    /** Adds and connects. An unknown host key leaves it in `hostKeyUnknown` until it is trusted. */
    add: call.input(hostAddressSchema).output(hostViewSchema),
    /** `fingerprint` must be the very one that the host offered. */
    trustKey: call.input(z.object({ hostId: hostIdSchema, fingerprint: z.string() })).output(hostViewSchema),
    /** Connects anew, with the other one. */
    setTransport: call.input(z.object({ hostId: hostIdSchema, transport: transportSchema })).output(hostViewSchema),
    /** Password or passphrase for this session of the engine; kept in memory only. */
    provideSecret: call
      .input(
        z.object({
          hostId: hostIdSchema,
          secret: z.string().min(1),
          purpose: z.enum(['login', 'sudo']).default('login'),
        }),
      )
      .output(hostViewSchema),
    check: call
      .input(z.object({ hostId: hostIdSchema }))
      .output(z.object({ host: hostViewSchema, items: z.array(checkItemSchema) })),
    /** `check` of several hosts at once, compared with each other, and whether each reaches each on a cluster's ports. */
    preflight: call.input(preflightRequest).output(
      z.object({
        hosts: z.array(z.object({ host: hostViewSchema, items: z.array(checkItemSchema) })),
        links: z.array(checkLinkSchema),
      }),
    ),
    /** Runs the fix of one item, whose `commands` must be the very ones that were shown, and checks again. */
    fix: call
      .input(z.object({ hostId: hostIdSchema, check: z.string(), fixId: z.string(), commands: z.array(z.string()) }))
      .output(started),
    /** What the SSH configuration says for this name; a name that it does not mention is an address. */
    resolve: call.input(z.object({ alias: z.string().min(1).max(253) })).output(configuredHostSchema),
    /** The hosts that the SSH configuration names, patterns left out. */
    listConfigured: call.output(z.array(configuredHostSchema)),
    /** Refused while a node of a cluster lives there. */
    remove: call.input(z.object({ hostId: hostIdSchema })).output(z.object({ removed: z.boolean() })),
  },
  prompts: {
    /** What waits for a person, now and at each change. While nobody watches, nobody is asked. */
    watch: call.output(eventIterator(z.array(promptSchema))),
    /** `answers`: one a field; null: declined. `keep`: in the system's store of secrets, where there is one. */
    answer: call
      .input(z.object({ promptId: z.string(), answers: z.array(z.string()).nullable(), keep: z.boolean() }))
      .output(z.object({ wasOpen: z.boolean() })),
  },
  clusters: {
    /** For a cluster that is not there yet, or for one that is. Changes nothing on any host. */
    plan: call.input(z.union([clusterRequest, z.object({ clusterId: clusterIdSchema })])).output(clusterPlanSchema),
    /**
     * Carries out what was planned for the cluster of this name. `plan`: only that very plan, and refused when anything that it was
     * made from has changed; null: whatever is to be done now.
     */
    apply: call
      .input(
        z.object({
          name: nameSchema,
          plan: z
            .string()
            .regex(/^[0-9a-f]{8,64}$/)
            .nullable(),
          why: z.string().max(500).nullable(),
        }),
      )
      .output(started.extend({ clusterId: clusterIdSchema })),
    create: call.input(clusterRequest).output(started.extend({ clusterId: clusterIdSchema })),
    /** Runs provisioning again from the step that failed; what is done already is left as it is. */
    resume: call.input(z.object({ clusterId: clusterIdSchema })).output(started),
    /** Restarts every node, one after the other and the leader last; refused while changes are pending. */
    restart: call.input(z.object({ clusterId: clusterIdSchema, why: z.string().max(500).nullable() })).output(started),
    /**
     * New certificates with new keys for every node and for clients, one node after the other; with `authority` under a new authority.
     * `hold`: stop once both authorities are trusted, until it is run again. What was interrupted goes on.
     */
    rotateCertificates: call
      .input(
        z.object({
          clusterId: clusterIdSchema,
          authority: z.boolean(),
          hold: z.boolean(),
          why: z.string().max(500).nullable(),
        }),
      )
      .output(started),
    /** What a change of its members would do, and why it may not; from what is observed now. Changes nothing. */
    previewMembers: call.input(membersChangeSchema).output(membersPreviewSchema),
    /** One change of its members, followed to its end. What was interrupted goes on when the same is asked for again. */
    changeMembers: call
      .input(z.object({ change: membersChangeSchema, acceptOutage: z.boolean(), why: z.string().max(500).nullable() }))
      .output(started),
    /** What its nodes should run with; `plan` shows what that changes, and `apply` restarts them one after the other. */
    configure: call
      .input(
        z
          .object({
            clusterId: clusterIdSchema,
            heartbeatMs: z.number().int().min(5).max(10_000),
            electionTimeoutMs: z.number().int().min(20).max(60_000),
          })
          .refine((wanted) => wanted.electionTimeoutMs >= 3 * wanted.heartbeatMs, {
            message: 'the election timeout must be at least three heartbeats',
          }),
      )
      .output(z.object({ heartbeatMs: z.number().int(), electionTimeoutMs: z.number().int() })),
    /** What an etcd client needs. Paths are on the engine's computer. */
    access: call.input(z.object({ clusterId: clusterIdSchema })).output(
      z.object({
        endpoints: z.array(z.string()),
        tls: z.object({ ca: z.string(), cert: z.string(), key: z.string() }).nullable(),
      }),
    ),
    /** What the hosts tell of a cluster that this console does not have, or has as it was earlier. Changes nothing, here or there. */
    lookToAdopt: call.input(adoptionRequestSchema).output(adoptionSchema),
    /** Takes over the cluster with its hosts; `digest`: only this very record. Changes nothing on any host. */
    adopt: call.input(adoptionRequestSchema.extend({ digest: z.string() })).output(adoptionSchema),
    /** The authority's key for another console, sealed by the passphrase. */
    exportKeys: call
      .input(z.object({ clusterId: clusterIdSchema, passphrase: passphraseSchema }))
      .output(z.object({ sealed: sealedKeysSchema, authority: z.string() })),
    /** Before or after the cluster was taken over. */
    importKeys: call
      .input(z.object({ sealed: sealedKeysSchema, passphrase: z.string().max(1000) }))
      .output(z.object({ clusterId: clusterIdSchema, name: nameSchema, authority: z.string() })),
    /** History of the window, then one append a second. `windowMs`: 1 minute to 1 hour. */
    series: call
      .input(z.object({ clusterId: clusterIdSchema, windowMs: z.number().int().min(60_000).max(3_600_000) }))
      .output(eventIterator(seriesBatchSchema)),
  },
  backups: {
    /** Everything that was acknowledged until now, from one node into a file of the engine's computer, mode 0600. */
    take: call
      .input(
        z.object({
          clusterId: clusterIdSchema,
          path: localPathSchema,
          /** A file that is there is replaced. */
          force: z.boolean(),
          why: z.string().max(500).nullable(),
        }),
      )
      .output(started),
    /** Reads all of it; fails where it is not whole. */
    verify: call.input(z.object({ path: localPathSchema })).output(backupManifestSchema),
    /** A new cluster that begins with what is in the file, which is verified before any host is touched. */
    restore: call
      .input(clusterRequest.extend({ path: localPathSchema }))
      .output(started.extend({ clusterId: clusterIdSchema, manifest: backupManifestSchema })),
  },
  actions: {
    preview: call.input(actionSchema).output(consequenceSchema),
    /** Checks the consequence again and refuses with the reason, or starts the operation. */
    run: call.input(actionSchema).output(started),
  },
  operations: {
    get: call.input(z.object({ operationId: operationIdSchema })).output(operationSchema),
    /** The operation now and at each change; ends with it. */
    watch: call.input(z.object({ operationId: operationIdSchema })).output(eventIterator(operationSchema)),
  },
  audit: {
    /** Newest first. */
    list: call.input(z.object({ limit: z.number().int().min(1).max(1000) })).output(z.array(auditEntrySchema)),
  },
  events: {
    /** Newest first. */
    list: call
      .input(
        z.object({
          clusterId: clusterIdSchema.nullable(),
          beforeEventId: z.number().int().nullable(),
          limit: z.number().int().min(1).max(500),
        }),
      )
      .output(z.array(timelineEventSchema)),
    /** The last `limit` events, oldest first, then each new one. */
    watch: call
      .input(z.object({ clusterId: clusterIdSchema.nullable(), limit: z.number().int().min(0).max(500) }))
      .output(eventIterator(z.array(timelineEventSchema))),
  },
  nodes: {
    log: call
      .input(z.object({ nodeId: nodeIdSchema, lines: z.number().int().min(1).max(2000) }))
      .output(z.object({ lines: z.array(z.string()) })),
  },
  lab: {
    status: call.output(labStatusSchema),
    /** Hosts on this computer, added to the fleet, and a cluster on them: "Try it on this computer". */
    tryIt: call.input(z.object({ nodes: z.number().int().min(1).max(9) })).output(started),
    up: call.input(z.object({ hosts: z.number().int().min(1).max(9) })).output(started),
    /** Destroys the lab's hosts, their nodes and their data. `confirm` must be "lab". */
    down: call.input(z.object({ confirm: z.literal('lab') })).output(started),
  },
} as const;

export type Contract = typeof contract;
