/**
 * Segment files: `log/<first record number, 16 digits>.log`, a 64-byte header and then records, preallocated with zeros so
 * that a write in place needs no change of the file's metadata and one synchronous write makes it durable.
 */
import { randomInt } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { syncFolder, writeFully } from './files.ts';
import { readSafeInteger, writeSafeInteger } from './safe-integer.ts';

export const SEGMENT_BYTES = 16 * 1024 * 1024;
export const SEGMENT_HEADER_BYTES = 64;
const MAGIC = Buffer.from('SYNODLOG');
const FORMAT = 1;
const ZEROS = Buffer.alloc(1024 * 1024);
const SPARE = 'spare.tmp';
const NAME = /^(\d{16})\.log$/;
/** Each write returns once its bytes are on disk: one system call for write and sync. */
const WRITE_FLAGS = constants.O_RDWR | constants.O_DSYNC;

export interface Segment {
  readonly path: string;
  readonly firstNumber: number;
  readonly salt: number;
  readonly sizeBytes: number;
}

/** null when the name is no segment's. */
export function firstNumberOf(fileName: string): number | null {
  const digits = NAME.exec(fileName)?.[1];
  return digits === undefined ? null : Number(digits);
}

export function decodeSegmentHeader(file: Buffer): { firstNumber: number; salt: number } | null {
  if (file.length < SEGMENT_HEADER_BYTES || !file.subarray(0, 8).equals(MAGIC)) return null;
  if (file.readUInt32LE(8) !== FORMAT || crc32(file.subarray(0, 24)) !== file.readUInt32LE(24)) return null;
  return { salt: file.readUInt32LE(12), firstNumber: readSafeInteger(file, 16) };
}

/** Fills the spare file with zeros, durably. Throws ENOSPC and then leaves nothing behind. */
export async function prepareSpare(logDir: string): Promise<void> {
  const path = join(logDir, SPARE);
  const handle = await open(path, 'w', 0o600);
  try {
    for (let at = 0; at < SEGMENT_BYTES; at += ZEROS.length) {
      await writeFully(handle, ZEROS, at);
      await handle.datasync();
    }
    await handle.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
}

/** Turns the prepared spare into the segment that begins with record `firstNumber`. */
export async function adoptSpare(logDir: string, firstNumber: number): Promise<Segment> {
  const spare = join(logDir, SPARE);
  const path = join(logDir, `${String(firstNumber).padStart(16, '0')}.log`);
  const salt = randomInt(1, 2 ** 32 - 1);
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32LE(FORMAT, 8);
  header.writeUInt32LE(salt, 12);
  writeSafeInteger(header, firstNumber, 16);
  header.writeUInt32LE(crc32(header.subarray(0, 24)), 24);
  const handle = await open(spare, 'r+');
  try {
    await writeFully(handle, header, 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(spare, path);
  await syncFolder(logDir);
  return { path, firstNumber, salt, sizeBytes: SEGMENT_BYTES };
}

export function openForWriting(segment: Segment): Promise<FileHandle> {
  return open(segment.path, WRITE_FLAGS);
}
