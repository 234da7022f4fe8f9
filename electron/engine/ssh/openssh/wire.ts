/** Numbers and strings as SSH writes them (RFC 4251, 5). */

/** Throws RangeError where less is there than is asked for. */
export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  byte(): number {
    this.#at += 1;
    return this.#bytes.readUInt8(this.#at - 1);
  }

  boolean(): boolean {
    return this.byte() !== 0;
  }

  uint32(): number {
    this.#at += 4;
    return this.#bytes.readUInt32BE(this.#at - 4);
  }

  string(): Buffer {
    const length = this.uint32();
    if (this.#at + length > this.#bytes.length) throw new RangeError('a string longer than its packet');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  text(): string {
    return this.string().toString('utf8');
  }
}

/** A number that takes one byte; a plain one takes four. */
export interface OneByte {
  byte: number;
}

/** Numbers become uint32, texts and bytes strings with their length in front. */
export function wireOf(...parts: readonly (OneByte | number | string | Buffer)[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      if (typeof part === 'number') return uint32(part);
      if (typeof part === 'object' && 'byte' in part) return Buffer.of(part.byte);
      const bytes = typeof part === 'string' ? Buffer.from(part) : part;
      return Buffer.concat([uint32(bytes.length), bytes]);
    }),
  );
}

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
