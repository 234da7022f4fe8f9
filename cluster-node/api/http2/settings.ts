/** SETTINGS (RFC 9113, 6.5): what we tell a client, and what of its own we heed. */
import { broken, ConnectionError, errorCode, MAX_FRAME_BYTES, MAX_WINDOW } from './wire.ts';

const setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

export const SETTING_BYTES = 6;

export interface OwnSettings {
  readonly streams: number;
  readonly streamWindow: number;
  readonly headerBytes: number;
}

export function encodeSettings({ streams, streamWindow, headerBytes }: OwnSettings): Buffer {
  const values = [
    [setting.maxConcurrentStreams, streams],
    [setting.initialWindowSize, streamWindow],
    [setting.maxHeaderListSize, headerBytes],
  ] as const;
  const payload = Buffer.alloc(values.length * SETTING_BYTES);
  values.forEach(([name, value], at) => payload.writeUInt32BE(value, payload.writeUInt16BE(name, at * SETTING_BYTES)));
  return payload;
}

export interface ClientSettings {
  /** What it takes on a stream at first; null when it does not say. */
  readonly streamWindow: number | null;
  /** It has said how large our table of headers may be. */
  readonly hasTableSize: boolean;
}

/** We send no frame larger than every client takes, and never push, so the rest is only checked. Throws ConnectionError. */
export function readSettings(payload: Buffer): ClientSettings {
  let streamWindow: number | null = null;
  let hasTableSize = false;
  for (let at = 0; at < payload.length; at += SETTING_BYTES) {
    const name = payload.readUInt16BE(at);
    const value = payload.readUInt32BE(at + 2);
    if (name === setting.headerTableSize) hasTableSize = true;
    if (name === setting.enablePush && value > 1) throw broken(`ENABLE_PUSH cannot be ${value}`);
    if (name === setting.maxFrameSize && (value < MAX_FRAME_BYTES || value >= 2 ** 24))
      throw broken(`MAX_FRAME_SIZE cannot be ${value}`);
    if (name !== setting.initialWindowSize) continue;
    if (value > MAX_WINDOW) throw new ConnectionError(errorCode.flowControlError, `a window cannot be ${value}`);
    streamWindow = value;
  }
  return { streamWindow, hasTableSize };
}
