/**
 * As much of HTTP/2 (RFC 9113) and HPACK (RFC 7541) as a client of unary gRPC calls needs: cutting a byte stream into frames,
 * writing frames, and encoding request headers. Header blocks of responses are not decoded: whether a call went well shows in
 * the shape of its response.
 */
export const frameTypes = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
} as const;

export const frameFlags = { endStream: 1, ack: 1, endHeaders: 4, padded: 8 } as const;
export const settingIds = { initialWindowSize: 4 } as const;

export const FRAME_HEADER_BYTES = 9;
/** Of a connection, and of a stream unless the settings say otherwise. */
export const DEFAULT_WINDOW_BYTES = 65_535;
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** One frame where it stands in `bytes`; the object is used again for the next frame. */
export interface FrameView {
  type: number;
  flags: number;
  streamId: number;
  bytes: Buffer;
  /** Of the payload. */
  start: number;
  end: number;
}

export interface FrameHead {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payloadBytes: number;
}

/** Returns the place after the frame's header. */
export function writeFrameHead(into: Buffer, at: number, head: FrameHead): number {
  into.writeUIntBE(head.payloadBytes, at, 3);
  into[at + 3] = head.type;
  into[at + 4] = head.flags;
  into.writeUInt32BE(head.streamId, at + 5);
  return at + FRAME_HEADER_BYTES;
}

export function encodeFrame(head: Omit<FrameHead, 'payloadBytes'>, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
  bytes.set(payload, writeFrameHead(bytes, 0, { ...head, payloadBytes: payload.length }));
  return bytes;
}

export function encodeWindowUpdate(streamId: number, increment: number): Buffer {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32BE(increment);
  return encodeFrame({ type: frameTypes.windowUpdate, flags: 0, streamId }, payload);
}

export function encodeSettings(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.allocUnsafe(settings.length * 6);
  for (const [index, [id, value]] of settings.entries()) {
    payload.writeUInt16BE(id, index * 6);
    payload.writeUInt32BE(value, index * 6 + 2);
  }
  return encodeFrame({ type: frameTypes.settings, flags: 0, streamId: 0 }, payload);
}

/** The value of a setting in a SETTINGS payload, the last one given; undefined when it is not there. */
export function settingIn({ bytes, start, end }: FrameView, id: number): number | undefined {
  let value: number | undefined;
  for (let at = start; at + 6 <= end; at += 6) if (bytes.readUInt16BE(at) === id) value = bytes.readUInt32BE(at + 2);
  return value;
}

/** Cuts what a socket gives, chunk by chunk, into frames. */
export class FrameCutter {
  readonly #view: FrameView = { type: 0, flags: 0, streamId: 0, bytes: Buffer.alloc(0), start: 0, end: 0 };
  #rest: Buffer | null = null;

  push(chunk: Buffer, onFrame: (frame: FrameView) => void): void {
    const bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    const view = this.#view;
    let at = 0;
    while (bytes.length - at >= FRAME_HEADER_BYTES) {
      const end = at + FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      view.type = bytes[at + 3] as number;
      view.flags = bytes[at + 4] as number;
      view.streamId = bytes.readUInt32BE(at + 5) & 0x7fffffff;
      view.bytes = bytes;
      view.start = at + FRAME_HEADER_BYTES;
      view.end = end;
      at = end;
      onFrame(view);
    }
    this.#rest = at < bytes.length ? bytes.subarray(at) : null;
  }
}

export type Header = readonly [name: string, value: string];

/** Indexes of HPACK's static table. */
const staticIndexes = new Map([
  [':method: POST', 3],
  [':scheme: http', 6],
]);
const FIRST_DYNAMIC_INDEX = 62;

/**
 * Encodes as real clients do: a header goes in full once per connection and enters the other side's table, then it is one
 * byte. Values must be shorter than 127 bytes and all that is ever sent must fit the default table of 4096 bytes.
 */
export class HeaderEncoder {
  /** Newest first. */
  readonly #table: string[] = [];

  encode(headers: readonly Header[]): Buffer {
    return Buffer.concat(headers.map((header) => this.#encodeOne(header)));
  }

  #encodeOne([name, value]: Header): Buffer {
    const field = `${name}: ${value}`;
    const at = this.#table.indexOf(field);
    const index = staticIndexes.get(field) ?? (at >= 0 ? FIRST_DYNAMIC_INDEX + at : null);
    if (index !== null) return Buffer.from([0x80 | index]);
    this.#table.unshift(field);
    return Buffer.concat([Buffer.from([0x40]), encodeString(name), encodeString(value)]);
  }
}

function encodeString(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length >= 127) throw new RangeError(`a header text of ${bytes.length} bytes is too long here`);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}
