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

export type EngineClient = ContractRouterClient<Contract>;

export const engineSocketPath = (stateDir: string): string => join(stateDir, 'engine.sock');

/** The caller owns the state folder's lock, so a socket file that lies there is left over and is replaced. */
export async function openEngineSocket(engine: Engine, stateDir: string): Promise<{ close: () => Promise<void> }> {
  const path = engineSocketPath(stateDir);
  if (existsSync(path)) unlinkSync(path);
  const server = createServer((_request, response) => response.writeHead(404).end());
  const sockets = new WebSocketServer({ server });
  const rpc = new RPCHandler(engine.router);
  sockets.on('connection', (socket) => void rpc.upgrade(socket, { context: {} }));
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

/** A client of the engine that owns this state folder; null when none runs. */
export async function connectToEngine(stateDir: string): Promise<{ client: EngineClient; close: () => void } | null> {
  const path = engineSocketPath(stateDir);
  if (!existsSync(path)) return null;
  const socket = new WebSocket(`ws+unix://${path}:/rpc`);
  const connected = await new Promise<boolean>((resolve) => {
    socket.once('open', () => resolve(true));
    socket.once('error', () => resolve(false));
  });
  if (!connected) return null;
  const link = new RPCLink({ websocket: socket as unknown as globalThis.WebSocket });
  return { client: createORPCClient(link), close: () => socket.close() };
}
