/**
 * The engine behind a web server on loopback, for a browser or an app window. Three doors, each of them checked:
 *
 *   GET /?token=…   the one-time token becomes a cookie; everything else asks for the cookie
 *   GET /…          the renderer's files under a strict content security policy
 *   WebSocket /rpc  the contract; Origin and Host must be this very server (no cross-site calls, no DNS rebinding)
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { RPCHandler } from '@orpc/server/ws';
import { WebSocketServer } from 'ws';
import { contentSecurityPolicy } from '../contract/content-policy.ts';
import type { Engine } from '../engine/engine.ts';
import { admitClient, MAX_MESSAGE_BYTES } from './rpc-client.ts';
import { Sessions } from './session.ts';
import { sendFile } from './static-files.ts';

export interface ConsoleServer {
  /** `http://127.0.0.1:PORT/?token=…`, good for one opening; each call makes a new one. */
  readonly newUrl: () => string;
  readonly origin: string;
  readonly close: () => Promise<void>;
}

/** `appDir`: the built renderer. `port` 0: any free one. Binds 127.0.0.1 only. Rejects when the port is taken. */
export async function serveConsole(options: { engine: Engine; appDir: string; port: number }): Promise<ConsoleServer> {
  const server = createServer();
  await listen(server, options.port);
  const port = (server.address() as AddressInfo).port;
  const origin = `http://127.0.0.1:${port}`;
  const sessions = new Sessions(port);
  const isOurs = (request: IncomingMessage) => request.headers.host === `127.0.0.1:${port}`;

  server.on('request', (request, response) => {
    setSecurityHeaders(response);
    if (!isOurs(request)) response.writeHead(421).end('wrong host\n');
    else answerPage({ request, response, sessions, appDir: options.appDir });
  });

  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES });
  const rpc = new RPCHandler(options.engine.router);
  server.on('upgrade', (request, socket, head) => {
    // Node leaves a socket that upgrades without a listener, and then a reset would end the process.
    socket.on('error', () => socket.destroy());
    const path = URL.parse(request.url ?? '/', origin)?.pathname;
    if (path !== '/rpc' || !isOurs(request) || request.headers.origin !== origin || !sessions.admits(request)) {
      refuseUpgrade(socket as Socket);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => admitClient(webSocket, rpc));
  });

  return {
    origin,
    newUrl: () => `${origin}/?token=${sessions.issueToken()}`,
    close: async () => {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

function answerPage(call: {
  request: IncomingMessage;
  response: ServerResponse;
  sessions: Sessions;
  appDir: string;
}): void {
  const { request, response, sessions } = call;
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405).end();
    return;
  }
  const url = URL.parse(request.url ?? '/', 'http://127.0.0.1');
  if (url === null) {
    response.writeHead(400).end();
    return;
  }
  const token = url.searchParams.get('token');
  const cookie = token === null ? null : sessions.redeem(token);
  if (cookie !== null) {
    // The redirect takes the token out of the address bar and the history.
    response.writeHead(303, { 'set-cookie': cookie, location: '/' }).end();
    return;
  }
  if (!sessions.admits(request)) {
    const text =
      'This address was used already or is not valid.\nEach address opens one session: run the command that printed it again for a new one.\n';
    response.writeHead(403, { 'content-type': 'text/plain; charset=utf-8' }).end(text);
    return;
  }
  if (token !== null) response.writeHead(303, { location: '/' }).end();
  else void sendFile(response, call.appDir, url.pathname);
}

function setSecurityHeaders(response: ServerResponse): void {
  response.setHeader('content-security-policy', contentSecurityPolicy("'self'"));
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('referrer-policy', 'no-referrer');
  response.setHeader('cross-origin-opener-policy', 'same-origin');
  response.setHeader('cross-origin-resource-policy', 'same-origin');
}

function refuseUpgrade(socket: Socket): void {
  socket.end('HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
}
