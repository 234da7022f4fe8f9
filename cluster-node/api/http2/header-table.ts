/** HPACK's index of header fields (RFC 7541, 2.3): 61 that never change, then what the connection has seen, latest first. */

export interface HeaderField {
  readonly name: string;
  readonly value: string;
}

const ENTRY_OVERHEAD_BYTES = 32;

/** As RFC 7541 counts (4.1): in bytes, and strings here hold one byte a character. */
export function sizeOf({ name, value }: HeaderField): number {
  return name.length + value.length + ENTRY_OVERHEAD_BYTES;
}

const staticFields: readonly HeaderField[] = `:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`
  .split('\n')
  .map((line) => {
    const [name = '', ...words] = line.split(' ');
    return { name, value: words.join(' ') };
  });

export class HeaderTable {
  /** The latest last. */
  readonly #seen: HeaderField[] = [];
  #bytes = 0;
  #maxBytes: number;
  #changes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }
  /** While this number stays the same, so does the meaning of every index. */
  get changes(): number {
    return this.#changes;
  }

  /** Indices begin at 1. */
  at(index: number): HeaderField | undefined {
    return index <= staticFields.length
      ? staticFields[index - 1]
      : this.#seen[this.#seen.length - (index - staticFields.length)];
  }

  add(field: HeaderField): void {
    this.#changes++;
    this.#bytes += sizeOf(field);
    this.#seen.push(field);
    // A field larger than the whole table empties it (4.4).
    this.#evict();
  }

  resize(maxBytes: number): void {
    this.#changes++;
    this.#maxBytes = maxBytes;
    this.#evict();
  }

  #evict(): void {
    let gone = 0;
    while (this.#bytes > this.#maxBytes) this.#bytes -= sizeOf(this.#seen[gone++] as HeaderField);
    if (gone > 0) this.#seen.splice(0, gone);
  }
}
