/**
 * Finds the records of one segment, and what stands between them that is none. After damage it goes on at the next intact
 * record that belongs where it stands. It does not judge: that takes what later segments say (scan.ts).
 */
import type { DamageKind } from './damage.ts';
import { type Head, headAt } from './head.ts';
import {
  type Frame,
  frameOf,
  headerAt,
  isPayloadIntact,
  RECORD_HEADER_BYTES,
  RECORD_MAGIC,
  type RecordHeader,
  recordBytes,
} from './record.ts';
import { SEGMENT_START } from './batch.ts';

const ZEROS = Buffer.alloc(64 * 1024);

export interface FoundRecord {
  readonly kind: 'record';
  readonly header: RecordHeader;
  /** False: the payload does not check, the header does. */
  readonly isWhole: boolean;
  /** Of a whole head. */
  readonly head: Head | null;
  readonly endOffset: number;
}

export interface Gap {
  readonly kind: 'gap';
  readonly segment: number;
  readonly offset: number;
  readonly endOffset: number;
  readonly damage: DamageKind;
  /** The highest synced number that an intact record standing there at a wrong place knows of; 0 when there is none. */
  readonly syncedUpTo: number;
}

export type Found = FoundRecord | Gap;

export interface SegmentScanOptions {
  readonly segment: number;
  readonly salt: number;
  /** Lowest number and life that a record here may have: what is below was left over. */
  readonly minNumber: number;
  readonly minLife: number;
  readonly onFound: (found: Found) => void;
}

/** Gives everything found in order of its place; returns the offset behind the last byte that is not zero. */
export function scanSegment(bytes: Uint8Array, options: SegmentScanOptions): number {
  const { segment, salt, onFound } = options;
  const frame = frameOf(bytes);
  let { minNumber, minLife } = options;
  let usedEnd = SEGMENT_START;
  const recordAt = (at: number): FoundRecord | null => {
    const header = headerAt(frame, at, salt);
    if (header === null || header.segment !== segment || header.offset !== at) return null;
    if (!(header.number >= minNumber) || header.life < minLife) return null;
    const endOffset = at + recordBytes(header.payloadBytes);
    if (endOffset > bytes.length) return null;
    const isWhole = isPayloadIntact(frame, at, header);
    const head = isWhole && header.kind === 'head' ? headAt(frame, at + RECORD_HEADER_BYTES) : null;
    return { kind: 'record', header, isWhole, head, endOffset };
  };
  for (let at = SEGMENT_START; ; ) {
    const found = recordAt(at);
    if (found !== null) {
      onFound(found);
      at = usedEnd = found.endOffset;
      minNumber = found.header.number + 1;
      minLife = found.header.life;
      continue;
    }
    const next = nextRecord(bytes, at + 8, recordAt);
    const gapEnd = next ?? endOfUse(bytes, at);
    if (gapEnd > at) onFound(gapBetween(frame, { segment, offset: at, endOffset: gapEnd, salt }));
    usedEnd = Math.max(usedEnd, gapEnd);
    if (next === null) return usedEnd;
    at = next;
  }
}

function nextRecord(bytes: Uint8Array, from: number, recordAt: (at: number) => FoundRecord | null): number | null {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = buffer.indexOf(RECORD_MAGIC, from); at >= 0; at = buffer.indexOf(RECORD_MAGIC, at + 1))
    if (at % 8 === 0 && recordAt(at) !== null) return at;
  return null;
}

function gapBetween(
  frame: Frame,
  { segment, offset, endOffset, salt }: { segment: number; offset: number; endOffset: number; salt: number },
): Gap {
  let damage: DamageKind = endOfUse(frame.bytes.subarray(0, endOffset), offset) === offset ? 'lostWrite' : 'bitRot';
  let syncedUpTo = 0;
  for (let at = offset; at + RECORD_HEADER_BYTES <= endOffset; at += 8) {
    const header = headerAt(frame, at, salt);
    if (header === null) continue;
    if (header.segment !== segment || header.offset !== at) damage = 'misdirectedWrite';
    syncedUpTo = Math.max(syncedUpTo, header.syncedUpTo);
  }
  return { kind: 'gap', segment, offset, endOffset, damage, syncedUpTo };
}

/** The offset after the last byte that is not zero; `from` when there is none behind it. */
export function endOfUse(bytes: Uint8Array, from: number): number {
  let end = bytes.length;
  while (end - ZEROS.length >= from && ZEROS.equals(bytes.subarray(end - ZEROS.length, end))) end -= ZEROS.length;
  while (end > from && bytes[end - 1] === 0) end -= 1;
  return end;
}
