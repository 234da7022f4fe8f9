/** Cuts a byte stream into frames. */
import { FrameError } from './byte-cursor.ts';
import { FRAME_LENGTH_BYTES, MAX_FRAME_BYTES } from './codec.ts';

export class FrameSplitter {
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Bytes that the frame at the front needs, its length included; the length itself while that is unknown. */
  #needed = FRAME_LENGTH_BYTES;

  /** The bodies of the frames that `chunk` completes. Throws FrameError when a frame is empty or too long. */
  *push(chunk: Buffer): Generator<Buffer> {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < this.#needed) return;
    let buffer = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    this.#needed = FRAME_LENGTH_BYTES;
    while (buffer.length >= FRAME_LENGTH_BYTES) {
      const length = buffer.readUInt32LE(0);
      if (length === 0 || length > MAX_FRAME_BYTES) throw new FrameError(`a frame of ${length} bytes is not allowed`);
      const end = FRAME_LENGTH_BYTES + length;
      if (buffer.length < end) {
        this.#needed = end;
        break;
      }
      yield buffer.subarray(FRAME_LENGTH_BYTES, end);
      buffer = buffer.subarray(end);
    }
    this.#chunks = buffer.length > 0 ? [buffer] : [];
    this.#bytes = buffer.length;
  }
}
