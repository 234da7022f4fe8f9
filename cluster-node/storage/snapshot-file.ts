/**
 * A snapshot on disk, the same bytes on every node, so that a half-fetched one can be completed from any peer. Integers are
 * little-endian:
 *
 *   header    "SYNODSNP", format u32, length u32 of what follows the CRC, CRC-32 u32 of both parts of the header;
 *             slot u64, cluster id and configuration, each u32 length and bytes
 *   chunks    length u32, CRC-32 u32 seeded with the chunk's index, bytes: the machine's stream in pieces of 64 KiB
 *   trailer   zero u32, CRC-32 u32 of the rest, length of the machine's stream u64, its SHA-256
 */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import type { Slot } from '../contract/ballot.ts';
import { SNAPSHOT_FILE_FORMAT, SNAPSHOT_MAGIC, SNAPSHOT_PREAMBLE_BYTES } from '../contract/snapshot-preamble.ts';
import { DataDamagedError } from './errors.ts';
import { readFully } from './files.ts';
import { readSafeInteger, writeSafeInteger } from './safe-integer.ts';

const MAGIC = Buffer.from(SNAPSHOT_MAGIC);
const PREAMBLE_BYTES = SNAPSHOT_PREAMBLE_BYTES;
const CHUNK_BYTES = 64 * 1024;
const CHUNK_HEADER_BYTES = 8;
const TRAILER_BYTES = 48;
const MAX_HEADER_BYTES = 1024 * 1024;

export interface SnapshotHeader {
  readonly clusterId: string;
  readonly slot: Slot;
  /** As the runtime gave it. */
  readonly configuration: Uint8Array;
}

export interface SnapshotInfo extends SnapshotHeader {
  /** Of the machine's stream, 64 hex digits: what nodes compare. */
  readonly sha256: string;
  /** Length of the machine's stream. */
  readonly machineBytes: number;
  readonly fileBytes: number;
}

/** Turns a machine's stream into the bytes of a file. */
export class SnapshotEncoder {
  readonly header: SnapshotHeader;
  readonly #hash: Hash = createHash('sha256');
  #pending = Buffer.alloc(CHUNK_HEADER_BYTES + CHUNK_BYTES);
  #length = 0;
  #chunks = 0;
  #machineBytes = 0;
  #fileBytes = 0;

  constructor(header: SnapshotHeader) {
    this.header = header;
  }

  start(): Buffer {
    const { clusterId, slot, configuration } = this.header;
    const name = Buffer.from(clusterId);
    const body = Buffer.alloc(16 + name.length + configuration.length);
    if (body.length > MAX_HEADER_BYTES) throw new RangeError(`a configuration of ${configuration.length} bytes`);
    writeSafeInteger(body, slot, 0);
    body.writeUInt32LE(name.length, 8);
    body.set(name, 12);
    body.writeUInt32LE(configuration.length, 12 + name.length);
    body.set(configuration, 16 + name.length);
    const preamble = Buffer.alloc(PREAMBLE_BYTES);
    preamble.set(MAGIC);
    preamble.writeUInt32LE(SNAPSHOT_FILE_FORMAT, 8);
    preamble.writeUInt32LE(body.length, 12);
    preamble.writeUInt32LE(headerCrc(preamble, body), 16);
    return this.#counted(Buffer.concat([preamble, body]));
  }

  /** Gives what is ready to be written; the buffers are not used again. */
  add(bytes: Uint8Array): Buffer[] {
    this.#hash.update(bytes);
    this.#machineBytes += bytes.length;
    const ready: Buffer[] = [];
    for (let done = 0; done < bytes.length; ) {
      const part = bytes.subarray(done, done + CHUNK_BYTES - this.#length);
      this.#pending.set(part, CHUNK_HEADER_BYTES + this.#length);
      this.#length += part.length;
      done += part.length;
      if (this.#length === CHUNK_BYTES) ready.push(this.#cut());
    }
    return ready;
  }

  finish(): { readonly bytes: Buffer; readonly info: SnapshotInfo } {
    const last = this.#length > 0 ? [this.#cut()] : [];
    const sha256 = this.#hash.digest();
    const trailer = Buffer.alloc(TRAILER_BYTES);
    writeSafeInteger(trailer, this.#machineBytes, 8);
    trailer.set(sha256, 16);
    trailer.writeUInt32LE(crc32(trailer.subarray(8)), 4);
    const bytes = Buffer.concat([...last, this.#counted(trailer)]);
    const info = {
      ...this.header,
      sha256: sha256.toString('hex'),
      machineBytes: this.#machineBytes,
      fileBytes: this.#fileBytes,
    };
    return { bytes, info };
  }

  #cut(): Buffer {
    const chunk = this.#pending.subarray(0, CHUNK_HEADER_BYTES + this.#length);
    chunk.writeUInt32LE(this.#length, 0);
    chunk.writeUInt32LE(crc32(chunk.subarray(CHUNK_HEADER_BYTES), this.#chunks++), 4);
    this.#pending = Buffer.alloc(CHUNK_HEADER_BYTES + CHUNK_BYTES);
    this.#length = 0;
    return this.#counted(chunk);
  }

  #counted(bytes: Buffer): Buffer {
    this.#fileBytes += bytes.length;
    return bytes;
  }
}

/**
 * Gives the machine's stream and, at its end, what the file is. Throws DataDamagedError at the first thing that does not
 * check; nothing is proved before the end is reached.
 */
export async function* readSnapshotFile(path: string): AsyncGenerator<Uint8Array, SnapshotInfo, void> {
  const handle = await open(path, 'r');
  try {
    const { header, bytes: headerBytes } = await readHeader(handle, path);
    const hash = createHash('sha256');
    let offset = headerBytes;
    let machineBytes = 0;
    for (let index = 0; ; index++) {
      const piece = Buffer.alloc(CHUNK_HEADER_BYTES + CHUNK_BYTES);
      const present = piece.subarray(0, await readFully(handle, piece, offset));
      if (present.length < CHUNK_HEADER_BYTES) throw damaged(path, `it ends at byte ${offset + present.length}`);
      const length = present.readUInt32LE(0);
      if (length === 0) {
        checkTrailer(path, present, { machineBytes, sha256: hash.digest() });
        const sha256 = present.toString('hex', 16, TRAILER_BYTES);
        return { ...header, sha256, machineBytes, fileBytes: offset + TRAILER_BYTES };
      }
      const chunk = present.subarray(CHUNK_HEADER_BYTES, CHUNK_HEADER_BYTES + length);
      if (length > CHUNK_BYTES || chunk.length < length || crc32(chunk, index) !== present.readUInt32LE(4))
        throw damaged(path, `chunk ${index} at byte ${offset} does not check`);
      hash.update(chunk);
      machineBytes += length;
      offset += CHUNK_HEADER_BYTES + length;
      yield chunk;
    }
  } finally {
    await handle.close();
  }
}

/** Reads all of it. Throws DataDamagedError. */
export async function verifySnapshotFile(path: string): Promise<SnapshotInfo> {
  const stream = readSnapshotFile(path);
  for (;;) {
    const { done, value } = await stream.next();
    if (done) return value;
  }
}

function checkTrailer(path: string, bytes: Buffer, read: { machineBytes: number; sha256: Buffer }): void {
  if (bytes.length !== TRAILER_BYTES) throw damaged(path, 'it does not end where its trailer does');
  if (crc32(bytes.subarray(8)) !== bytes.readUInt32LE(4)) throw damaged(path, 'its trailer does not check');
  if (readSafeInteger(bytes, 8) !== read.machineBytes || !bytes.subarray(16).equals(read.sha256))
    throw damaged(path, 'its content is not what was written');
}

async function readHeader(handle: FileHandle, path: string): Promise<{ header: SnapshotHeader; bytes: number }> {
  const preamble = Buffer.alloc(PREAMBLE_BYTES);
  await readFully(handle, preamble, 0);
  if (!preamble.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged(path, 'it does not begin as a snapshot');
  const format = preamble.readUInt32LE(8);
  const length = preamble.readUInt32LE(12);
  if (format !== SNAPSHOT_FILE_FORMAT) throw damaged(path, `it has format ${format}, not ${SNAPSHOT_FILE_FORMAT}`);
  if (length > MAX_HEADER_BYTES) throw damaged(path, 'its header does not check');
  const body = Buffer.alloc(length);
  await readFully(handle, body, PREAMBLE_BYTES);
  if (headerCrc(preamble, body) !== preamble.readUInt32LE(16)) throw damaged(path, 'its header does not check');
  return { header: parseHeader(path, body), bytes: PREAMBLE_BYTES + length };
}

/** Lengths are checked although the CRC matched: a peer may have sent this. */
function parseHeader(path: string, body: Buffer): SnapshotHeader {
  const slot = body.length < 16 ? Number.NaN : readSafeInteger(body, 0);
  const nameEnd = body.length < 16 ? 0 : 12 + body.readUInt32LE(8);
  if (Number.isNaN(slot) || nameEnd + 4 > body.length || nameEnd + 4 + body.readUInt32LE(nameEnd) !== body.length)
    throw damaged(path, 'its header contradicts itself');
  const configuration = new Uint8Array(body.subarray(nameEnd + 4));
  return { slot, clusterId: body.toString('utf8', 12, nameEnd), configuration };
}

function headerCrc(preamble: Buffer, body: Buffer): number {
  return crc32(body, crc32(preamble.subarray(0, PREAMBLE_BYTES - 4)));
}

function damaged(path: string, what: string): DataDamagedError {
  return new DataDamagedError(`the snapshot ${path} cannot be used: ${what}`);
}
