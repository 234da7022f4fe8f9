/**
 * Whose log this is: written once, at the node's first start, and never changed. Four equal copies, one per 4 KiB block, so
 * that one bad sector cannot make the node forget who it is; two must agree.
 */
import { readFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { DataDamagedError, DataMismatchError } from './errors.ts';
import { writeFileDurably } from './files.ts';

const COPIES = 4;
const COPY_BYTES = 4096;
const HEADER_BYTES = 8;
export const STORAGE_FORMAT = 2;

const superblockSchema = z.object({
  formatVersion: z.literal(STORAGE_FORMAT),
  clusterId: z.string(),
  nodeId: z.string(),
  memberSlot: z.number().int().min(1),
  /** Names this disk: drawn at the first start. A node with an emptied disk is another acceptor. */
  incarnation: z.string().regex(/^[0-9a-f]{16}$/),
  createdAtUnixMs: z.number(),
});
export type Superblock = z.infer<typeof superblockSchema>;

export function writeSuperblock(path: string, superblock: Superblock): Promise<void> {
  return writeFileDurably(path, encodeSuperblock(superblock));
}

function encodeSuperblock(superblock: Superblock): Buffer {
  const text = Buffer.from(JSON.stringify(superblock));
  const copy = Buffer.alloc(COPY_BYTES);
  copy.writeUInt32LE(text.length, 0);
  copy.writeUInt32LE(crc32(text), 4);
  text.copy(copy, HEADER_BYTES);
  return Buffer.concat(Array.from({ length: COPIES }, () => copy));
}

/** null when there is none. Throws DataDamagedError when no two copies agree. */
export async function readSuperblock(path: string): Promise<Superblock | null> {
  const file = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  return file && decodeSuperblock(path, file);
}

/** `path` is named in errors. Throws DataDamagedError when no two copies agree, DataMismatchError for another format. */
export function decodeSuperblock(path: string, file: Buffer): Superblock {
  const copies = superblockCopies(file);
  const agreed = copies.find((text, index) => text !== null && copies.indexOf(text) !== index);
  if (agreed === undefined || agreed === null)
    throw new DataDamagedError(
      `${path}: fewer than two of the four copies agree; this node must not vote from this disk. Replace the node.`,
    );
  return parse(path, agreed);
}

/** What each copy says; null where it does not check. */
export function superblockCopies(file: Buffer): (string | null)[] {
  return Array.from({ length: COPIES }, (_, index) =>
    readCopy(file.subarray(index * COPY_BYTES, (index + 1) * COPY_BYTES)),
  );
}

/** Throws DataMismatchError when the folder is another's. */
export function checkIdentity(
  path: string,
  found: Superblock,
  wanted: Pick<Superblock, 'clusterId' | 'nodeId' | 'memberSlot'>,
): void {
  for (const field of ['clusterId', 'nodeId', 'memberSlot'] as const)
    if (found[field] !== wanted[field])
      throw new DataMismatchError(
        `${path}: ${field} is ${found[field]} on disk but ${wanted[field]} in the configuration; correct dataDir or ${field}`,
      );
}

function readCopy(copy: Buffer): string | null {
  if (copy.length < COPY_BYTES) return null;
  const length = copy.readUInt32LE(0);
  if (length === 0 || length > COPY_BYTES - HEADER_BYTES) return null;
  const text = copy.subarray(HEADER_BYTES, HEADER_BYTES + length);
  return crc32(text) === copy.readUInt32LE(4) ? text.toString('utf8') : null;
}

function parse(path: string, text: string): Superblock {
  const found: unknown = JSON.parse(text);
  const parsed = superblockSchema.safeParse(found);
  if (parsed.success) return parsed.data;
  const format = z.object({ formatVersion: z.number() }).safeParse(found).data?.formatVersion;
  if (format === STORAGE_FORMAT)
    throw new DataMismatchError(
      `${path} is not one that this version of Synod writes: ${parsed.error.message}. Replace the node, the other nodes have its data.`,
      { cause: parsed.error },
    );
  throw new DataMismatchError(
    `${path}: the data folder has format ${format ?? 'unknown'}, and this version of Synod reads format ${STORAGE_FORMAT} alone; nothing ` +
      'was changed. Run the version of Synod that wrote it, or replace the node: the other nodes have its data.',
  );
}
