/**
 * Gives a snapshot file to a peer that is too far behind for the log, over a connection of its own, so that no heartbeat waits
 * behind megabytes. It is paced: a chunk is read when the system has taken the one before, and never more than
 * BYTES_PER_SECOND, because the disk and the event loop are needed by the cluster that goes on meanwhile.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Slot } from '../contract/ballot.ts';
import { FrameSplitter } from './frame-splitter.ts';
import { decodeSnapshotFrame, encodeSnapshotFrame, type SnapshotFrame } from './snapshot-frames.ts';

const CHUNK_BYTES = 128 * 1024;
const BYTES_PER_SECOND = 128 * 1024 * 1024;
/** The receiver takes nothing: it is dead or its disk is full. */
const STALLED_MS = 30_000;

export interface SnapshotFile {
  readonly slot: Slot;
  /** Of the machine's bytes in it, lower-case hex. */
  readonly sha256: string;
  readonly fileBytes: number;
  /** Fewer bytes than asked for only at the end. */
  read(offset: number, maxBytes: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Opens the newest snapshot; null when there is none. */
export type OpenNewest = () => Promise<SnapshotFile | null>;

/** Answers the one request of this connection and ends it. Never rejects; `onEnd` is told how it went, in words. */
export async function serveSnapshot(socket: Socket, open: OpenNewest, onEnd: (how: string) => void): Promise<void> {
  socket.on('error', () => undefined);
  socket.setTimeout(STALLED_MS, () => socket.destroy());
  let file: SnapshotFile | null = null;
  try {
    const asked = frames(socket);
    const { minSlot } = await next(asked, 'request');
    file = await open();
    if (file === null || file.slot < minSlot) {
      const has = file === null ? 'there is no snapshot here' : `the newest snapshot here is of slot ${file.slot}`;
      socket.end(encodeSnapshotFrame({ kind: 'none', reason: has }));
      return onEnd(has);
    }
    const { slot, sha256, fileBytes } = file;
    socket.write(encodeSnapshotFrame({ kind: 'offer', slot, sha256, fileBytes }));
    await send(socket, file, (await next(asked, 'take')).offset);
    onEnd(`sent the snapshot of slot ${file.slot}`);
  } catch (error) {
    socket.destroy();
    onEnd(`stopped: ${(error as Error).message}`);
  } finally {
    await file?.close();
  }
}

async function send(socket: Socket, file: SnapshotFile, fromOffset: number): Promise<void> {
  const startedMs = performance.now();
  for (let offset = fromOffset; offset < file.fileBytes; ) {
    const bytes = await file.read(offset, CHUNK_BYTES);
    if (bytes.length === 0) throw new Error(`the snapshot file ends at ${offset} of its ${file.fileBytes} bytes`);
    if (socket.destroyed) throw new Error('the receiver hung up');
    if (!socket.write(encodeSnapshotFrame({ kind: 'chunk', offset, bytes }))) await drained(socket);
    offset += bytes.length;
    const aheadMs = ((offset - fromOffset) / BYTES_PER_SECOND) * 1000 - (performance.now() - startedMs);
    if (aheadMs > 1) await sleep(aheadMs);
  }
  socket.end();
}

async function drained(socket: Socket): Promise<void> {
  const gone = new AbortController();
  const onClose = () => gone.abort(new Error('the receiver hung up'));
  socket.once('close', onClose);
  try {
    await once(socket, 'drain', { signal: gone.signal });
  } finally {
    socket.off('close', onClose);
  }
}

async function next<K extends SnapshotFrame['kind']>(
  asked: AsyncGenerator<SnapshotFrame>,
  kind: K,
): Promise<Extract<SnapshotFrame, { kind: K }>> {
  const { value, done } = await asked.next();
  if (done) throw new Error('the receiver hung up');
  if (value.kind !== kind) throw new Error(`a ${value.kind} came instead of a ${kind}`);
  return value as Extract<SnapshotFrame, { kind: K }>;
}

/** Leaves the socket open when it is left. */
async function* frames(socket: Socket): AsyncGenerator<SnapshotFrame> {
  const splitter = new FrameSplitter();
  for await (const chunk of socket.iterator({ destroyOnReturn: false }))
    for (const body of splitter.push(chunk as Buffer)) yield decodeSnapshotFrame(body);
}
