/**
 * Records of the log on disk. Little-endian; every record starts at a multiple of eight bytes:
 *
 *   0   magic "SYNR"              u32
 *   4   payload length            u32
 *   8   record number             u64, from 1, by one, over all segments
 *   16  synced record number      u64: this one and all before were on disk when this record was written
 *   24  segment                   u32, the place where this record belongs: a record found elsewhere was misdirected
 *   28  offset in the segment     u32
 *   32  slot                      u64: of accepted; decided and head: everything up to it is decided; promised: 0
 *   40  ballot                    u64: of promised and accepted; head: promised before this batch; decided: 0
 *   48  CRC-32 of the payload     u32; of an accepted record it is the digest fixed by the proposer
 *   52  kind                      u32: 1 promised, 2 accepted, 3 decided, 4 head
 *   56  life                      u32, counts the starts of this node: what an earlier life left behind a torn tail is no record
 *   60  CRC-32 of bytes 0..59     u32, seeded with the log's salt, so that no client can smuggle in a record
 *   64  payload (accepted: the value; head: see head.ts), padded with zeros to a multiple of eight
 */
import { checksum } from './checksum.ts';

export const RECORD_HEADER_BYTES = 64;
const CRC_AT = 60;
const MAGIC = 0x52_4e_59_53;
/** How every record begins on disk. */
export const RECORD_MAGIC = Buffer.from('SYNR');
const HALF = 0x1_0000_0000;

export const recordKinds = { promised: 1, accepted: 2, decided: 3, head: 4 } as const;
export type RecordKind = keyof typeof recordKinds;
const kindNames: readonly (RecordKind | undefined)[] = [undefined, 'promised', 'accepted', 'decided', 'head'];

export interface RecordHeader {
  readonly kind: RecordKind;
  readonly payloadBytes: number;
  readonly number: number;
  readonly syncedUpTo: number;
  readonly segment: number;
  readonly offset: number;
  readonly slot: number;
  readonly ballot: number;
  readonly digest: number;
  readonly life: number;
}

/** Bytes of memory with a view for integers. The memory may be shared with another thread. */
export interface Frame {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

export function frameOf(bytes: Uint8Array): Frame {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

/** What the checksums of one node's log are seeded with; `incarnation` is drawn at its first start and known to no client. */
export function saltOf(incarnation: string): number {
  const bytes = Buffer.from(incarnation);
  return checksum(bytes, { start: 0, end: bytes.length, seed: 0 });
}

/** Bytes on disk of a record with that payload, header and padding included. */
export function recordBytes(payloadBytes: number): number {
  return RECORD_HEADER_BYTES + Math.ceil(payloadBytes / 8) * 8;
}

export function putSafeInteger({ view }: Frame, at: number, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is no safe unsigned integer`);
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / HALF), true);
}

/** NaN for a number above 2^53 - 1. */
export function safeIntegerAt({ view }: Frame, at: number): number {
  const high = view.getUint32(at + 4, true);
  return high >= 0x20_0000 ? Number.NaN : high * HALF + view.getUint32(at, true);
}

/** Writes a header at `at`; the payload behind it must be there already, padded. */
export function putHeader(frame: Frame, at: number, { header, salt }: { header: RecordHeader; salt: number }): void {
  const { view } = frame;
  view.setUint32(at, MAGIC, true);
  view.setUint32(at + 4, header.payloadBytes, true);
  putSafeInteger(frame, at + 8, header.number);
  putSafeInteger(frame, at + 16, header.syncedUpTo);
  view.setUint32(at + 24, header.segment, true);
  view.setUint32(at + 28, header.offset, true);
  putSafeInteger(frame, at + 32, header.slot);
  putSafeInteger(frame, at + 40, header.ballot);
  view.setUint32(at + 48, header.digest, true);
  view.setUint32(at + 52, recordKinds[header.kind], true);
  view.setUint32(at + 56, header.life, true);
  view.setUint32(at + CRC_AT, checksum(frame.bytes, { start: at, end: at + CRC_AT, seed: salt }), true);
}

/** The header at `at`, wherever it may belong; null when there is no intact one. */
export function headerAt(frame: Frame, at: number, salt: number): RecordHeader | null {
  const { bytes, view } = frame;
  if (at + RECORD_HEADER_BYTES > bytes.length || view.getUint32(at, true) !== MAGIC) return null;
  if (checksum(bytes, { start: at, end: at + CRC_AT, seed: salt }) !== view.getUint32(at + CRC_AT, true)) return null;
  const kind = kindNames[view.getUint32(at + 52, true)];
  if (kind === undefined) return null;
  return {
    kind,
    payloadBytes: view.getUint32(at + 4, true),
    number: safeIntegerAt(frame, at + 8),
    syncedUpTo: safeIntegerAt(frame, at + 16),
    segment: view.getUint32(at + 24, true),
    offset: view.getUint32(at + 28, true),
    slot: safeIntegerAt(frame, at + 32),
    ballot: safeIntegerAt(frame, at + 40),
    digest: view.getUint32(at + 48, true),
    life: view.getUint32(at + 56, true),
  };
}

/** Whether the payload behind the header at `at` is whole. */
export function isPayloadIntact({ bytes }: Frame, at: number, header: RecordHeader): boolean {
  const start = at + RECORD_HEADER_BYTES;
  const end = start + header.payloadBytes;
  return end <= bytes.length && checksum(bytes, { start, end, seed: 0 }) === header.digest;
}
