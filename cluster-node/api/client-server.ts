/**
 * What clients connect to: etcd's v3 API on the client port. With TLS only clients with a certificate of the cluster's CA
 * come in; without, the port speaks HTTP/2 in the clear (h2c). Services fill one table of methods; a new call is one entry.
 */
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { etcdErrors } from '../machine/errors.ts';
import { Newcomers } from '../runtime/newcomers.ts';
import { ByteBudget } from './byte-budget.ts';
import { clusterMethods } from './cluster-service.ts';
import { type GrpcLimits, serveGrpc } from './grpc-server.ts';
import { kvMethods } from './kv-service.ts';
import type { NodePort } from './port.ts';

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
const limits = { maxMessageBytes: 2 * 1024 * 1024, maxTimeoutMs: 7000 };
/** Of one connection, as node:http2 counts; past it new calls are reset with ENHANCE_YOUR_CALM. Not reached before `bounds`. */
const MAX_SESSION_MEMORY_MB = 256;
/** More calls wait at the client. */
const http2Settings = { maxConcurrentStreams: 1024, initialWindowSize: 1 << 20 };

export interface ClientBounds {
  /** Of all requests not yet answered and all answers not yet sent; past it calls are refused with "too many requests". */
  readonly keptBytes: number;
  /** Of one connection, so that one client cannot take everything. */
  readonly keptBytesOfOne: number;
  /** After so long (node:http2 takes up to three times that) a call on whose stream nothing moves is reset. */
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
  tls: ClientTls | null,
  bounds: ClientBounds = defaultClientBounds,
): ClientServer {
  const methods = new Map([...kvMethods(port), ...clusterMethods(port, tls ? 'https' : 'http')]);
  // A client may ask to be told at once when there is no leader (clientv3.WithRequireLeader).
  const refuse = (headers: http2.IncomingHttpHeaders) =>
    headers['hasleader'] === 'true' && port.status().believedLeader === 0 ? etcdErrors.noLeader : null;
  const server = tls
    ? http2.createSecureServer({
        ...tls,
        requestCert: true,
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
        ALPNProtocols: ['h2'],
        settings: http2Settings,
        maxSessionMemory: MAX_SESSION_MEMORY_MB,
      })
    : http2.createServer({ settings: http2Settings, maxSessionMemory: MAX_SESSION_MEMORY_MB });
  const sessions = new Set<http2.ServerHttp2Session>();
  const grpcLimits: GrpcLimits = { ...limits, stalledMs: bounds.stalledMs };
  const budget = new ByteBudget(bounds.keptBytes);
  const newcomers = new Newcomers(server, { atMost: bounds.newcomers, deadlineMs: bounds.newcomerMs });
  server.maxConnections = bounds.connections;
  server.on('connection', (socket) => socket.setNoDelay(true));
  server.on('session', (session) => {
    sessions.add(session);
    session.setLocalWindowSize(4 << 20);
    session.on('error', () => {}).on('close', () => sessions.delete(session));
    // The client's first frame.
    session.once('remoteSettings', () => newcomers.admit(session.socket));
    const share = budget.part(bounds.keptBytesOfOne);
    session.on('stream', (stream, headers) =>
      serveGrpc({ stream, headers, methods, limits: grpcLimits, refuse, budget: share }),
    );
  });
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
        server.close(() => resolve());
        newcomers.clear();
        for (const session of sessions) session.close();
        setTimeout(() => sessions.forEach((session) => session.destroy()), graceMs).unref();
      }),
  };
}
