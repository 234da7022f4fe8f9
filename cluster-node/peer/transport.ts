/**
 * How nodes reach each other: for every ordered pair one TLS connection, from the sender to the receiver, with certificates
 * on both sides. Messages may be lost (a connection is down, a queue is full, a fault drops them) but never altered, and
 * those that arrive on one connection arrive in order. Nothing is ever resent here: Paxos does that.
 */
import type { Logger } from 'pino';
import type { MemberSlot } from '../contract/ballot.ts';
import type { MemberAddress } from '../contract/node-config.ts';
import type { PeerMessage } from '../contract/peer.ts';
import { LineLimit } from '../runtime/line-limit.ts';
import { encodeFrame, type Hello, PEER_PROTOCOL_VERSION } from './codec.ts';
import type { PeerTls } from './identity.ts';
import { InboundServer } from './inbound-server.ts';
import type { LinkFilter } from './link-filter.ts';
import { OutboundLink } from './outbound-link.ts';

const REFUSAL_LINES = { atMost: 20, perMs: 10_000 };

export interface TransportOptions {
  readonly clusterId: string;
  readonly self: MemberAddress;
  readonly peers: readonly MemberAddress[];
  readonly tls: PeerTls;
  readonly filter: LinkFilter;
  readonly logger: Logger;
  readonly onMessage: (from: MemberSlot, message: PeerMessage) => void;
  readonly onLink: (member: MemberSlot, isUp: boolean) => void;
}

export class Transport {
  readonly #options: TransportOptions;
  readonly #links = new Map<MemberSlot, OutboundLink>();
  readonly #server: InboundServer;

  constructor(options: TransportOptions) {
    this.#options = options;
    const { self, peers, clusterId, filter, logger } = options;
    const { nodeId, memberSlot } = self;
    const hello: Hello = { kind: 'hello', protocolVersion: PEER_PROTOCOL_VERSION, clusterId, nodeId, memberSlot };
    for (const peer of peers) this.#links.set(peer.memberSlot, this.#linkTo(peer, hello));
    const refusals = new LineLimit(REFUSAL_LINES);
    this.#server = new InboundServer({
      hello,
      peers,
      tls: options.tls,
      onMessage: (from, message) => {
        if (!filter.dropsFrom(from)) options.onMessage(from, message);
      },
      onRefused: (remote, reason) => {
        const leftOut = refusals.next();
        if (leftOut === null) return;
        const before = leftOut > 0 ? { notLoggedBefore: leftOut } : {};
        logger.warn({ remote, reason, ...before }, 'refused a connection to the peer port');
      },
    });
  }

  /** Listens, then starts to connect. Rejects with the system's error when the port cannot be had. */
  async open(): Promise<void> {
    const { address, peerPort } = this.#options.self;
    await this.#server.listen({ host: address, port: peerPort });
    for (const link of this.#links.values()) link.open();
  }

  send(to: MemberSlot, message: PeerMessage): void {
    const link = this.#links.get(to);
    if (!link?.isUp || this.#options.filter.dropsTo(to)) return;
    const isEssential = message.kind !== 'heartbeat' && message.kind !== 'heartbeatReply';
    link.send(encodeFrame(message), isEssential);
  }

  isConnected(member: MemberSlot): boolean {
    return this.#links.get(member)?.isUp ?? false;
  }

  async close(): Promise<void> {
    for (const link of this.#links.values()) link.close();
    await this.#server.close();
  }

  #linkTo(peer: MemberAddress, hello: Hello): OutboundLink {
    const { tls, logger, onLink } = this.#options;
    const where = { peer: peer.name, address: peer.address, port: peer.peerPort };
    return new OutboundLink({
      peer,
      hello,
      tls,
      onUp: () => onLink(peer.memberSlot, true),
      onDown: (reason) => {
        logger.warn({ ...where, reason }, 'lost the connection to a peer');
        onLink(peer.memberSlot, false);
      },
      onFailure: (reason) => logger.warn({ ...where, reason }, 'cannot connect to a peer; trying on'),
    });
  }
}
