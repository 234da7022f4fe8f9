/**
 * Every batch begins with a head. It says what the log amounts to before this batch, and repeats the headers of the vows made
 * since the head before: so that a record that the disk destroys is not forgotten, and so that any later head bounds what it
 * may have been. A segment begins with a head too, which is why old segments can be removed.
 *
 *   0   base slot        u64: everything up to it is in a snapshot
 *   8   kept from        u64: entries of lower slots may have been removed
 *   16  accepted up to   u64: no record before this one accepted a higher slot
 *   24  covers from      u64: record number; of the records from it up to this one, those not listed below are no vows
 *   32  first segment    u32: lower segments were removed on purpose
 *   36  count            u32
 *   40  per vow: record number - covers from u32, digest u32, slot u64 (0: a promise), ballot u64
 */
import { type Frame, putSafeInteger, safeIntegerAt } from './record.ts';

const HEAD_BYTES = 40;
const VOW_BYTES = 24;

/** A promised (slot 0) or accepted record without its value. */
export interface Vow {
  readonly number: number;
  readonly slot: number;
  readonly ballot: number;
  readonly digest: number;
}

export interface Head {
  readonly baseSlot: number;
  readonly keptFrom: number;
  readonly acceptedUpTo: number;
  readonly coversFrom: number;
  readonly firstSegment: number;
  readonly vows: readonly Vow[];
}

export function headBytes(vows: number): number {
  return HEAD_BYTES + vows * VOW_BYTES;
}

export function putHead(frame: Frame, at: number, head: Head): void {
  putSafeInteger(frame, at, head.baseSlot);
  putSafeInteger(frame, at + 8, head.keptFrom);
  putSafeInteger(frame, at + 16, head.acceptedUpTo);
  putSafeInteger(frame, at + 24, head.coversFrom);
  frame.view.setUint32(at + 32, head.firstSegment, true);
  frame.view.setUint32(at + 36, head.vows.length, true);
  let next = at + HEAD_BYTES;
  for (const vow of head.vows) {
    frame.view.setUint32(next, vow.number - head.coversFrom, true);
    frame.view.setUint32(next + 4, vow.digest, true);
    putSafeInteger(frame, next + 8, vow.slot);
    putSafeInteger(frame, next + 16, vow.ballot);
    next += VOW_BYTES;
  }
}

/** The head whose intact payload stands at `at`. */
export function headAt(frame: Frame, at: number): Head {
  const coversFrom = safeIntegerAt(frame, at + 24);
  const vows: Vow[] = [];
  const count = frame.view.getUint32(at + 36, true);
  for (let index = 0, next = at + HEAD_BYTES; index < count; index++, next += VOW_BYTES)
    vows.push({
      number: coversFrom + frame.view.getUint32(next, true),
      digest: frame.view.getUint32(next + 4, true),
      slot: safeIntegerAt(frame, next + 8),
      ballot: safeIntegerAt(frame, next + 16),
    });
  return {
    baseSlot: safeIntegerAt(frame, at),
    keptFrom: safeIntegerAt(frame, at + 8),
    acceptedUpTo: safeIntegerAt(frame, at + 16),
    coversFrom,
    firstSegment: frame.view.getUint32(at + 32, true),
    vows,
  };
}
