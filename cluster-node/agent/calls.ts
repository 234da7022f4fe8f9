/** Every call of contract/agent.ts and what it does on this host. */
import type { z } from 'zod';
import { type AdminCall, type AdminResult, adminCalls } from '../contract/admin.ts';
import {
  type AgentCall,
  type AgentMessage,
  type AgentParams,
  type AgentResult,
  agentCalls,
  agentRequestSchema,
} from '../contract/agent.ts';
import type { HostPlace } from '../contract/host-layout.ts';
import { CallFailedError, callSocket, failCall } from '../supervisor/socket-call.ts';
import { KeyedQueue, within } from './bounded.ts';
import { listNodeFolders, type NodeFolder, openNodeFolder } from './node-folders.ts';
import { removeNode } from './remove-node.ts';
import type { NodeService } from './node-service.ts';
import { serviceOf, stateOfFound } from './service.ts';

const DISK_TIMEOUT_MS = 10_000;
const ADMIN_TIMEOUT_MS = 5_000;

type Actions = { readonly [C in AgentCall]: (params: AgentParams<C>) => Promise<AgentResult<C>> };

/** Answers one request; never throws. null for a line that bears no request id and so cannot be answered. */
export type Answer = (line: string) => Promise<Extract<AgentMessage, { kind: 'reply' }> | null>;

export function answerCalls(place: HostPlace): Answer {
  const actions = agentActions(place);
  return async (line) => {
    let id: number | null = null;
    try {
      const request: unknown = JSON.parse(line);
      id = requestId(request);
      if (id === null) return null;
      return { kind: 'reply', id, ok: true, result: await dispatch(actions, request) };
    } catch (error) {
      if (id === null) return null;
      const failure = error instanceof CallFailedError ? error : failCall('failed', String(error));
      return { kind: 'reply', id, ok: false, error: failure.callError };
    }
  };
}

function requestId(request: unknown): number | null {
  const id = (request as { id?: unknown } | null)?.id;
  return Number.isSafeInteger(id) ? (id as number) : null;
}

function dispatch(actions: Actions, request: unknown): Promise<unknown> {
  const { call, params } = parse(agentRequestSchema, request, 'the request');
  if (!Object.hasOwn(agentCalls, call)) throw failCall('badRequest', `there is no call '${call}'`);
  return run(actions, call as AgentCall, params);
}

function run<C extends AgentCall>(actions: Actions, call: C, params: unknown): Promise<AgentResult<C>> {
  const schema = agentCalls[call].params as unknown as z.ZodType<AgentParams<C>>;
  return actions[call](parse(schema, params, `the parameters of '${call}'`));
}

function parse<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'as a whole'}: ${issue.message}`);
  throw failCall('badRequest', `${what} are not as agreed: ${faults.join('; ')}`);
}

function agentActions(place: HostPlace): Actions {
  // What changes one node is done in the order asked for.
  const perNode = new KeyedQueue();
  const change = <T>(nodeId: string, job: (service: NodeService) => Promise<T>) =>
    perNode.run(nodeId, async () => job(serviceOf(await openFolder(place, nodeId))));
  return {
    nodes: async () => {
      const found = await onDisk(listNodeFolders(place), 'listing the nodes');
      return { nodes: await onDisk(Promise.all(found.map(stateOfFound)), 'looking at the nodes') };
    },
    start: ({ nodeId }) => change(nodeId, (service) => service.start()),
    stop: ({ nodeId }) => change(nodeId, (service) => service.stop()),
    restart: ({ nodeId }) => change(nodeId, (service) => service.restart()),
    kill: ({ nodeId }) => change(nodeId, (service) => service.kill()),
    remove: (params) => perNode.run(params.nodeId, () => removeNode({ place, ...params })),
    logTail: async ({ nodeId, lines }) => {
      const folder = await openFolder(place, nodeId);
      return { lines: await onDisk(serviceOf(folder).tailLog(lines), `reading the log of ${nodeId}`) };
    },
    // The node keeps to the asked time itself; what is added is for the way there and back.
    transferLeadership: async ({ nodeId, ...params }) =>
      askNode(await openFolder(place, nodeId), {
        call: 'transferLeadership',
        params,
        timeoutMs: params.timeoutMs + ADMIN_TIMEOUT_MS,
      }),
    configuration: async ({ nodeId }) =>
      askNode(await openFolder(place, nodeId), { call: 'configuration', params: {}, timeoutMs: ADMIN_TIMEOUT_MS }),
    reconfigure: async ({ nodeId, ...params }) =>
      askNode(await openFolder(place, nodeId), {
        call: 'reconfigure',
        params,
        timeoutMs: params.timeoutMs + ADMIN_TIMEOUT_MS,
      }),
    injectFault: async ({ nodeId, lease }) =>
      askNode(await openFolder(place, nodeId), { call: 'injectFault', params: lease, timeoutMs: ADMIN_TIMEOUT_MS }),
    healFault: async ({ nodeId, faultId }) =>
      askNode(await openFolder(place, nodeId), { call: 'healFault', params: { faultId }, timeoutMs: ADMIN_TIMEOUT_MS }),
    listFaults: async ({ nodeId }) =>
      askNode(await openFolder(place, nodeId), { call: 'listFaults', params: {}, timeoutMs: ADMIN_TIMEOUT_MS }),
  };
}

/** Asks a node on its admin socket; errors as of callSocket. */
export function askNode<C extends AdminCall>(
  folder: NodeFolder,
  request: { readonly call: C; readonly params: unknown; readonly timeoutMs: number },
): Promise<AdminResult<C>> {
  const result = adminCalls[request.call].result as unknown as z.ZodType<AdminResult<C>>;
  return callSocket({ socketPath: folder.adminSocket, result, ...request });
}

function openFolder(place: HostPlace, nodeId: string): Promise<NodeFolder> {
  return onDisk(openNodeFolder(place, nodeId), `reading the folder of ${nodeId}`);
}

async function onDisk<T>(work: Promise<T>, what: string): Promise<T> {
  const late = Symbol('late');
  const done = await within(work, DISK_TIMEOUT_MS, late);
  if (done === late)
    throw failCall('timeout', `${what} took longer than ${DISK_TIMEOUT_MS / 1000} s: the disk may hang`);
  return done;
}
