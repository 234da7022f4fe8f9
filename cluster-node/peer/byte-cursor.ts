/** Writing and reading of a frame's bytes, with every bound checked. */
import { readSafeInteger, SAFE_INTEGER_BYTES, writeSafeInteger } from '../storage/safe-integer.ts';

/** The peer broke the protocol; the connection cannot go on. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

export class ByteWriter {
  #buffer: Buffer;
  #length: number;

  /** Leaves `headroom` bytes free at the start. */
  constructor(headroom: number) {
    this.#buffer = Buffer.allocUnsafe(256);
    this.#length = headroom;
  }

  u8(value: number): this {
    this.#room(1);
    this.#length = this.#buffer.writeUInt8(value, this.#length);
    return this;
  }

  u16(value: number): this {
    this.#room(2);
    this.#length = this.#buffer.writeUInt16LE(value, this.#length);
    return this;
  }

  u32(value: number): this {
    this.#room(4);
    this.#length = this.#buffer.writeUInt32LE(value, this.#length);
    return this;
  }

  /** An unsigned integer up to 2^53 - 1. */
  integer(value: number): this {
    this.#room(SAFE_INTEGER_BYTES);
    writeSafeInteger(this.#buffer, value, this.#length);
    this.#length += SAFE_INTEGER_BYTES;
    return this;
  }

  bytes(value: Uint8Array): this {
    this.u32(value.length);
    this.#room(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value, 'utf8'));
  }

  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #room(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

export class ByteReader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get remaining(): number {
    return this.#buffer.length - this.#at;
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#take(1));
  }

  u16(): number {
    return this.#buffer.readUInt16LE(this.#take(2));
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#take(4));
  }

  flag(): boolean {
    const value = this.u8();
    if (value > 1) throw new FrameError(`${value} is no truth value`);
    return value === 1;
  }

  integer(): number {
    const value = readSafeInteger(this.#buffer, this.#take(SAFE_INTEGER_BYTES));
    if (Number.isNaN(value)) throw new FrameError('a number is beyond 2^53 - 1');
    return value;
  }

  /** A copy, so that a small value does not keep the whole received buffer in memory. */
  bytes(): Uint8Array {
    const length = this.u32();
    const start = this.#take(length);
    return new Uint8Array(this.#buffer.subarray(start, start + length));
  }

  text(maxBytes: number): string {
    const bytes = this.bytes();
    if (bytes.length > maxBytes) throw new FrameError(`a text has ${bytes.length} bytes, more than ${maxBytes}`);
    return Buffer.from(bytes).toString('utf8');
  }

  /** Number of items that follow, each at least `minItemBytes` long: bounds what a decoder may allocate. */
  count(minItemBytes: number): number {
    const count = this.u32();
    if (count * minItemBytes > this.remaining)
      throw new FrameError(`${count} items do not fit ${this.remaining} bytes`);
    return count;
  }

  end(): void {
    if (this.remaining > 0) throw new FrameError(`${this.remaining} bytes stand behind the message`);
  }

  #take(length: number): number {
    if (length > this.remaining) throw new FrameError(`${length} bytes were announced but ${this.remaining} are there`);
    const start = this.#at;
    this.#at += length;
    return start;
  }
}
