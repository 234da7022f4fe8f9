/**
 * Cuts what comes into frames. A header block that comes in several frames is given on as one HEADERS frame: nothing may
 * come between them, so nobody else need know. What is kept meanwhile is bounded: one frame and one block.
 */
import {
  broken,
  ConnectionError,
  errorCode,
  FRAME_HEAD_BYTES,
  type Frame,
  flag,
  frameType,
  MAX_FRAME_BYTES,
  MAX_WINDOW,
  withoutPadding,
} from './wire.ts';

const NOTHING = Buffer.alloc(0);
const PRIORITY_BYTES = 5;

interface OpenBlock {
  readonly streamId: number;
  readonly flags: number;
  readonly parts: Buffer[];
  bytes: number;
}

export class FrameInput {
  readonly #maxBlockBytes: number;
  readonly #onFrame: (frame: Frame) => void;
  #rest: Buffer = NOTHING;
  #block: OpenBlock | null = null;
  #isStopped = false;

  /** HEADERS come complete and without padding or priority; other frames as they are. */
  constructor(maxBlockBytes: number, onFrame: (frame: Frame) => void) {
    this.#maxBlockBytes = maxBlockBytes;
    this.#onFrame = onFrame;
  }

  /** Throws ConnectionError, also what `onFrame` throws. */
  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= FRAME_HEAD_BYTES && !this.#isStopped) {
      const length = bytes.readUIntBE(at, 3);
      if (length > MAX_FRAME_BYTES)
        throw new ConnectionError(errorCode.frameSizeError, `a frame of ${length} bytes is too large`);
      const from = at + FRAME_HEAD_BYTES;
      if (bytes.length < from + length) break;
      const type = bytes[at + 3] as number;
      const flags = bytes[at + 4] as number;
      const streamId = bytes.readUInt32BE(at + 5) & MAX_WINDOW;
      at = from + length;
      this.#take({ type, flags, streamId, payload: bytes.subarray(from, at) });
    }
    // A copy: it must not keep the much larger block alive in which it came.
    this.#rest = at === bytes.length || this.#isStopped ? NOTHING : Buffer.from(bytes.subarray(at));
  }

  /** Nothing is given on any more. */
  stop(): void {
    this.#isStopped = true;
    this.#rest = NOTHING;
    this.#block = null;
  }

  #take(frame: Frame): void {
    const block = this.#block;
    if (block) {
      if (frame.type !== frameType.continuation || frame.streamId !== block.streamId)
        throw broken('a header block is interrupted');
      return this.#continue(block, frame);
    }
    if (frame.type === frameType.continuation) throw broken('a header block is continued that was not begun');
    if (frame.type === frameType.headers) this.#begin(frame);
    else this.#onFrame(frame);
  }

  #begin(frame: Frame): void {
    const { type, flags, streamId } = frame;
    let payload = withoutPadding(frame);
    if (flags & flag.priority) {
      if (payload.length < PRIORITY_BYTES) throw new ConnectionError(errorCode.frameSizeError, 'a priority is cut off');
      payload = payload.subarray(PRIORITY_BYTES);
    }
    if (flags & flag.endHeaders) this.#onFrame({ type, flags, streamId, payload });
    else this.#block = { streamId, flags, parts: [Buffer.from(payload)], bytes: payload.length };
  }

  #continue(block: OpenBlock, { flags, payload }: Frame): void {
    // The head counts, too: an empty frame is not free.
    block.bytes += FRAME_HEAD_BYTES + payload.length;
    if (block.bytes > this.#maxBlockBytes)
      throw new ConnectionError(errorCode.enhanceYourCalm, `a header block of more than ${this.#maxBlockBytes} bytes`);
    block.parts.push(Buffer.from(payload));
    if ((flags & flag.endHeaders) === 0) return;
    this.#block = null;
    const { streamId, parts } = block;
    this.#onFrame({ type: frameType.headers, flags: block.flags, streamId, payload: Buffer.concat(parts) });
  }
}
