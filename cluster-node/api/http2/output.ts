/**
 * What goes out on one connection. Frames are laid one behind the other and leave together, with one write at the end of the
 * turn in which they were made: a write costs more than all else about a small answer.
 */
import type { Socket } from 'node:net';
import { FRAME_HEAD_BYTES, type FrameHead } from './wire.ts';

const FIRST_BYTES = 4096;
/** More is not laid but written, and a buffer that has grown beyond is not kept. */
const WRITE_BYTES = 32 * 1024;
/** With so much unsent, streams wait. */
const ROOM_BYTES = 64 * 1024;

export class Output {
  readonly #socket: Socket;
  readonly #onWritten: () => void;
  #bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #used = 0;
  #isFlushDue = false;
  readonly #flush = (): void => this.flush();

  /** `onWritten` is called when the kernel has taken something. */
  constructor(socket: Socket, onWritten: () => void) {
    this.#socket = socket;
    this.#onWritten = onWritten;
  }

  /** Bytes that the kernel has not taken yet. */
  get unsent(): number {
    return this.#used + this.#socket.writableLength;
  }

  /** False while a stream should keep what it has to send. */
  hasRoom(): boolean {
    if (this.#used >= WRITE_BYTES) this.flush();
    return this.unsent < ROOM_BYTES;
  }

  /** Lays a frame; the payload is copied. */
  frame({ type, flags, streamId }: FrameHead, payload: Uint8Array): void {
    const at = this.#used;
    const end = at + FRAME_HEAD_BYTES + payload.length;
    if (end > this.#bytes.length) this.#grow(end);
    const bytes = this.#bytes;
    bytes[at] = payload.length >>> 16;
    bytes[at + 1] = payload.length >>> 8;
    bytes[at + 2] = payload.length;
    bytes[at + 3] = type;
    bytes[at + 4] = flags;
    bytes[at + 5] = streamId >>> 24;
    bytes[at + 6] = streamId >>> 16;
    bytes[at + 7] = streamId >>> 8;
    bytes[at + 8] = streamId;
    bytes.set(payload, at + FRAME_HEAD_BYTES);
    this.#used = end;
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    // After all promises that are ready: many answers come from one turn.
    process.nextTick(this.#flush);
  }

  flush(): void {
    this.#isFlushDue = false;
    if (this.#used === 0 || !this.#socket.writable) return;
    const bytes = this.#bytes.subarray(0, this.#used);
    this.#used = 0;
    this.#socket.write(bytes, this.#onWritten);
    // Where the kernel has taken all, the memory is ours again.
    if (this.#socket.writableLength > 0 || this.#bytes.length > WRITE_BYTES)
      this.#bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = grown;
  }
}
