/** What may be asked of a supervisor on its unix socket, by the line protocol of contract/admin.ts. */
import { createServer, type Server, type Socket } from 'node:net';
import { z } from 'zod';
import { LineSplitter } from '../api/line-splitter.ts';
import { type AdminReply, adminRequestSchema } from '../contract/admin.ts';
import { processIdentitySchema } from './process-identity.ts';
import { CallFailedError, callSocket } from './socket-call.ts';

/**
 * Longest path of a unix socket in bytes: sun_path holds 108 on Linux and 104 on macOS with the closing zero (unix(7)), and
 * the contract asks for at most 100, so that a folder that works on one host works on all.
 */
export const SOCKET_PATH_MAX_BYTES = 100;

export const supervisorStatusSchema = z.object({
  supervisorPid: z.number().int(),
  state: z.enum(['running', 'restarting', 'failed', 'stopping']),
  node: processIdentitySchema.nullable(),
  restarts: z.number().int().min(0),
  /** It has ended right after its start many times in a row: trying on, but in need of an operator. */
  isFailing: z.boolean().default(false),
  reason: z.string().nullable(),
});
export type SupervisorStatus = z.infer<typeof supervisorStatusSchema>;

const nothing = z.object({});
export const supervisorCalls = {
  status: { params: nothing, result: supervisorStatusSchema },
  /** Answers when the node is gone; the supervisor then ends too. */
  stop: { params: nothing, result: nothing },
  /** Answers when the new process is started. Also takes a failed node up again, and ends a pause. */
  restart: { params: nothing, result: supervisorStatusSchema },
  /** SIGKILL to the node, which is then started again at once. */
  kill: { params: nothing, result: z.object({ killedPid: z.number().int() }) },
} as const;
type SupervisorCalls = typeof supervisorCalls;
export type SupervisorCall = keyof SupervisorCalls;
type ResultOf<C extends SupervisorCall> = z.infer<SupervisorCalls[C]['result']>;

export type SupervisorActions = { readonly [C in SupervisorCall]: () => ResultOf<C> | Promise<ResultOf<C>> };

/** Asks a supervisor; errors as of callSocket. */
export function askSupervisor<C extends SupervisorCall>(
  socketPath: string,
  call: C,
  timeoutMs: number,
): Promise<ResultOf<C>> {
  const result: z.ZodType<ResultOf<C>> = supervisorCalls[call].result as never;
  return callSocket({ socketPath, call, params: {}, result, timeoutMs });
}

/** Throws with the path when it cannot name a unix socket everywhere. */
export function assertSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes > SOCKET_PATH_MAX_BYTES) {
    throw new CallFailedError({
      kind: 'refused',
      message: `the unix socket path ${path} has ${bytes} bytes; at most ${SOCKET_PATH_MAX_BYTES} are possible`,
      nextStep: 'use a login user with a shorter home folder',
    });
  }
}

/** Serves the calls on `socketPath`, whose old file the caller has removed. Resolves when it listens. */
export async function serveControl(socketPath: string, actions: SupervisorActions): Promise<ControlServer> {
  assertSocketPath(socketPath);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serveSocket(socket, actions);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, resolve);
  });
  return new ControlServer(server, sockets);
}

export class ControlServer {
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  constructor(server: Server, sockets: Set<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
  }

  /** Lets answers under way reach their askers, then closes; removes the socket's file. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.end();
    const impatience = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, 500);
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    clearTimeout(impatience);
  }
}

function serveSocket(socket: Socket, actions: SupervisorActions): void {
  const splitter = new LineSplitter(64 * 1024);
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    try {
      for (const line of splitter.push(chunk)) void answer(line, actions).then((reply) => send(socket, reply));
    } catch {
      socket.destroy();
    }
  });
}

function send(socket: Socket, reply: AdminReply): void {
  if (socket.writable) socket.write(`${JSON.stringify(reply)}\n`);
}

async function answer(line: string, actions: SupervisorActions): Promise<AdminReply> {
  let id = 0;
  try {
    const request = adminRequestSchema.safeParse(JSON.parse(line));
    if (!request.success) return badRequest(id, request.error.message);
    id = request.data.id;
    const call = request.data.call;
    if (!isSupervisorCall(call)) return badRequest(id, `there is no call '${call}'`);
    return { id, ok: true, result: await actions[call]() };
  } catch (error) {
    if (error instanceof SyntaxError) return badRequest(id, `not JSON: ${error.message}`);
    if (error instanceof CallFailedError) return { id, ok: false, error: error.callError };
    return { id, ok: false, error: { kind: 'failed', message: String(error) } };
  }
}

function isSupervisorCall(name: string): name is SupervisorCall {
  return Object.hasOwn(supervisorCalls, name);
}

function badRequest(id: number, message: string): AdminReply {
  return { id, ok: false, error: { kind: 'badRequest', message } };
}
