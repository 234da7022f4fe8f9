/**
 * How nodes reach each other: for every ordered pair one TLS connection, from the sender to the receiver, with certificates
 * on both sides. Messages may be lost (a connection is down, a queue is full, a fault drops them) but never altered, and
 * those that arrive on one connection arrive in order. Nothing is ever resent here: Paxos does that.
 *
 * Whom to reach changes with the configuration (`reach`). A node of the cluster that is not known here yet is answered at the
 * address that its hello tells: it may be a member of a configuration that this node has still to learn.
 */
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import type { MemberSlot } from '../contract/ballot.ts';
import type { MemberAddress } from '../contract/node-config.ts';
import type { PeerMessage } from '../contract/peer.ts';
import { LineLimit } from '../net/line-limit.ts';
import { type DigestFrame, encodeFrame, type Hello } from './codec.ts';
import type { PeerTls } from './identity.ts';
import { InboundServer } from './inbound-server.ts';
import type { LinkFilter } from './link-filter.ts';
import { OutboundLink } from './outbound-link.ts';

const REFUSAL_LINES = { atMost: 20, perMs: 10_000 };
/** Nodes of the cluster that this one has not learned of yet. */
const STRANGERS_AT_MOST = 8;

export interface TransportOptions {
  /** What this node says of itself. */
  readonly hello: Hello;
  readonly self: MemberAddress;
  readonly peers: readonly MemberAddress[];
  readonly tls: PeerTls;
  readonly filter: LinkFilter;
  readonly logger: Logger;
  /** Why nobody may speak with whoever says this, although its certificate is right; null when all is well. */
  readonly flawOf: (hello: Hello) => string | null;
  readonly onMessage: (from: MemberSlot, message: PeerMessage) => void;
  readonly onDigest: (from: MemberSlot, digest: DigestFrame) => void;
  readonly onLink: (member: MemberSlot, isUp: boolean) => void;
  /** A peer opened a connection for a snapshot: it is the receiver's from here on, bytes read beyond the hello included. */
  readonly onSnapshotConnection: (from: MemberSlot, socket: Socket) => void;
}

export class Transport {
  readonly #hello: Hello;
  readonly #options: TransportOptions;
  readonly #links = new Map<MemberSlot, { readonly peer: MemberAddress; readonly link: OutboundLink }>();
  readonly #strangers = new Map<MemberSlot, MemberAddress>();
  readonly #server: InboundServer;
  #encoded: { readonly message: PeerMessage | DigestFrame; readonly frame: Buffer } | null = null;
  #wanted: readonly MemberAddress[];
  #isOpen = false;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#wanted = options.peers;
    const { filter, logger } = options;
    this.#hello = options.hello;
    const refusals = new LineLimit(REFUSAL_LINES);
    this.#server = new InboundServer({
      hello: this.#hello,
      knownAs: (hello) => this.#recognize(hello),
      flawOf: options.flawOf,
      tls: options.tls,
      onMessage: (from, message) => {
        if (filter.dropsFrom(from)) return;
        if (message.kind === 'stateDigest') options.onDigest(from, message);
        else options.onMessage(from, message);
      },
      onSnapshotConnection: (from, socket) => {
        if (filter.dropsFrom(from) || filter.dropsTo(from)) socket.destroy();
        else options.onSnapshotConnection(from, socket);
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
    this.#isOpen = true;
    this.#connect();
  }

  /** From now on connections are kept to exactly these (this node itself is left out), and to strangers that called. */
  reach(peers: readonly MemberAddress[]): void {
    this.#wanted = peers;
    for (const { memberSlot } of peers) this.#strangers.delete(memberSlot);
    this.#connect();
  }

  send(to: MemberSlot, message: PeerMessage | DigestFrame): void {
    const link = this.#links.get(to)?.link;
    if (!link?.isUp || this.#options.filter.dropsTo(to)) return;
    const isEssential = message.kind !== 'heartbeat' && message.kind !== 'heartbeatReply';
    link.send(this.#frameOf(message), isEssential);
  }

  /** Sends what would leave at the end of the turn. */
  flush(): void {
    for (const { link } of this.#links.values()) link.flush();
  }

  /** A message for several members comes several times running, and is put into bytes once. */
  #frameOf(message: PeerMessage | DigestFrame): Buffer {
    if (this.#encoded?.message !== message) this.#encoded = { message, frame: encodeFrame(message) };
    return this.#encoded.frame;
  }

  isConnected(member: MemberSlot): boolean {
    return this.#links.get(member)?.link.isUp ?? false;
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    for (const { link } of this.#links.values()) link.close();
    await this.#server.close();
  }

  /** The address of the node that says this; a string when it must be turned away, and why. */
  #recognize({ nodeId, memberSlot, address, peerPort, clusterId }: Hello): MemberAddress | string {
    const { self } = this.#options;
    const known = this.#wanted.find((peer) => peer.nodeId === nodeId);
    if (known !== undefined) return known;
    if (memberSlot < 1) return `${memberSlot} is no member slot`;
    if (nodeId === self.nodeId) return `${nodeId} is this node itself`;
    const holder = [...this.#wanted, self].find((peer) => peer.memberSlot === memberSlot);
    if (holder !== undefined)
      return `member slot ${memberSlot} of cluster ${clusterId} is ${holder.nodeId}'s, not ${nodeId}'s`;
    if (!this.#strangers.has(memberSlot) && this.#strangers.size >= STRANGERS_AT_MOST)
      return `${nodeId} is no member of cluster ${clusterId} that is known here, and ${STRANGERS_AT_MOST} such are connected`;
    const stranger = { memberSlot, nodeId, name: `member-${memberSlot}`, address, peerPort, clientPort: peerPort };
    this.#strangers.set(memberSlot, stranger);
    this.#connect();
    return stranger;
  }

  #connect(): void {
    if (!this.#isOpen) return;
    const wanted = new Map<MemberSlot, MemberAddress>();
    for (const peer of [...this.#strangers.values(), ...this.#wanted])
      if (peer.memberSlot !== this.#options.self.memberSlot) wanted.set(peer.memberSlot, peer);
    for (const [member, { peer, link }] of this.#links) {
      const now = wanted.get(member);
      if (now?.nodeId === peer.nodeId && now.address === peer.address && now.peerPort === peer.peerPort) continue;
      link.close();
      this.#links.delete(member);
      if (link.isUp) this.#options.onLink(member, false);
    }
    for (const [member, peer] of wanted) {
      if (this.#links.has(member)) continue;
      const link = this.#linkTo(peer);
      this.#links.set(member, { peer, link });
      link.open();
    }
  }

  #linkTo(peer: MemberAddress): OutboundLink {
    const { tls, logger, onLink } = this.#options;
    const where = { peer: peer.name, address: peer.address, port: peer.peerPort };
    const isStranger = () => this.#strangers.get(peer.memberSlot)?.nodeId === peer.nodeId;
    return new OutboundLink({
      peer,
      hello: this.#hello,
      flawOf: this.#options.flawOf,
      tls,
      onUp: () => onLink(peer.memberSlot, true),
      onDown: (reason) => {
        logger.warn({ ...where, reason }, 'lost the connection to a peer');
        onLink(peer.memberSlot, false);
        if (isStranger()) this.#forget(peer.memberSlot);
      },
      onFailure: (reason) => {
        logger.warn({ ...where, reason }, 'cannot connect to a peer; trying on');
        if (isStranger()) this.#forget(peer.memberSlot);
      },
    });
  }

  /** A stranger that cannot be answered has to call again. */
  #forget(member: MemberSlot): void {
    this.#strangers.delete(member);
    setImmediate(() => this.#connect());
  }
}
