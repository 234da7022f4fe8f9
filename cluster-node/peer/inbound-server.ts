/**
 * Where peers connect to send. A connection counts only after three checks: its certificate is the cluster's, the certificate
 * names the node that the hello says, and that node may speak here. One connection a member: a newer one ends the older. A
 * connection for a snapshot is passed on after the hello and does not count.
 */
import type { Socket } from 'node:net';
import tls from 'node:tls';
import type { MemberSlot } from '../contract/ballot.ts';
import type { MemberAddress } from '../contract/node-config.ts';
import type { PeerMessage } from '../contract/peer.ts';
import { listenOn } from '../net/listen.ts';
import { Newcomers } from '../net/newcomers.ts';
import { decodeFrame, type DigestFrame, encodeFrame, type Frame, type Hello } from './codec.ts';
import { FrameSplitter } from './frame-splitter.ts';
import { type PeerTls, peerNodeIds } from './identity.ts';
import { helloMismatch } from './outbound-link.ts';

/** Handshake and hello together. */
const HELLO_TIMEOUT_MS = 4000;
/** Connections that have not said a valid hello. A cluster has a handful of members. */
const NEWCOMERS_AT_MOST = 64;
/** A peer pings twice a second; without that its connection is dead, whatever the system says. */
const SILENCE_MS = 3000;
const MAX_UNREAD_BYTES = 64 * 1024;
const PONG = encodeFrame({ kind: 'pong' });

export interface InboundServerOptions {
  readonly hello: Hello;
  /** Whom this hello is from; a string when it must be turned away, and why. Its certificate has been checked. */
  readonly knownAs: (hello: Hello) => MemberAddress | string;
  /** Why this node may not speak here although it is who it says; null when it may. */
  readonly flawOf: (hello: Hello) => string | null;
  readonly tls: PeerTls;
  readonly onMessage: (from: MemberSlot, message: PeerMessage | DigestFrame) => void;
  readonly onSnapshotConnection: (from: MemberSlot, socket: Socket) => void;
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
    const onData = (chunk: Buffer): void => {
      try {
        for (const body of splitter.push(chunk)) {
          const frame = decodeFrame(body);
          if (member !== 0) this.#onFrame(socket, member, frame);
          else if (frame.kind === 'hello' && frame.purpose === 'snapshot') {
            // Its owner says nothing before our hello, so nothing of the next protocol can stand in this chunk.
            socket.off('data', onData).setTimeout(0);
            return this.#options.onSnapshotConnection(this.#welcome(socket, frame).memberSlot, socket);
          } else member = this.#welcome(socket, frame).memberSlot;
          if (socket.destroyed) return;
        }
      } catch (error) {
        if (!(error instanceof Refusal) && (error as Error).name !== 'FrameError') throw error;
        this.#refuse(socket, (error as Error).message);
      }
    };
    socket.on('data', onData);
  }

  #refuse(socket: tls.TLSSocket, reason: string): void {
    this.#options.onRefused(socket.remoteAddress ?? 'unknown address', reason);
    socket.end(encodeFrame({ kind: 'refused', reason: reason.slice(0, 500) }));
    socket.destroySoon();
  }

  /** The member that is calling. Throws Refusal for whoever may not. */
  #welcome(socket: tls.TLSSocket, frame: Frame): MemberAddress {
    const { hello, knownAs, flawOf } = this.#options;
    if (frame.kind !== 'hello') throw new Refusal(`a ${frame.kind} came before the hello`);
    const claimed = peerNodeIds(socket);
    if (!claimed.includes(frame.nodeId))
      throw new Refusal(`says it is ${frame.nodeId} but its certificate is for ${claimed.join(', ') || 'no node'}`);
    const { protocolVersion, clusterId } = hello;
    const mismatch = helloMismatch(frame, { ...frame, protocolVersion, clusterId });
    if (mismatch !== null) throw new Refusal(mismatch);
    const peer = knownAs(frame);
    if (typeof peer === 'string') throw new Refusal(peer);
    const other = helloMismatch(frame, { ...frame, memberSlot: peer.memberSlot }) ?? flawOf(frame);
    if (other !== null) throw new Refusal(other);
    if (frame.purpose === 'messages') {
      this.#byMember.get(peer.memberSlot)?.destroy();
      this.#byMember.set(peer.memberSlot, socket);
    }
    this.#newcomers.admit(socket);
    socket.write(encodeFrame(hello));
    return peer;
  }

  #onFrame(socket: tls.TLSSocket, member: MemberSlot, frame: Frame): void {
    // A peer that pings without end and reads nothing gets no more answers.
    if (frame.kind === 'ping') {
      if (socket.writableLength < MAX_UNREAD_BYTES) socket.write(PONG);
    } else if (frame.kind === 'hello' || frame.kind === 'refused' || frame.kind === 'pong')
      throw new Refusal(`an unexpected ${frame.kind}`);
    else this.#options.onMessage(member, frame);
  }
}

class Refusal extends Error {
  override readonly name = 'Refusal';
}
