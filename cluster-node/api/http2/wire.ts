/** The numbers of HTTP/2 (RFC 9113): frame types, flags, settings, error codes, and the header of a frame. */

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** What a bit means depends on the frame's type. */
export const flag = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const errorCode = {
  noError: 0,
  protocolError: 1,
  flowControlError: 3,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
export const FRAME_HEAD_BYTES = 9;
/** Of a frame without its head: what every peer must take, what we send at most, and all that we take. */
export const MAX_FRAME_BYTES = 16_384;
export const DEFAULT_WINDOW = 65_535;
export const MAX_WINDOW = 2 ** 31 - 1;

/** The connection cannot go on: it is told so (GOAWAY) and closed. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  /** One of `errorCode`. */
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export interface FrameHead {
  readonly type: number;
  readonly flags: number;
  /** 0 is the connection itself. */
  readonly streamId: number;
}

export interface Frame extends FrameHead {
  readonly payload: Buffer;
}

/** The payload of a DATA or HEADERS frame without padding. Throws ConnectionError. */
export function withoutPadding({ flags, payload }: Frame): Buffer {
  if ((flags & flag.padded) === 0) return payload;
  const padding = payload[0];
  if (padding === undefined || padding >= payload.length) throw broken('a frame is all padding and more');
  return payload.subarray(1, payload.length - padding);
}

/** Throws ConnectionError when the frame is of the connection instead of a stream, or the reverse, or of another length. */
export function expectForm(
  { streamId, payload }: Frame,
  form: { readonly isOfStream: boolean; readonly bytes: number },
): void {
  if (form.isOfStream !== (streamId !== 0)) throw broken('a frame is of the wrong stream');
  if (payload.length !== form.bytes)
    throw new ConnectionError(errorCode.frameSizeError, `a frame of ${payload.length} bytes has another length`);
}

export function broken(flaw: string): ConnectionError {
  return new ConnectionError(errorCode.protocolError, flaw);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value, 0);
  return bytes;
}
