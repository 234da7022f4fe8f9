/** Gets a snapshot file from a peer, over a connection of its own, going on where an earlier attempt was cut off. */
import tls from 'node:tls';
import type { Slot } from '../contract/ballot.ts';
import type { MemberAddress } from '../contract/node-config.ts';
import { decodeFrame, encodeFrame, type Hello } from './codec.ts';
import { FrameSplitter } from './frame-splitter.ts';
import { checkNodeIdentity, type PeerTls } from './identity.ts';
import { helloMismatch } from './outbound-link.ts';
import { decodeSnapshotFrame, encodeSnapshotFrame, type SnapshotOffer } from './snapshot-frames.ts';

/** Nothing came for so long: the attempt ends, and what came is kept for the next one. */
const SILENCE_MS = 10_000;
/** A peer that gives less than this, after a while, holds up more than it helps: another one is asked. */
const LEAST_BYTES_PER_MS = 64;
const PATIENCE_MS = 15_000;

/** Where the bytes go. Calls follow one another. */
export interface SnapshotSink {
  /** Makes ready for this file; gives how much of it is here already. */
  begin(offer: Pick<SnapshotOffer, 'slot' | 'sha256' | 'fileBytes'>): Promise<number>;
  append(bytes: Uint8Array): Promise<void>;
  /** All bytes are there: verifies and keeps the snapshot. Throws when it is damaged, and then forgets it. */
  finish(): Promise<void>;
  /** The attempt ended before that; what came is kept for the next one. */
  leave(): Promise<void>;
}

export class SnapshotFetchError extends Error {
  override readonly name = 'SnapshotFetchError';
}

/** Resolves with the slot of the snapshot that is now kept. Rejects with SnapshotFetchError. */
export async function fetchSnapshot(options: {
  readonly peer: MemberAddress;
  readonly hello: Hello;
  readonly tls: PeerTls;
  readonly minSlot: Slot;
  readonly sink: SnapshotSink;
  readonly signal: AbortSignal;
}): Promise<Slot> {
  const { peer, hello, sink, minSlot, signal } = options;
  const socket = tls.connect({
    ...options.tls,
    host: peer.address,
    port: peer.peerPort,
    minVersion: 'TLSv1.3',
    checkServerIdentity: checkNodeIdentity(peer.nodeId),
  });
  const giveUp = () => socket.destroy(new Error('given up'));
  signal.addEventListener('abort', giveUp, { once: true });
  socket.setTimeout(SILENCE_MS, () => socket.destroy(new Error(`silent for ${SILENCE_MS / 1000} s`)));
  socket.once('secureConnect', () => socket.write(encodeFrame({ ...hello, purpose: 'snapshot' })));
  const bodies = frames(socket);
  try {
    greet(await next(bodies), options);
    socket.write(encodeSnapshotFrame({ kind: 'request', minSlot }));
    const offer = decodeSnapshotFrame(await next(bodies));
    if (offer.kind === 'none') throw new Error(offer.reason);
    if (offer.kind !== 'offer' || offer.slot < minSlot) throw new Error(`an unexpected ${offer.kind} came`);
    await receive(offer);
    return offer.slot;
  } catch (cause) {
    const { name, address, peerPort } = peer;
    const reason = (cause as Error).message;
    throw new SnapshotFetchError(`no snapshot from ${name} (${address}:${peerPort}): ${reason}`, { cause });
  } finally {
    signal.removeEventListener('abort', giveUp);
    socket.on('error', () => undefined).destroy();
  }

  async function receive(offer: SnapshotOffer): Promise<void> {
    const offset = await sink.begin(offer);
    try {
      socket.write(encodeSnapshotFrame({ kind: 'take', offset }));
      const beganMs = performance.now();
      for (let received = offset; received < offer.fileBytes; ) {
        const tookMs = performance.now() - beganMs;
        if (tookMs > PATIENCE_MS && received - offset < tookMs * LEAST_BYTES_PER_MS)
          throw new Error(`only ${received - offset} bytes came in ${Math.round(tookMs / 1000)} s`);
        const chunk = decodeSnapshotFrame(await next(bodies));
        if (chunk.kind !== 'chunk' || chunk.offset !== received) throw new Error('the chunks are out of order');
        await sink.append(chunk.bytes);
        received += chunk.bytes.length;
      }
    } catch (error) {
      await sink.leave();
      throw error;
    }
    await sink.finish();
  }
}

function greet(body: Buffer, { peer, hello }: { readonly peer: MemberAddress; readonly hello: Hello }): void {
  const frame = decodeFrame(body);
  if (frame.kind === 'refused') throw new Error(`refused by the peer: ${frame.reason}`);
  if (frame.kind !== 'hello') throw new Error(`an unexpected ${frame.kind} came`);
  const mismatch = helloMismatch(frame, { ...hello, nodeId: peer.nodeId, memberSlot: peer.memberSlot });
  if (mismatch !== null) throw new Error(mismatch);
}

async function next(bodies: AsyncGenerator<Buffer>): Promise<Buffer> {
  const { value, done } = await bodies.next();
  if (done) throw new Error('the connection ended too early');
  return value;
}

/** The socket is read only as fast as frames are asked for. */
async function* frames(socket: tls.TLSSocket): AsyncGenerator<Buffer> {
  const splitter = new FrameSplitter();
  for await (const chunk of socket) yield* splitter.push(chunk as Buffer);
}
