/** A plan as it is shown, kept and compared: per host what was seen of what matters, and the steps that follow. Pure. */
import { z } from 'zod';
import {
  clusterIdSchema,
  folderSchema,
  hostIdSchema,
  nameSchema,
  nodeIdSchema,
  placeSchema,
} from '../../../contract/model.ts';
import { planStepSchema } from '../../../contract/plan.ts';
import { canonicalJson } from './canonical-json.ts';
import type { HostStep } from './host-plan.ts';
import type { ObservedHost } from './observed-host.ts';
import { type Resource, targetOf } from './resources.ts';

export const plannedOnHostSchema = z.object({
  hostId: hostIdSchema,
  host: z.string(),
  /** What was seen of each thing that the plan is about, in words. */
  seen: z.record(z.string(), z.string()),
  steps: z.array(planStepSchema),
});
export type PlannedOnHost = z.infer<typeof plannedOnHostSchema>;

/** A cluster as it was asked for. */
export const clusterDraftSchema = z.object({
  name: nameSchema,
  clusterId: clusterIdSchema,
  place: placeSchema,
  members: z.array(
    z.object({
      hostId: hostIdSchema,
      nodeId: nodeIdSchema,
      name: nameSchema,
      address: z.string(),
      peerPort: z.number().int(),
      clientPort: z.number().int(),
      dataFolder: folderSchema.nullable(),
    }),
  ),
});
export type ClusterDraft = z.infer<typeof clusterDraftSchema>;

export const planRecordSchema = z.object({
  hash: z.string(),
  name: nameSchema,
  /** null: the cluster was there already. */
  draft: clusterDraftSchema.nullable(),
  hosts: z.array(plannedOnHostSchema),
});
export type PlanRecord = z.infer<typeof planRecordSchema>;

export function plannedOnHost(
  host: { hostId: string; name: string },
  looked: { desired: readonly Resource[]; observed: ObservedHost; steps: readonly HostStep[] },
): PlannedOnHost {
  return {
    hostId: host.hostId,
    host: host.name,
    seen: Object.fromEntries(looked.desired.map((resource) => [targetOf(resource), seenOf(resource, looked.observed)])),
    steps: looked.steps.map(({ resource, change, diff, why }) => ({
      phase: resource.phase,
      kind: resource.kind,
      target: targetOf(resource),
      change,
      diff,
      why,
    })),
  };
}

function seenOf(resource: Resource, observed: ObservedHost): string {
  switch (resource.kind) {
    case 'user':
    case 'noUser':
      return observed.users.has(resource.name) ? 'there' : 'absent';
    case 'service':
    case 'noService':
      return observed.services.get(resource.nodeId)?.isRunning ? 'running' : 'not running';
    default: {
      const entry = observed.entries.get(resource.path);
      if (!entry) return 'absent';
      const what = observed.digests.get(resource.path) ?? observed.links.get(resource.path) ?? '';
      return `${entry.type} ${entry.owner}:${entry.group} ${entry.mode.toString(8)} ${what}`.trimEnd();
    }
  }
}

/** The text whose digest names the plan: the same for the same hosts in the same state with the same wishes. */
export function canonicalPlan(plan: Omit<PlanRecord, 'hash'>): string {
  return canonicalJson(plan);
}

const NAMED_AT_MOST = 5;

/** What is no longer as the plan says, for people. */
export function whatChanged(planned: readonly PlannedOnHost[], now: readonly PlannedOnHost[]): string {
  const changes = now.flatMap((host) => {
    const before = planned.find((one) => one.hostId === host.hostId);
    if (!before) return [`${host.host} was not in it`];
    const targets = [...new Set([...Object.keys(before.seen), ...Object.keys(host.seen)])];
    return targets
      .filter((target) => before.seen[target] !== host.seen[target])
      .map((target) => `${host.host}: ${target} was ${say(before.seen[target])}, is ${say(host.seen[target])}`);
  });
  if (changes.length === 0) return 'what is wanted has changed (another version of Synod, other certificates)';
  const more = changes.length - NAMED_AT_MOST;
  return `${changes.slice(0, NAMED_AT_MOST).join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
}

function say(seen: string | undefined): string {
  return (seen ?? 'not part of it').replace(/\b([0-9a-f]{8})[0-9a-f]{56}\b/, '$1…');
}
