/**
 * Where peers connect to send. A connection counts only after three checks: its certificate is the cluster's, the certificate
 * names a member, and the hello says the same member of the same cluster. One connection a member: a newer one ends the older.
 */
import tls from 'node:tls';
import type { MemberSlot } from '../contract/ballot.ts';
import type { MemberAddress } from '../contract/node-config.ts';
import type { PeerMessage } from '../contract/peer.ts';
import { listenOn } from '../runtime/listen.ts';
import { Newcomers } from '../runtime/newcomers.ts';
import { decodeFrame, encodeFrame, type Frame, type Hello } from './codec.ts';
import { FrameSplitter } from './frame-splitter.ts';
import { type PeerTls, peerNodeIds } from './identity.ts';
import { helloMismatch } from './outbound-link.ts';

/** Handshake and hello together. */
const HELLO_TIMEOUT_MS = 4000;
/** Connections that have not said a valid hello. A cluster has a handful of members. */
const NEWCOMERS_AT_MOST = 64;
/** A peer pings twice a second; without that its connection is dead, whatever the system says. */
const SILENCE_MS = 3000;
const PONG = encodeFrame({ kind: 'pong' });

export interface InboundServerOptions {
  readonly hello: Hello;
  readonly peers: readonly MemberAddress[];
  readonly tls: PeerTls;
  readonly onMessage: (from: MemberSlot, message: PeerMessage) => void;
  readonly onRefused: (remote: string, reason: string) => void;
}

export class InboundServer {
  readonly #options: InboundServerOptions;
  readonly #server: tls.Server;
  readonly #newcomers: Newcomers;
  readonly #sockets = new Set<tls.TLSSocket>();
  readonly #byMember = new Map<MemberSlot, tls.TLSSocket>();

  constructor(options: InboundServerOptions) {
    this.#options = options;
    this.#server = tls.createServer(
      {
        ...options.tls,
        requestCert: true,
        // Whoever is not authorized is turned away in #accept, where the reason can be told and logged; node:tls would drop
        // the connection without a word.
        rejectUnauthorized: false,
        minVersion: 'TLSv1.3',
        noDelay: true,
      },
      (socket) => this.#accept(socket),
    );
    this.#newcomers = new Newcomers(this.#server, {
      atMost: NEWCOMERS_AT_MOST,
      deadlineMs: HELLO_TIMEOUT_MS,
      onTurnedAway: options.onRefused,
    });
    this.#server.on('tlsClientError', (error, socket) => {
      // Someone who hangs up during the handshake, such as a port scan, is not worth a line.
      if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET')
        options.onRefused(socket.remoteAddress ?? 'unknown address', error.message);
    });
  }

  /** Rejects with EADDRINUSE and the like. */
  listen(address: { host: string; port: number }): Promise<void> {
    return listenOn(this.#server, address);
  }

  close(): Promise<void> {
    this.#newcomers.clear();
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #accept(socket: tls.TLSSocket): void {
    const splitter = new FrameSplitter();
    let member: MemberSlot = 0;
    this.#sockets.add(socket);
    socket.setTimeout(SILENCE_MS, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (this.#byMember.get(member) === socket) this.#byMember.delete(member);
    });
    if (!socket.authorized) {
      this.#refuse(socket, `its certificate is not of this cluster: ${String(socket.authorizationError)}`);
      return;
    }
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const body of splitter.push(chunk)) {
          const frame = decodeFrame(body);
          if (member === 0) member = this.#welcome(socket, frame);
          else this.#onFrame(socket, member, frame);
          if (socket.destroyed) return;
        }
      } catch (error) {
        if (!(error instanceof Refusal) && (error as Error).name !== 'FrameError') throw error;
        this.#refuse(socket, (error as Error).message);
      }
    });
  }

  #refuse(socket: tls.TLSSocket, reason: string): void {
    this.#options.onRefused(socket.remoteAddress ?? 'unknown address', reason);
    socket.end(encodeFrame({ kind: 'refused', reason: reason.slice(0, 500) }));
    socket.destroySoon();
  }

  /** The member that is calling. Throws Refusal for a stranger. */
  #welcome(socket: tls.TLSSocket, frame: Frame): MemberSlot {
    const { hello, peers } = this.#options;
    if (frame.kind !== 'hello') throw new Refusal(`a ${frame.kind} came before the hello`);
    const claimed = peerNodeIds(socket);
    const peer = peers.find((candidate) => candidate.nodeId === frame.nodeId);
    if (!peer) throw new Refusal(`${frame.nodeId} is no other member of cluster ${hello.clusterId}`);
    if (!claimed.includes(peer.nodeId))
      throw new Refusal(`says it is ${peer.nodeId} but its certificate is for ${claimed.join(', ') || 'no node'}`);
    const mismatch = helloMismatch(frame, { ...hello, nodeId: peer.nodeId, memberSlot: peer.memberSlot });
    if (mismatch !== null) throw new Refusal(mismatch);
    this.#byMember.get(peer.memberSlot)?.destroy();
    this.#byMember.set(peer.memberSlot, socket);
    this.#newcomers.admit(socket);
    socket.write(encodeFrame(hello));
    return peer.memberSlot;
  }

  #onFrame(socket: tls.TLSSocket, member: MemberSlot, frame: Frame): void {
    if (frame.kind === 'ping') socket.write(PONG);
    else if (frame.kind === 'hello' || frame.kind === 'refused' || frame.kind === 'pong')
      throw new Refusal(`an unexpected ${frame.kind}`);
    else this.#options.onMessage(member, frame);
  }
}

class Refusal extends Error {
  override readonly name = 'Refusal';
}
