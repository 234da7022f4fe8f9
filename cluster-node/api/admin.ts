/**
 * The admin API: line-delimited JSON on a unix socket that only the node's own user can open (the folder is 0700, the socket
 * 0600). Calls and their schemas are contract/admin.ts; every line is parsed before anything is done with it. The socket is there
 * before the node is: until `serve` every call is answered with what the node is doing.
 */
import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { z } from 'zod';
import {
  type AdminCall,
  type AdminParams,
  type AdminReply,
  type AdminResult,
  adminCalls,
  adminRequestSchema,
  type CallError,
} from '../contract/admin.ts';
import { LineSplitter } from './line-splitter.ts';

const MAX_LINE_BYTES = 1 << 20;
const MAX_UNREAD_BYTES = 4 << 20;
/** The agent opens one for each call; several consoles may be at work. */
const CONNECTIONS_AT_MOST = 64;
/** Longer than any call takes, so that forgotten connections do not shut out the rest. */
const IDLE_MS = 60_000;

export type AdminHandlers = {
  readonly [C in AdminCall]: (params: AdminParams<C>) => AdminResult<C> | Promise<AdminResult<C>>;
};

/** Thrown by a handler: the caller's mistake or an expected failure, told as it is. */
export class AdminCallError extends Error {
  override readonly name = 'AdminCallError';
  readonly callError: CallError;
  constructor(callError: CallError) {
    super(callError.message);
    this.callError = callError;
  }
}

export class AdminSocketError extends Error {
  override readonly name = 'AdminSocketError';
}

export interface AdminServer {
  /**
   * Takes the path over: whoever calls this holds the lock of the data folder, so a socket that is there is a dead one's. Throws
   * AdminSocketError when something else is there.
   */
  listen(): Promise<void>;
  /** The node is there: calls are answered from now on. */
  serve(handlers: AdminHandlers): void;
  close(): Promise<void>;
}

export function createAdminServer(options: {
  readonly socketPath: string;
  /** What the node does before it can answer, in words. */
  readonly doing: () => string;
  readonly onFailure: (call: string, error: unknown) => void;
}): AdminServer {
  let handlers: AdminHandlers | null = null;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    const reply = async (line: string) => {
      const text = JSON.stringify(await answer({ ...options, handlers }, line));
      // Who asks without end and reads nothing is not waited for.
      if (socket.writableLength > MAX_UNREAD_BYTES) socket.destroy();
      else socket.write(`${text}\n`);
    };
    readLines(socket, (line) => void reply(line));
  });
  server.maxConnections = CONNECTIONS_AT_MOST;
  return {
    listen: () => {
      mkdirSync(dirname(options.socketPath), { recursive: true, mode: 0o700 });
      removeOldSocket(options.socketPath);
      return new Promise((resolve, reject) => {
        server.once('error', reject);
        const umask = process.umask(0o177);
        server.listen(options.socketPath, () => {
          server.off('error', reject);
          chmodSync(options.socketPath, 0o600);
          resolve();
        });
        process.umask(umask);
      });
    },
    serve: (those) => {
      handlers = those;
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** The configuration names the path, and nothing but a socket is removed at its word. */
function removeOldSocket(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found !== undefined && !found.isSocket())
    throw new AdminSocketError(
      `${path}, where the admin socket should be, is no socket: correct adminSocket in the configuration, or move away what is there`,
    );
  rmSync(path, { force: true });
}

function readLines(socket: Socket, onLine: (line: string) => void): void {
  const splitter = new LineSplitter(MAX_LINE_BYTES);
  socket.on('data', (chunk) => {
    try {
      for (const line of splitter.push(chunk)) onLine(line);
    } catch {
      socket.destroy();
    }
  });
}

async function answer(
  {
    handlers,
    doing,
    onFailure,
  }: { handlers: AdminHandlers | null; doing: () => string; onFailure: (call: string, error: unknown) => void },
  line: string,
): Promise<AdminReply> {
  const request = adminRequestSchema.safeParse(parseJson(line));
  if (!request.success) return failed(0, 'badRequest', 'the line is no request: {"id", "call", "params"}');
  const { id, call, params } = request.data;
  if (!isAdminCall(call)) return failed(id, 'badRequest', `there is no call ${JSON.stringify(call.slice(0, 40))}`);
  const parsed = adminCalls[call].params.safeParse(params);
  if (!parsed.success) return failed(id, 'badRequest', `${call}: ${z.prettifyError(parsed.error)}`);
  if (handlers === null) return failed(id, 'starting', `the node is starting: ${doing()}`);
  try {
    const result = await (handlers[call] as (params: unknown) => unknown)(parsed.data);
    return { id, ok: true, result };
  } catch (error) {
    if (error instanceof AdminCallError) return { id, ok: false, error: error.callError };
    onFailure(call, error);
    return failed(id, 'failed', `${call} failed: ${(error as Error).message}`);
  }
}

function isAdminCall(call: string): call is AdminCall {
  return Object.hasOwn(adminCalls, call);
}

function failed(id: number, kind: CallError['kind'], message: string): AdminReply {
  return { id, ok: false, error: { kind, message } };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
