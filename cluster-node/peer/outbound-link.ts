/**
 * The connection on which this node sends to one peer; what the peer has to say comes on a connection of its own. It is kept
 * up for ever: lost, it is made again after 20 ms, then ever later, at most 1 s. A path that carries nothing is found by pings,
 * because after a cut the system's own retransmissions may pause for many seconds after the path has healed.
 */
import tls from 'node:tls';
import type { MemberAddress } from '../contract/node-config.ts';
import { decodeFrame, encodeFrame, type Frame, type Hello } from './codec.ts';
import { FrameSplitter } from './frame-splitter.ts';
import { checkNodeIdentity, type PeerTls } from './identity.ts';
import { OutboundQueue } from './outbound-queue.ts';

const FIRST_RETRY_MS = 20;
const LAST_RETRY_MS = 1000;
const CONNECT_TIMEOUT_MS = 1500;
const PING_MS = 500;
const SILENCE_MS = 2000;
/** One write at most, so that the system's taking of it tells progress even on a slow path. */
const WRITE_BYTES = 256 * 1024;
const PING = encodeFrame({ kind: 'ping' });

export interface OutboundLinkOptions {
  readonly peer: MemberAddress;
  readonly hello: Hello;
  /** Why nobody may speak with whoever answers this; null when all is well. */
  readonly flawOf: (hello: Hello) => string | null;
  readonly tls: PeerTls;
  readonly onUp: () => void;
  /** Only after `onUp`. */
  readonly onDown: (reason: string) => void;
  /** The peer cannot be reached, or refuses this node: reported when the reason changes. */
  readonly onFailure: (reason: string) => void;
}

export class OutboundLink {
  readonly #options: OutboundLinkOptions;
  readonly #queue = new OutboundQueue();
  #socket: tls.TLSSocket | null = null;
  #isUp = false;
  #isClosed = false;
  #isFlushDue = false;
  #failures = 0;
  #lastFailure = '';
  #timer: NodeJS.Timeout | null = null;

  constructor(options: OutboundLinkOptions) {
    this.#options = options;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  open(): void {
    if (!this.#isClosed) this.#connect();
  }

  /** Sends with everything else of this event-loop turn, at `flush` or at its end; lost when the connection is down. */
  send(frame: Buffer, isEssential: boolean): void {
    if (!this.#isUp) return;
    this.#queue.push({ bytes: frame, isEssential });
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    process.nextTick(() => {
      this.#isFlushDue = false;
      this.flush();
    });
  }

  flush(): void {
    const socket = this.#socket;
    if (!this.#isUp || socket === null) return;
    while (!this.#queue.isEmpty && !socket.writableNeedDrain) socket.write(this.#queue.take(WRITE_BYTES));
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer) clearTimeout(this.#timer);
    if (this.#isUp) this.flush();
    this.#socket?.end();
    this.#socket?.destroySoon();
  }

  #connect(): void {
    const { peer, tls: keys, hello } = this.#options;
    const socket = tls.connect({
      ...keys,
      host: peer.address,
      port: peer.peerPort,
      minVersion: 'TLSv1.3',
      checkServerIdentity: checkNodeIdentity(peer.nodeId),
    });
    this.#socket = socket;
    let reason = 'the connection was closed';
    let heardAtMs = performance.now();
    socket.setNoDelay(true);
    const guard = setTimeout(() => socket.destroy(new Error('no answer')), CONNECT_TIMEOUT_MS);
    const pings = setInterval(() => {
      if (performance.now() - heardAtMs > SILENCE_MS) socket.destroy(new Error(`silent for ${SILENCE_MS} ms`));
      else if (this.#isUp && !socket.writableNeedDrain) socket.write(PING);
    }, PING_MS);
    const splitter = new FrameSplitter();
    socket.on('secureConnect', () => socket.write(encodeFrame(hello)));
    socket.on('drain', () => {
      // A slow path that still takes bytes is not a dead one, though pongs are late on it.
      heardAtMs = performance.now();
      this.flush();
    });
    socket.on('data', (chunk: Buffer) => {
      heardAtMs = performance.now();
      try {
        for (const body of splitter.push(chunk)) {
          const refusal = this.#onFrame(decodeFrame(body));
          if (refusal !== null) throw new Error(refusal);
          clearTimeout(guard);
        }
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on('error', (error) => {
      reason = error.message || String((error as NodeJS.ErrnoException).code);
    });
    socket.on('close', () => {
      clearTimeout(guard);
      clearInterval(pings);
      this.#onClosed(reason);
    });
  }

  /** Why the connection must end, or null. */
  #onFrame(frame: Frame): string | null {
    if (frame.kind === 'pong' && this.#isUp) return null;
    if (frame.kind === 'refused') return `refused by the peer: ${frame.reason}`;
    if (frame.kind !== 'hello' || this.#isUp) return `an unexpected ${frame.kind}`;
    const mismatch =
      helloMismatch(frame, { ...this.#options.hello, ...pick(this.#options.peer) }) ?? this.#options.flawOf(frame);
    if (mismatch !== null) return mismatch;
    this.#isUp = true;
    this.#failures = 0;
    this.#lastFailure = '';
    this.#options.onUp();
    return null;
  }

  #onClosed(reason: string): void {
    this.#socket = null;
    const wasUp = this.#isUp;
    this.#isUp = false;
    this.#queue.clear();
    if (this.#isClosed) return;
    if (wasUp) this.#options.onDown(reason);
    else if (reason !== this.#lastFailure) this.#options.onFailure((this.#lastFailure = reason));
    const delayMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures++);
    this.#timer = setTimeout(() => this.#connect(), delayMs * (0.5 + Math.random() / 2));
  }
}

function pick({ nodeId, memberSlot }: MemberAddress): Pick<Hello, 'nodeId' | 'memberSlot'> {
  return { nodeId, memberSlot };
}

/** The first field in which a hello differs from what it should be, in words; null when none does. */
export function helloMismatch(
  found: Hello,
  wanted: Pick<Hello, 'protocolVersion' | 'clusterId' | 'nodeId' | 'memberSlot'>,
): string | null {
  for (const field of ['protocolVersion', 'clusterId', 'nodeId', 'memberSlot'] as const)
    if (found[field] !== wanted[field]) return `${field} is ${found[field]} there, ${wanted[field]} was expected`;
  return null;
}
