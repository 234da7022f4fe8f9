/**
 * One HTTP/2 connection in the clear for many unary gRPC calls at once, by hand over a TCP socket: a client that costs several
 * times less than node:http2 or grpc-js, so that on a small machine the servers are what is measured. Frames of one turn leave
 * in one write. What it leaves out (priorities, padding, decoding of response headers) the servers measured here do not need.
 */
import { createConnection, type Socket } from 'node:net';
import {
  DEFAULT_WINDOW_BYTES,
  encodeFrame,
  encodeSettings,
  encodeWindowUpdate,
  FRAME_HEADER_BYTES,
  FrameCutter,
  type FrameView,
  frameFlags,
  frameTypes,
  HeaderEncoder,
  PREFACE,
  settingIds,
  settingIn,
  writeFrameHead,
} from './http2-frames.ts';

const RECEIVE_WINDOW_BYTES = 16 << 20;
const STREAM_WINDOW_BYTES = 1 << 20;
const SLAB_BYTES = 256 * 1024;
const GRPC_PREFIX_BYTES = 5;

/** The protobuf bytes of the response; null when the call failed or its outcome is not known. */
export type OnReply = (message: Buffer | null) => void;

interface OpenCall {
  readonly onReply: OnReply;
  body: Buffer | null;
}

interface QueuedCall {
  readonly path: string;
  readonly message: Buffer;
  readonly onReply: OnReply;
}

/** A gRPC message with its prefix, as `GrpcConnection.call` takes it. */
export function grpcMessage(protobuf: Uint8Array): Buffer {
  const bytes = Buffer.alloc(GRPC_PREFIX_BYTES + protobuf.length);
  bytes.writeUInt32BE(protobuf.length, 1);
  bytes.set(protobuf, GRPC_PREFIX_BYTES);
  return bytes;
}

/** Rejects with the system's error, or when nothing answers within `timeoutMs`. */
export function connectGrpc(port: number, timeoutMs = 2000): Promise<GrpcConnection> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: '127.0.0.1', port, noDelay: true });
    const guard = setTimeout(() => socket.destroy(new Error(`no answer on port ${port}`)), timeoutMs);
    socket.once('error', reject);
    socket.once('close', () => clearTimeout(guard));
    const connection = new GrpcConnection(socket, port, () => {
      clearTimeout(guard);
      resolve(connection);
    });
  });
}

export class GrpcConnection {
  readonly #socket: Socket;
  readonly #authority: string;
  readonly #onReady: () => void;
  readonly #cutter = new FrameCutter();
  readonly #headers = new HeaderEncoder();
  /** Header blocks in which nothing is new to the server any more, by path. */
  readonly #blocks = new Map<string, Buffer>();
  readonly #calls = new Map<number, OpenCall>();
  /** Calls for which the server's window has no room yet. */
  #queue: QueuedCall[] = [];
  #nextStreamId = 1;
  #sendWindow = DEFAULT_WINDOW_BYTES;
  #unreportedBytes = 0;
  #slab = Buffer.allocUnsafe(SLAB_BYTES);
  #written = 0;
  #filled = 0;
  #isFlushDue = false;
  #isClosed = false;

  constructor(socket: Socket, port: number, onReady: () => void) {
    this.#socket = socket;
    this.#authority = `127.0.0.1:${port}`;
    this.#onReady = onReady;
    this.#append(PREFACE);
    this.#append(encodeSettings([[settingIds.initialWindowSize, STREAM_WINDOW_BYTES]]));
    this.#append(encodeWindowUpdate(0, RECEIVE_WINDOW_BYTES - DEFAULT_WINDOW_BYTES));
    socket.on('connect', () => this.#flush());
    socket.on('data', (chunk: Buffer) => {
      this.#cutter.push(chunk, (frame) => this.#onFrame(frame));
      this.#flush();
    });
    socket.on('error', () => {});
    socket.on('close', () => this.#onClosed());
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** `message` is copied before this returns. */
  call(path: string, message: Buffer, onReply: OnReply): void {
    if (this.#isClosed) {
      process.nextTick(onReply, null);
      return;
    }
    if (this.#sendWindow < message.length || this.#queue.length > 0)
      this.#queue.push({ path, message: Buffer.from(message), onReply });
    else this.#start({ path, message, onReply });
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    process.nextTick(() => this.#flush());
  }

  /** The response; rejects when the call fails. */
  ask(path: string, request: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.call(path, grpcMessage(request), (reply) =>
        reply ? resolve(reply) : reject(new Error(`${path} at ${this.#authority} failed`)),
      );
    });
  }

  /** Calls under way fail. */
  close(): void {
    this.#socket.destroy();
    this.#onClosed();
  }

  #start({ path, message, onReply }: QueuedCall): void {
    const streamId = this.#nextStreamId;
    this.#nextStreamId += 2;
    this.#sendWindow -= message.length;
    this.#calls.set(streamId, { onReply, body: null });
    const block = this.#headerBlock(path);
    this.#reserve(2 * FRAME_HEADER_BYTES + block.length + message.length);
    const slab = this.#slab;
    const head = { type: frameTypes.headers, flags: frameFlags.endHeaders, streamId, payloadBytes: block.length };
    let at = writeFrameHead(slab, this.#filled, head);
    slab.set(block, at);
    const data = { type: frameTypes.data, flags: frameFlags.endStream, streamId, payloadBytes: message.length };
    at = writeFrameHead(slab, at + block.length, data);
    slab.set(message, at);
    this.#filled = at + message.length;
  }

  #headerBlock(path: string): Buffer {
    const known = this.#blocks.get(path);
    if (known) return known;
    // What enters the table shifts the places of all that is in it.
    this.#blocks.clear();
    const headers = [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', path],
      [':authority', this.#authority],
      ['content-type', 'application/grpc'],
      ['te', 'trailers'],
    ] as const;
    const first = this.#headers.encode(headers);
    this.#blocks.set(path, this.#headers.encode(headers));
    return first;
  }

  #onFrame(frame: FrameView): void {
    switch (frame.type) {
      case frameTypes.data:
        return this.#onData(frame);
      case frameTypes.headers:
        if (frame.flags & frameFlags.endStream) this.#finish(frame.streamId);
        return;
      case frameTypes.resetStream:
        return this.#fail(frame.streamId);
      case frameTypes.settings:
        return this.#onSettings(frame);
      case frameTypes.ping:
        if (frame.flags & frameFlags.ack) return;
        return this.#append(
          encodeFrame(
            { type: frameTypes.ping, flags: frameFlags.ack, streamId: 0 },
            frame.bytes.subarray(frame.start, frame.end),
          ),
        );
      case frameTypes.windowUpdate:
        if (frame.streamId !== 0) return;
        this.#sendWindow += frame.bytes.readUInt32BE(frame.start);
        return this.#startQueued();
      case frameTypes.goAway:
        this.#socket.destroy();
    }
  }

  #onData({ bytes, start, end, flags, streamId }: FrameView): void {
    this.#unreportedBytes += end - start;
    if (this.#unreportedBytes > RECEIVE_WINDOW_BYTES / 4) {
      this.#append(encodeWindowUpdate(0, this.#unreportedBytes));
      this.#unreportedBytes = 0;
    }
    const call = this.#calls.get(streamId);
    if (!call) return;
    const part = bytes.subarray(start, end);
    call.body = call.body ? Buffer.concat([call.body, part]) : part;
    // gRPC ends a response with trailers; one that ends with data is none.
    if (flags & frameFlags.endStream) this.#fail(streamId);
  }

  #onSettings(frame: FrameView): void {
    if (frame.flags & frameFlags.ack) return;
    const window = settingIn(frame, settingIds.initialWindowSize);
    if (window !== undefined && window < DEFAULT_WINDOW_BYTES) throw new Error(`a stream window of ${window} bytes`);
    this.#append(encodeFrame({ type: frameTypes.settings, flags: frameFlags.ack, streamId: 0 }, Buffer.alloc(0)));
    this.#onReady();
  }

  /** Trailers came. With a whole message before them the status is OK: servers send errors as trailers alone. */
  #finish(streamId: number): void {
    const call = this.#calls.get(streamId);
    this.#calls.delete(streamId);
    const body = call?.body;
    const isWhole =
      body && body.length >= GRPC_PREFIX_BYTES && body.readUInt32BE(1) === body.length - GRPC_PREFIX_BYTES;
    call?.onReply(isWhole ? body.subarray(GRPC_PREFIX_BYTES) : null);
  }

  #fail(streamId: number): void {
    const call = this.#calls.get(streamId);
    this.#calls.delete(streamId);
    call?.onReply(null);
  }

  #startQueued(): void {
    while (this.#queue[0] && this.#queue[0].message.length <= this.#sendWindow)
      this.#start(this.#queue.shift() as QueuedCall);
  }

  #append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#slab.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  /** Memory that was handed to the socket is not written again: a full slab is left to it. */
  #reserve(bytes: number): void {
    if (this.#filled + bytes <= this.#slab.length) return;
    this.#flush();
    this.#slab = Buffer.allocUnsafe(Math.max(SLAB_BYTES, bytes));
    this.#written = 0;
    this.#filled = 0;
  }

  #flush(): void {
    this.#isFlushDue = false;
    if (this.#filled === this.#written || this.#isClosed) return;
    this.#socket.write(this.#slab.subarray(this.#written, this.#filled));
    this.#written = this.#filled;
  }

  #onClosed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const waiting = [...this.#calls.values(), ...this.#queue];
    this.#calls.clear();
    this.#queue = [];
    for (const { onReply } of waiting) onReply(null);
  }
}
