/**
 * What clients connect to: etcd's v3 API on the client port. With TLS only clients with a certificate of the cluster's CA
 * come in; without, the port speaks HTTP/2 in the clear (h2c). Services fill one table of methods; a new call is one entry.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import tls from 'node:tls';
import { etcdErrors } from '../machine/errors.ts';
import { Newcomers } from '../net/newcomers.ts';
import { ByteBudget } from './byte-budget.ts';
import { clusterMethods } from './cluster-service.ts';
import { type GrpcLimits, serveGrpc } from './grpc-server.ts';
import { Http2Connection } from './http2/connection.ts';
import type { RequestHeaders } from './http2/header-decoder.ts';
import { readPreface } from './http2/preface.ts';
import { kvMethods } from './kv-service.ts';
import type { NodePort } from './port.ts';
import { snapshotMethods } from './snapshot-service.ts';

/** PEM texts. */
export interface ClientTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface ClientServer {
  /** Resolves with the port once it accepts connections; 0 asks for any. Rejects when the address cannot be had. */
  listen(address: { readonly host: string; readonly port: number }): Promise<number>;
  /** Stops accepting and ends open connections; calls under way get `graceMs` to finish. */
  close(graceMs?: number): Promise<void>;
}

/** As etcd: 1.5 MiB for a request and half a MiB for what surrounds it; seven seconds and no more for a call. */
const limits: GrpcLimits = { maxMessageBytes: 2 * 1024 * 1024, maxTimeoutMs: 7000 };
/** How often stalled streams are looked for within `stalledMs`. */
const STALL_ROUNDS = 4;

export interface ClientBounds {
  /**
   * Of all requests not yet answered and all answers not yet sent; past it calls are refused with "too many requests", an answer
   * before it is made. One is made at a time, and takes at most twice its size for that moment.
   */
  readonly keptBytes: number;
  /** Of one connection, so that one client cannot take everything. */
  readonly keptBytesOfOne: number;
  /** After so long, and at most half as long again, a call is reset whose client neither sends nor takes anything. */
  readonly stalledMs: number;
  readonly connections: number;
  /** Connections on which HTTP/2 has not begun. */
  readonly newcomers: number;
  readonly newcomerMs: number;
}

export const defaultClientBounds: ClientBounds = {
  keptBytes: 256 << 20,
  keptBytesOfOne: 128 << 20,
  stalledMs: 10_000,
  connections: 2048,
  newcomers: 1024,
  newcomerMs: 5000,
};

export function createClientServer(
  port: NodePort,
  tlsTexts: ClientTls | null,
  bounds: ClientBounds = defaultClientBounds,
): ClientServer {
  const methods = new Map([...kvMethods(port), ...clusterMethods(port, tlsTexts ? 'https' : 'http')]);
  const streams = new Map(snapshotMethods(port));
  // A client may ask to be told at once when there is no leader (clientv3.WithRequireLeader).
  const refuse = (headers: RequestHeaders) =>
    headers.get('hasleader') === 'true' && port.status().believedLeader === 0 ? etcdErrors.noLeader : null;
  const connections = new Set<Http2Connection>();
  const budget = new ByteBudget(bounds.keptBytes);
  const server = createSocketServer(tlsTexts, (socket) => {
    const share = budget.part(bounds.keptBytesOfOne);
    const connection = new Http2Connection(socket, {
      onReady: () => newcomers.admit(socket),
      onStream: (stream, headers) => serveGrpc(stream, headers, { methods, streams, limits, refuse, budget: share }),
    });
    connections.add(connection);
    socket.on('close', () => connections.delete(connection));
  });
  const newcomers = new Newcomers(server, { atMost: bounds.newcomers, deadlineMs: bounds.newcomerMs });
  server.maxConnections = bounds.connections;
  const rounds = setInterval(
    () => connections.forEach((connection) => connection.resetStalled(STALL_ROUNDS)),
    bounds.stalledMs / STALL_ROUNDS,
  ).unref();
  return {
    listen: (address) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(address, () => {
          server.off('error', reject);
          server.on('error', () => {});
          resolve((server.address() as AddressInfo).port);
        });
      }),
    close: (graceMs = 1000) =>
      new Promise((resolve) => {
        clearInterval(rounds);
        server.close(() => resolve());
        newcomers.clear();
        for (const connection of connections) connection.close();
        setTimeout(() => connections.forEach((connection) => connection.destroy()), graceMs).unref();
      }),
  };
}

/** Sockets come once the client is known and has begun HTTP/2. What speaks anything else is closed. */
function createSocketServer(tlsTexts: ClientTls | null, onHttp2: (socket: Socket) => void): Server {
  const onSocket = (socket: Socket): void => {
    // A lost connection is nothing to report; without a listener it would end the process.
    socket.on('error', () => {});
    readPreface(socket, { isHttp2: () => onHttp2(socket), isOther: () => socket.destroy() });
  };
  if (!tlsTexts) return createServer({ noDelay: true }, onSocket);
  const options = {
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['h2'],
  } as const;
  return tls.createServer({ ...tlsTexts, ...options, noDelay: true }, (socket) => {
    if (socket.alpnProtocol === 'h2') onSocket(socket);
    else socket.destroy();
  });
}
