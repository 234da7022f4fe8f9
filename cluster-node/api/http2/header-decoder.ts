/**
 * Reads header blocks (HPACK, RFC 7541) and makes requests of them (RFC 9113, 8.2 and 8.3). Blocks of one connection build
 * on each other, so each must be read, and one that cannot be read ends the connection.
 */
import { type HeaderField, HeaderTable, sizeOf } from './header-table.ts';
import { decodeHuffman } from './huffman.ts';
import { ConnectionError, errorCode } from './wire.ts';

/** Names are in lower case; ":path" and the like are among them. What came twice is joined by ", ". */
export type RequestHeaders = ReadonlyMap<string, string>;

/** What a peer may assume before it is told otherwise; we never tell otherwise. */
const TABLE_BYTES = 4096;
/** Clients send few blocks again and again: so many are remembered with what they mean. */
const REMEMBERED_BLOCKS = 4;
const MAX_INTEGER = 2 ** 28;

interface Remembered {
  readonly block: Buffer;
  readonly headers: RequestHeaders | null;
}

export class HeaderDecoder {
  readonly #table = new HeaderTable(TABLE_BYTES);
  readonly #maxListBytes: number;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;
  #remembered: Remembered[] = [];
  #rememberedAtChange = 0;

  /** `maxListBytes` is of one list, as RFC 7541 counts. */
  constructor(maxListBytes: number) {
    this.#maxListBytes = maxListBytes;
  }

  /** Null when the block is sound but no request. Throws ConnectionError. */
  request(block: Buffer): RequestHeaders | null {
    const known = this.#recall(block);
    if (known) return known.headers;
    const before = this.#table.changes;
    const headers = requestOf(this.fields(block));
    if (this.#table.changes === before) this.#remember(block, headers);
    return headers;
  }

  /** Throws ConnectionError. */
  fields(block: Buffer): HeaderField[] {
    this.#block = block;
    this.#at = 0;
    const fields: HeaderField[] = [];
    let bytes = 0;
    while (this.#at < block.length) {
      const field = this.#field(fields.length === 0);
      if (!field) continue;
      bytes += sizeOf(field);
      // Its one byte may stand for 4 kB of the table. What follows would have to be read all the same.
      if (bytes > this.#maxListBytes)
        throw new ConnectionError(errorCode.enhanceYourCalm, `headers of more than ${this.#maxListBytes} bytes`);
      fields.push(field);
    }
    return fields;
  }

  /** The next field, or null when it was a change of the table's size. */
  #field(mayResize: boolean): HeaderField | null {
    const byte = this.#block[this.#at] as number;
    if (byte & 0x80) return this.#indexed(this.#integer(0x7f));
    if (byte & 0x40) {
      const field = this.#literal(0x3f);
      this.#table.add(field);
      return field;
    }
    if ((byte & 0x20) === 0) return this.#literal(0x0f);
    const maxBytes = this.#integer(0x1f);
    if (!mayResize || maxBytes > TABLE_BYTES) throw damaged('a change of the table that is not allowed');
    this.#table.resize(maxBytes);
    return null;
  }

  #literal(indexMask: number): HeaderField {
    const index = this.#integer(indexMask);
    const name = index === 0 ? this.#string() : this.#indexed(index).name;
    return { name, value: this.#string() };
  }

  #indexed(index: number): HeaderField {
    const field = this.#table.at(index);
    if (!field) throw damaged(`no header has index ${index}`);
    return field;
  }

  /** 5.1; the mask is that of the prefix. */
  #integer(mask: number): number {
    let value = this.#byte() & mask;
    if (value < mask) return value;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (value > MAX_INTEGER || scale > MAX_INTEGER) throw damaged('an integer is too large');
      if (byte < 0x80) return value;
    }
  }

  #string(): string {
    const isHuffman = ((this.#block[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(0x7f);
    const end = this.#at + length;
    if (end > this.#block.length) throw damaged('a string is longer than its block');
    const text = isHuffman
      ? decodeHuffman(this.#block.subarray(this.#at, end))
      : this.#block.toString('latin1', this.#at, end);
    if (text === null) throw damaged('a string is not in the Huffman code');
    this.#at = end;
    return text;
  }

  #byte(): number {
    const byte = this.#block[this.#at++];
    if (byte === undefined) throw damaged('a block ends inside a field');
    return byte;
  }

  #recall(block: Buffer): Remembered | undefined {
    if (this.#rememberedAtChange !== this.#table.changes) return undefined;
    return this.#remembered.find((known) => known.block.equals(block));
  }

  #remember(block: Buffer, headers: RequestHeaders | null): void {
    if (this.#rememberedAtChange !== this.#table.changes) this.#remembered = [];
    this.#rememberedAtChange = this.#table.changes;
    if (this.#remembered.length === REMEMBERED_BLOCKS) this.#remembered.shift();
    this.#remembered.push({ block: Buffer.from(block), headers });
  }
}

function damaged(flaw: string): ConnectionError {
  return new ConnectionError(errorCode.compressionError, flaw);
}

const pseudoNames = new Set([':method', ':scheme', ':path', ':authority']);
const connectionNames = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

function requestOf(fields: readonly HeaderField[]): RequestHeaders | null {
  const headers = new Map<string, string>();
  let isRegular = false;
  for (const { name, value } of fields) {
    const before = headers.get(name);
    if (/[\0\r\n]/.test(value)) return null;
    if (name.startsWith(':')) {
      if (isRegular || before !== undefined || !pseudoNames.has(name)) return null;
    } else {
      isRegular = true;
      if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name) || connectionNames.has(name)) return null;
      if (name === 'te' && value !== 'trailers') return null;
    }
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return headers.get(':method') && headers.get(':scheme') && headers.get(':path') ? headers : null;
}
