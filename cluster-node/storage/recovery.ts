/**
 * Reads the log at start. Only a torn tail may be dropped: records at the end of the last segment that neither a later record
 * nor the mark (synced-mark.ts) calls synced. Anything else that does not check refuses to start.
 *
 * The limit of this: the last batch before a crash has no later record, and the mark follows within a moment, not at once. If
 * the disk damages just these records after it had reported them synced, they are taken for a torn tail and what was answered
 * on their strength is forgotten. A crash alone does not do that; a crash and a lying disk within the same 200 ms can.
 */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { DurableRecord } from '../paxos/interface.ts';
import { DataDamagedError } from './errors.ts';
import { syncFolder, writeFully } from './files.ts';
import {
  decodeHeader,
  decodePayload,
  paddedBytes,
  RECORD_ALIGNMENT,
  RECORD_HEADER_BYTES,
  RECORD_MAGIC,
} from './record.ts';
import {
  decodeSegmentHeader,
  firstNumberOf,
  openForWriting,
  SEGMENT_BYTES,
  SEGMENT_HEADER_BYTES,
  type Segment,
} from './segment.ts';

const ZEROS = Buffer.alloc(64 * 1024);

export interface ScannedLog {
  readonly segments: Segment[];
  /** Number of the next record and where it goes in the last segment. */
  readonly nextNumber: number;
  readonly nextOffset: number;
  /** Bytes of a torn tail that were cleared; 0 after a clean stop. */
  readonly droppedBytes: number;
}

type OnRecord = (record: DurableRecord, place: { readonly segment: number; readonly offset: number }) => void;

/**
 * Gives every record in order to `onRecord`; what is given is on disk when this resolves. `syncedUpTo` is the number of a
 * record that was on disk once, and so must be all before. Throws DataDamagedError naming file, offset and record number.
 */
export async function scanLog(
  logDir: string,
  { syncedUpTo, onRecord }: { readonly syncedUpTo: number; readonly onRecord: OnRecord },
): Promise<ScannedLog> {
  const numbers = (await readdir(logDir)).map(firstNumberOf).filter((number) => number !== null);
  numbers.sort((left, right) => left - right);
  const segments: Segment[] = [];
  let nextNumber = 1;
  let nextOffset = SEGMENT_HEADER_BYTES;
  let droppedBytes = 0;
  for (const [ordinal, firstNumber] of numbers.entries()) {
    const path = join(logDir, `${String(firstNumber).padStart(16, '0')}.log`);
    const file = await readFile(path);
    const header = decodeSegmentHeader(file);
    if (header === null || header.firstNumber !== firstNumber)
      throw damaged(path, 0, firstNumber, 'the header of the segment does not check');
    if (firstNumber !== nextNumber)
      throw damaged(segments.at(-1)?.path ?? path, nextOffset, nextNumber, `${basename(path)} goes on after it`);
    if (file.length !== SEGMENT_BYTES)
      throw damaged(path, file.length, firstNumber, `the segment has ${file.length} of its ${SEGMENT_BYTES} bytes`);
    const segment: Segment = { path, ...header, sizeBytes: file.length };
    const end = scanSegment(file, segment, (record, offset) => onRecord(record, { segment: ordinal, offset }));
    if (ordinal === numbers.length - 1) {
      if (end.nextNumber <= syncedUpTo)
        throw damaged(path, end.offset, end.nextNumber, `record ${syncedUpTo} was on disk already`);
      droppedBytes = tornTail(file, segment, end);
      await settleEnd(segment, end.offset, droppedBytes);
    }
    segments.push(segment);
    nextNumber = end.nextNumber;
    nextOffset = end.offset;
  }
  return { segments, nextNumber, nextOffset, droppedBytes };
}

interface SegmentEnd {
  /** Offset of the first byte after the last intact record. */
  readonly offset: number;
  readonly nextNumber: number;
}

function scanSegment(
  file: Buffer,
  segment: Segment,
  onRecord: (record: DurableRecord, offset: number) => void,
): SegmentEnd {
  let offset = SEGMENT_HEADER_BYTES;
  let nextNumber = segment.firstNumber;
  for (;;) {
    const header = decodeHeader(file, offset, segment.salt);
    if (header === null || header.number !== nextNumber) break;
    const payloadAt = offset + RECORD_HEADER_BYTES;
    const record = decodePayload(header, file.subarray(payloadAt, payloadAt + header.payloadBytes));
    if (record === null) break;
    onRecord(record, offset);
    offset += paddedBytes(header.payloadBytes);
    nextNumber += 1;
  }
  return { offset, nextNumber };
}

/** How many bytes after `end` hold something, all of it never synced. Throws when a later record says otherwise. */
function tornTail(file: Buffer, segment: Segment, end: SegmentEnd): number {
  for (let at = file.indexOf(RECORD_MAGIC, end.offset); at >= 0; at = file.indexOf(RECORD_MAGIC, at + 1)) {
    const header = at % RECORD_ALIGNMENT === 0 ? decodeHeader(file, at, segment.salt) : null;
    if (header !== null && header.syncedUpTo >= end.nextNumber)
      throw damaged(
        segment.path,
        end.offset,
        end.nextNumber,
        `record ${header.number} after it says that it was synced`,
      );
  }
  return usedEnd(file, end.offset) - end.offset;
}

/** The offset after the last byte that is not zero; `from` when there is none behind it. */
function usedEnd(file: Buffer, from: number): number {
  let end = file.length;
  while (end - ZEROS.length >= from && file.subarray(end - ZEROS.length, end).equals(ZEROS)) end -= ZEROS.length;
  while (end > from && file[end - 1] === 0) end -= 1;
  return end;
}

/**
 * Zeros the torn tail, so that no later scan can mistake its remains for records, and syncs what stands before it: a process
 * that was killed may have left whole records in the page cache only.
 */
async function settleEnd(segment: Segment, offset: number, tailBytes: number): Promise<void> {
  const handle = await openForWriting(segment);
  try {
    await writeFully(handle, Buffer.alloc(tailBytes), offset);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await syncFolder(join(segment.path, '..'));
}

function damaged(path: string, offset: number, record: number, reason: string): DataDamagedError {
  return new DataDamagedError(
    `${basename(path)}, offset ${offset}: record ${record} is damaged: ${reason}. The node stays down so that it ` +
      'breaks no promise; replace it, the other nodes have its data.',
  );
}
