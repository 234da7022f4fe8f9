/**
 * What the engine and the agent on a host say to each other over one SSH channel: line-delimited JSON, one object a line, at
 * most 1 MiB. The engine sends requests; the agent sends replies (matched by `id`) and pushes.
 */
import { z } from 'zod';
import { adminCalls, callErrorSchema, nodeEventSchema } from './admin.ts';
import { sampleSchema, serviceStateSchema } from './sample.ts';

export const AGENT_PROTOCOL_VERSION = 1;
export const MAX_AGENT_LINE_BYTES = 1 << 20;

const nodeId = z.string().regex(/^n-[a-z0-9]{8}$/);
const ofNode = z.object({ nodeId });

/** Every call to the agent with the schema of its parameters and of its result. `nodeId` must name a node on this host. */
export const agentCalls = {
  /** Which nodes have a folder here, and how their service is. */
  nodes: { params: z.object({}), result: z.object({ nodes: z.array(serviceStateSchema) }) },
  /** Starts the supervisor if needed and waits until the node answers its admin socket, or says why not. */
  start: { params: ofNode, result: serviceStateSchema },
  /** Stops the node and its supervisor; done when both are gone. */
  stop: { params: ofNode, result: serviceStateSchema },
  restart: { params: ofNode, result: serviceStateSchema },
  /** SIGKILL to the node's process; the service manager starts it again. */
  kill: { params: ofNode, result: z.object({ killedPid: z.number().int() }) },
  /** Removes a stopped node's folder. `confirmNodeId` must repeat the id. */
  remove: { params: z.object({ nodeId, confirmNodeId: nodeId }), result: z.object({ removed: z.boolean() }) },
  /** Last lines of the node's log, oldest first. */
  logTail: {
    params: z.object({ nodeId, lines: z.number().int().min(1).max(2000) }),
    result: z.object({ lines: z.array(z.string()) }),
  },
  transferLeadership: {
    params: z.object({ nodeId, ...adminCalls.transferLeadership.params.shape }),
    result: adminCalls.transferLeadership.result,
  },
  configuration: { params: ofNode, result: adminCalls.configuration.result },
  reconfigure: {
    params: z.object({ nodeId, ...adminCalls.reconfigure.params.shape }),
    result: adminCalls.reconfigure.result,
  },
  injectFault: {
    params: z.object({ nodeId, lease: adminCalls.injectFault.params }),
    result: adminCalls.injectFault.result,
  },
  healFault: { params: z.object({ nodeId, faultId: z.string() }), result: adminCalls.healFault.result },
  listFaults: { params: ofNode, result: adminCalls.listFaults.result },
} as const;

export type AgentCalls = typeof agentCalls;
export type AgentCall = keyof AgentCalls;
export type AgentParams<C extends AgentCall> = z.infer<AgentCalls[C]['params']>;
export type AgentResult<C extends AgentCall> = z.infer<AgentCalls[C]['result']>;

export const agentRequestSchema = z.object({ id: z.number().int(), call: z.string(), params: z.unknown() });

export const agentMessageSchema = z.discriminatedUnion('kind', [
  /** First line of every agent. */
  z.object({
    kind: z.literal('hello'),
    protocolVersion: z.number().int(),
    version: z.string(),
    hostname: z.string(),
    pid: z.number().int(),
  }),
  z.discriminatedUnion('ok', [
    z.object({ kind: z.literal('reply'), id: z.number().int(), ok: z.literal(true), result: z.unknown() }),
    z.object({ kind: z.literal('reply'), id: z.number().int(), ok: z.literal(false), error: callErrorSchema }),
  ]),
  z.object({ kind: z.literal('sample'), sample: sampleSchema }),
  z.object({ kind: z.literal('nodeEvents'), nodeId: z.string(), boot: z.number(), events: z.array(nodeEventSchema) }),
]);
export type AgentMessage = z.infer<typeof agentMessageSchema>;
