/** A client that sends whatever bytes it is told to and keeps the frames that come back. */
import { connect, type Socket } from 'node:net';
import { headerBlock } from '../../cluster-node/api/http2/header-block.ts';
import { FRAME_HEAD_BYTES, type Frame, flag, frameType, PREFACE } from '../../cluster-node/api/http2/wire.ts';
import { until } from '../fixtures/until.ts';

export const requestBlock = headerBlock({ ':method': 'POST', ':scheme': 'http', ':path': '/echo' });

export function frame(type: number, streamId: number, rest: { flags?: number; payload?: Uint8Array } = {}): Buffer {
  const { flags = 0, payload = Buffer.alloc(0) } = rest;
  const bytes = Buffer.alloc(FRAME_HEAD_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(streamId, 5);
  bytes.set(payload, FRAME_HEAD_BYTES);
  return bytes;
}

export function uint32s(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, at) => bytes.writeUInt32BE(value, 4 * at));
  return bytes;
}

export function settings(...pairs: (readonly [name: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * pairs.length);
  pairs.forEach(([name, value], at) => payload.writeUInt32BE(value, payload.writeUInt16BE(name, 6 * at)));
  return frame(frameType.settings, 0, { payload });
}

/** A request's headers; `isLast` when no body follows. */
export function open(streamId: number, isLast = false, payload: Uint8Array = requestBlock): Buffer {
  const flags = flag.endHeaders | (isLast ? flag.endStream : 0);
  return frame(frameType.headers, streamId, { flags, payload });
}

export function data(streamId: number, payload: Uint8Array | string, isLast = false): Buffer {
  return frame(frameType.data, streamId, { flags: isLast ? flag.endStream : 0, payload: Buffer.from(payload) });
}

export class RawClient {
  readonly frames: Frame[] = [];
  isClosed = false;
  readonly #socket: Socket;
  #rest: Buffer = Buffer.alloc(0);

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1').on('error', () => {});
    this.#socket.on('data', (chunk: Buffer) => this.#read(Buffer.concat([this.#rest, chunk])));
    this.#socket.on('close', () => (this.isClosed = true));
  }

  send(...bytes: Uint8Array[]): this {
    this.#socket.write(Buffer.concat(bytes));
    return this;
  }

  begin(first = settings()): this {
    return this.send(PREFACE, first);
  }

  pause(): void {
    this.#socket.pause();
  }

  end(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }

  of(type: number, streamId: number): Frame[] {
    return this.frames.filter((found) => found.type === type && found.streamId === streamId);
  }

  body(streamId: number): Buffer {
    return Buffer.concat(this.of(frameType.data, streamId).map(({ payload }) => payload));
  }

  /** The code with which the server closed the connection, or a stream of it. */
  async goaway(): Promise<number> {
    const [found] = await until('a GOAWAY', () => this.#some(frameType.goaway, 0));
    await until('the end', () => this.isClosed);
    return (found as Frame).payload.readUInt32BE(4);
  }

  async reset(streamId: number): Promise<number> {
    const [found] = await until('an RST_STREAM', () => this.#some(frameType.rstStream, streamId));
    return (found as Frame).payload.readUInt32BE(0);
  }

  /** Resolves once the server has answered the stream in full. */
  async answered(streamId: number): Promise<void> {
    await until(`the end of stream ${streamId}`, () =>
      this.frames.some(
        (found) => found.streamId === streamId && found.type <= frameType.headers && found.flags & flag.endStream,
      ),
    );
  }

  #some(type: number, streamId: number): Frame[] | null {
    const found = this.of(type, streamId);
    return found.length > 0 ? found : null;
  }

  #read(bytes: Buffer): void {
    let at = 0;
    while (bytes.length - at >= FRAME_HEAD_BYTES) {
      const end = at + FRAME_HEAD_BYTES + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      this.frames.push({
        type: bytes[at + 3] as number,
        flags: bytes[at + 4] as number,
        streamId: bytes.readUInt32BE(at + 5),
        payload: bytes.subarray(at + FRAME_HEAD_BYTES, end),
      });
      at = end;
    }
    this.#rest = bytes.subarray(at);
  }
}
