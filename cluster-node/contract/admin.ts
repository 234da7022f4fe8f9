/**
 * The admin API of a node: line-delimited JSON over a unix socket that only the node's user can open. One request a line,
 * one answer a line, matched by `id`.
 */
import { z } from 'zod';
import { configurationChangeSchema, configurationSchema } from './configuration.ts';
import { activeFaultSchema, faultLeaseSchema } from './fault.ts';
import { nodeSampleSchema } from './sample.ts';

const nothing = z.object({});
export const nodeEventSchema = z.object({
  /** From 1, by one, over one life of the node. */
  sequence: z.number().int(),
  atUnixMs: z.number(),
  kind: z.enum([
    'started',
    'electionStarted',
    'becameLeader',
    'steppedDown',
    'leaderChanged',
    'transferFailed',
    'configurationChanged',
    'reconfigureRefused',
    'handingOver',
    'peerUp',
    'peerDown',
    'faultInjected',
    'faultEnded',
    'alarm',
  ]),
  ballot: z.number().int().nullable(),
  memberSlot: z.number().int().nullable(),
  /** One sentence in words. */
  text: z.string(),
});
export type NodeEvent = z.infer<typeof nodeEventSchema>;

/** Every admin call with the schema of its parameters and of its result. */
export const adminCalls = {
  /** Percentiles cover the time since the previous `sample` call. */
  sample: { params: nothing, result: nodeSampleSchema },
  /** Events after `afterSequence`, oldest first, at most 500. */
  events: {
    params: z.object({ boot: z.number().nullable(), afterSequence: z.number().int().min(0) }),
    /** `boot` differs from the asked one when the node restarted: then events are given from its first on. */
    result: z.object({ boot: z.number(), events: z.array(nodeEventSchema) }),
  },
  /** Answers once another member leads or the attempt is over. */
  transferLeadership: {
    params: z.object({ target: z.number().int().min(1), timeoutMs: z.number().int().min(50).max(60_000) }),
    result: z.object({
      outcome: z.enum(['transferred', 'notLeader', 'failed', 'unknown']),
      believedLeader: z.number().int(),
      reason: z.string(),
    }),
  },
  /** The configuration in force at this node. */
  configuration: { params: nothing, result: z.object({ configuration: configurationSchema }) },
  /**
   * One step to the next configuration; only the leader does it. `changed`: decided, and in force at this node. `refused`: it would be
   * unsafe or makes no sense, and nothing has changed. `unknown`: it may still be decided; ask for the configuration.
   */
  reconfigure: {
    params: z.object({ change: configurationChangeSchema, timeoutMs: z.number().int().min(50).max(60_000) }),
    result: z.object({
      outcome: z.enum(['changed', 'refused', 'unknown']),
      believedLeader: z.number().int(),
      reason: z.string(),
      configuration: configurationSchema,
    }),
  },
  injectFault: { params: faultLeaseSchema, result: activeFaultSchema },
  /** Heals one fault; healing what is not there is no error. */
  healFault: { params: z.object({ faultId: z.string() }), result: z.object({ healed: z.boolean() }) },
  listFaults: { params: nothing, result: z.object({ faults: z.array(activeFaultSchema) }) },
} as const;

export type AdminCalls = typeof adminCalls;
export type AdminCall = keyof AdminCalls;
export type AdminParams<C extends AdminCall> = z.infer<AdminCalls[C]['params']>;
export type AdminResult<C extends AdminCall> = z.infer<AdminCalls[C]['result']>;

export const adminRequestSchema = z.object({ id: z.number().int(), call: z.string(), params: z.unknown() });
export type AdminRequest = z.infer<typeof adminRequestSchema>;

export const callErrorSchema = z.object({
  /** `starting`: the node reads its data folder and answers no call yet; the message says how far it is. */
  kind: z.enum(['badRequest', 'notFound', 'notRunning', 'starting', 'refused', 'timeout', 'failed']),
  message: z.string(),
  nextStep: z.string().optional(),
});
export type CallError = z.infer<typeof callErrorSchema>;

export const adminReplySchema = z.union([
  z.object({ id: z.number().int(), ok: z.literal(true), result: z.unknown() }),
  z.object({ id: z.number().int(), ok: z.literal(false), error: callErrorSchema }),
]);
export type AdminReply = z.infer<typeof adminReplySchema>;
