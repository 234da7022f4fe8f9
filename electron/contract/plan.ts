/** What a plan for hosts says, step by step, and what became of those that were carried out. */
import { z } from 'zod';

export const planStepSchema = z.object({
  /** Steps of one phase are one step of the operation that carries the plan out. */
  phase: z.string(),
  kind: z.string(),
  /** A path, a user, a node. */
  target: z.string(),
  change: z.enum(['create', 'update', 'remove', 'start', 'restart', 'stop']),
  /** Lines that begin with `- ` and `+ `; secrets only as digests. null: there is nothing more to say. */
  diff: z.string().nullable(),
  why: z.string(),
});

export const hostPlanSchema = z.object({
  hostId: z.string(),
  host: z.string(),
  /** In the order in which they are carried out; empty: nothing to do. */
  steps: z.array(planStepSchema),
  /** What an operator may have to do there: firewall rules that Synod does not touch. */
  hints: z.array(z.string()),
});
export type HostPlan = z.infer<typeof hostPlanSchema>;

export const auditEntrySchema = z.object({
  operationId: z.string(),
  kind: z.string(),
  title: z.string(),
  cluster: z.string(),
  /** Login and computer of the console. */
  who: z.string(),
  /** As the operator gave it; null: not given. */
  why: z.string().nullable(),
  /** The plan that was agreed to; null: none was named. */
  plan: z.string().nullable(),
  startedAtUnixMs: z.number(),
  /** null: its end was not seen. */
  endedAtUnixMs: z.number().nullable(),
  result: z.enum(['succeeded', 'failed', 'unknown']),
  /** One sentence. */
  outcome: z.string().nullable(),
  commands: z.array(
    z.object({
      host: z.string(),
      command: z.string(),
      /** null: its end was not seen, or it never was run. */
      exitCode: z.number().int().nullable(),
      startedAtUnixMs: z.number(),
      tookMs: z.number(),
    }),
  ),
});
export type AuditEntry = z.infer<typeof auditEntrySchema>;
