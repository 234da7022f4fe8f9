/**
 * How far the log was on disk, in a file of its own: without it a log that lost its end (a segment cut short, zeroed or deleted)
 * looks like one that never was longer, and the node would vote against its promises.
 *
 * Two slots are written in turn, one block each, so that a write torn by a crash leaves the mark before it.
 *
 *   0 "SYNODMRK" · 8 record number u64 · 16 CRC-32 of bytes 0..15, seeded with the log's salt, u32
 */
import { checksum } from './checksum.ts';
import { frameOf, putSafeInteger, safeIntegerAt } from './record.ts';

export const MARK_SLOTS = 2;
export const MARK_SLOT_BYTES = 4096;
const MAGIC = Buffer.from('SYNODMRK');
const CRC_AT = 16;

export interface Mark {
  /** Every record up to this number was on disk once. */
  readonly upTo: number;
  /** Which of the slots says so; the other one is written next. */
  readonly slot: number;
}

/** The bytes of one slot. */
export function encodeMark(upTo: number, salt: number): Uint8Array {
  const frame = frameOf(new Uint8Array(MARK_SLOT_BYTES));
  frame.bytes.set(MAGIC);
  putSafeInteger(frame, 8, upTo);
  frame.view.setUint32(CRC_AT, checksum(frame.bytes, { start: 0, end: CRC_AT, seed: salt }), true);
  return frame.bytes;
}

/** The mark of a log without records: the whole file. */
export function newMark(salt: number): Uint8Array {
  return Buffer.concat(Array.from({ length: MARK_SLOTS }, () => encodeMark(0, salt)));
}

/** What each slot says; null where it does not check. */
export function decodeMarkSlots(file: Uint8Array, salt: number): (number | null)[] {
  return Array.from({ length: MARK_SLOTS }, (_, slot) => {
    const bytes = file.subarray(slot * MARK_SLOT_BYTES, (slot + 1) * MARK_SLOT_BYTES);
    if (bytes.length < CRC_AT + 4 || !MAGIC.equals(bytes.subarray(0, 8))) return null;
    const frame = frameOf(bytes);
    const crc = checksum(bytes, { start: 0, end: CRC_AT, seed: salt });
    return crc === frame.view.getUint32(CRC_AT, true) ? safeIntegerAt(frame, 8) : null;
  });
}

/** null when neither slot checks: nobody can tell then how long the log was. */
export function decodeMark(file: Uint8Array, salt: number): Mark | null {
  const slots = decodeMarkSlots(file, salt);
  const upTo = Math.max(...slots.map((number) => number ?? -1));
  return upTo < 0 ? null : { upTo, slot: slots.indexOf(upTo) };
}
