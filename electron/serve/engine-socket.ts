/**
 * The engine's unix socket: by it the command line finds an engine that runs already and becomes its client. Only the user
 * who owns the state folder (mode 0700) can open it.
 */
import { chmodSync, existsSync, unlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createORPCClient } from '@orpc/client';
import { RPCLink } from '@orpc/client/websocket';
import type { ContractRouterClient } from '@orpc/contract';
import { RPCHandler } from '@orpc/server/ws';
import { WebSocket, WebSocketServer } from 'ws';
import type { Contract } from '../contract/contract.ts';
import type { Engine } from '../engine/engine.ts';
import { FailureError } from '../engine/operations/failure.ts';
import { admitClient, MAX_MESSAGE_BYTES } from './rpc-client.ts';

/** A living engine answers at once. */
const HANDSHAKE_TIMEOUT_MS = 5000;

export type EngineClient = ContractRouterClient<Contract>;

export const engineSocketPath = (stateDir: string): string => join(stateDir, 'engine.sock');

/** The caller owns the state folder's lock, so a socket file that lies there is left over and is replaced. */
export async function openEngineSocket(engine: Engine, stateDir: string): Promise<{ close: () => Promise<void> }> {
  const path = engineSocketPath(stateDir);
  if (existsSync(path)) unlinkSync(path);
  const server = createServer((_request, response) => response.writeHead(404).end());
  const sockets = new WebSocketServer({ server, maxPayload: MAX_MESSAGE_BYTES });
  const rpc = new RPCHandler(engine.router);
  sockets.on('connection', (socket) => admitClient(socket, rpc));
  server.on('upgrade', (_request, socket) => socket.on('error', () => socket.destroy()));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  return {
    close: async () => {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** A client of the engine that owns this state folder; null when none runs. Throws FailureError when it is frozen. */
export async function connectToEngine(stateDir: string): Promise<{ client: EngineClient; close: () => void } | null> {
  const path = engineSocketPath(stateDir);
  if (!existsSync(path)) return null;
  const socket = new WebSocket(`ws+unix://${path}:/rpc`, { handshakeTimeout: HANDSHAKE_TIMEOUT_MS });
  const failed = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
    socket.once('open', () => resolve(null));
    socket.once('error', resolve);
  });
  if (failed !== null) {
    // Nobody listens: the socket was left behind by an engine that was killed.
    if (failed.code === 'ECONNREFUSED' || failed.code === 'ENOENT') return null;
    throw new FailureError(
      {
        kind: 'engineSilent',
        message: `The engine that owns ${stateDir} does not answer: ${failed.message}.`,
        nextStep: `Its process id stands in ${join(stateDir, 'engine.json')}. Wait for it, or end it: the clusters go on.`,
      },
      { cause: failed },
    );
  }
  const link = new RPCLink({ websocket: socket as unknown as globalThis.WebSocket });
  return { client: createORPCClient(link), close: () => socket.close() };
}
