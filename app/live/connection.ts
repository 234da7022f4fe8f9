/**
 * The one connection to the engine: a MessagePort that the desktop shell hands over, or a WebSocket to the server that the
 * page came from. When it breaks it is made again, first at once and then ever more slowly; subscriptions (follow.ts) start
 * again by themselves, and what was last known stays on the screen, marked as such.
 */
import { createORPCClient } from '@orpc/client';
import { RPCLink as PortLink } from '@orpc/client/message-port';
import { RPCLink as SocketLink } from '@orpc/client/websocket';
import type { ContractRouterClient } from '@orpc/contract';
import type { Contract } from '../../electron/contract/contract.ts';
import { createStore } from './store.ts';

export type EngineClient = ContractRouterClient<Contract>;

export interface Connection {
  readonly state: 'connecting' | 'online' | 'lost';
  readonly client: EngineClient | null;
  readonly sinceUnixMs: number;
  /** When the next attempt is made; null while there is none to wait for. */
  readonly retryAtUnixMs: number | null;
}

const FIRST_RETRY_MS = 250;
const SLOWEST_RETRY_MS = 8_000;

export const connection = createStore<Connection>({
  state: 'connecting',
  client: null,
  sinceUnixMs: Date.now(),
  retryAtUnixMs: null,
});

/** Starts, and keeps, the connection. Called once. */
export function connect(): void {
  window.addEventListener('message', (event) => {
    const port = event.ports[0];
    if (event.source === window && event.data === 'synod:port' && port !== undefined) usePort(port);
  });
  if (!('synodDesktop' in window)) openSocket(0);
}

/** Makes the next attempt now. */
export function reconnectNow(): void {
  retryNow?.();
}

/** The client, or an error that says that there is no engine to ask. */
export function engine(): EngineClient {
  const { client } = connection.get();
  if (client === null) throw new Error('There is no connection to the engine');
  return client;
}

let retryNow: (() => void) | null = null;

function usePort(port: MessagePort): void {
  const client: EngineClient = createORPCClient(new PortLink({ port }));
  port.addEventListener('close', () => {
    if (connection.get().client === client) lost(null);
  });
  port.start();
  online(client);
}

function openSocket(attempt: number): void {
  retryNow = null;
  const url = new URL('/rpc', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.hash = '';
  const socket = new WebSocket(url);
  let opened = false;
  socket.addEventListener('open', () => {
    opened = true;
    online(createORPCClient(new SocketLink({ websocket: socket })));
  });
  socket.addEventListener('close', () => {
    const next = opened ? 0 : attempt + 1;
    const delayMs = Math.min(SLOWEST_RETRY_MS, FIRST_RETRY_MS * 2 ** next);
    lost(Date.now() + delayMs);
    const timer = setTimeout(() => openSocket(next), delayMs);
    retryNow = () => {
      clearTimeout(timer);
      openSocket(0);
    };
  });
}

function online(client: EngineClient): void {
  connection.set({ state: 'online', client, sinceUnixMs: Date.now(), retryAtUnixMs: null });
}

function lost(retryAtUnixMs: number | null): void {
  const before = connection.get();
  const sinceUnixMs = before.state === 'lost' ? before.sinceUnixMs : Date.now();
  connection.set({ state: 'lost', client: null, sinceUnixMs, retryAtUnixMs });
}
