/**
 * Records of the log on disk. Little-endian; a record starts at a multiple of eight bytes:
 *
 *   0   magic                     u32
 *   4   payload length            u32
 *   8   record number             u64, from 1, by one, over all segments
 *   16  synced record number      u64: this one and all before were on disk when this record was written
 *   24  kind                      u8, then three zero bytes
 *   28  CRC-32 of the payload     u32
 *   32  CRC-32 of bytes 0..31     u32, seeded with the segment's salt, so that no client can smuggle in a record
 *   36  zero                      u32
 *   40  payload, padded with zeros to a multiple of eight
 *
 * The synced number is what tells damage from a torn tail: a bad record that a later one calls synced was whole once.
 */
import { crc32 } from 'node:zlib';
import type { DurableRecord } from '../paxos/interface.ts';
import { readSafeInteger, writeSafeInteger } from './safe-integer.ts';

export const RECORD_HEADER_BYTES = 40;
export const RECORD_ALIGNMENT = 8;
/** Of an accepted record's payload, before its value: slot, ballot, digest, zero. */
const ACCEPTED_HEADER_BYTES = 24;
const MAGIC = 0x52_4e_59_53;
/** How every record begins on disk. */
export const RECORD_MAGIC = Buffer.from('SYNR');
const kinds = ['promised', 'accepted', 'decided'] as const;

export interface RecordHeader {
  readonly payloadBytes: number;
  readonly number: number;
  readonly syncedUpTo: number;
  readonly kind: DurableRecord['kind'];
  readonly payloadCrc: number;
}

export interface RecordPlace {
  readonly number: number;
  readonly syncedUpTo: number;
  readonly salt: number;
}

/** Bytes on disk, header and padding included. */
export function recordBytes(record: DurableRecord): number {
  return paddedBytes(payloadBytes(record));
}

export function paddedBytes(payload: number): number {
  return RECORD_HEADER_BYTES + Math.ceil(payload / RECORD_ALIGNMENT) * RECORD_ALIGNMENT;
}

/** Writes into `buffer` at `offset`; returns the offset after the record. */
export function encodeRecord(buffer: Buffer, offset: number, record: DurableRecord, place: RecordPlace): number {
  const length = payloadBytes(record);
  const payloadAt = offset + RECORD_HEADER_BYTES;
  const end = offset + paddedBytes(length);
  buffer.fill(0, payloadAt + length, end);
  encodePayload(buffer, payloadAt, record);
  buffer.writeUInt32LE(MAGIC, offset);
  buffer.writeUInt32LE(length, offset + 4);
  writeSafeInteger(buffer, place.number, offset + 8);
  writeSafeInteger(buffer, place.syncedUpTo, offset + 16);
  buffer.writeUInt32LE(kinds.indexOf(record.kind) + 1, offset + 24);
  buffer.writeUInt32LE(crc32(buffer.subarray(payloadAt, payloadAt + length)), offset + 28);
  buffer.writeUInt32LE(crc32(buffer.subarray(offset, offset + 32), place.salt), offset + 32);
  buffer.writeUInt32LE(0, offset + 36);
  return end;
}

/** null when there is no intact header at `offset`. */
export function decodeHeader(buffer: Buffer, offset: number, salt: number): RecordHeader | null {
  if (offset + RECORD_HEADER_BYTES > buffer.length || buffer.readUInt32LE(offset) !== MAGIC) return null;
  if (crc32(buffer.subarray(offset, offset + 32), salt) !== buffer.readUInt32LE(offset + 32)) return null;
  const kind = kinds[buffer.readUInt32LE(offset + 24) - 1];
  if (kind === undefined) return null;
  return {
    payloadBytes: buffer.readUInt32LE(offset + 4),
    number: readSafeInteger(buffer, offset + 8),
    syncedUpTo: readSafeInteger(buffer, offset + 16),
    kind,
    payloadCrc: buffer.readUInt32LE(offset + 28),
  };
}

/** null when the payload is not whole. The value of an accepted record is a copy. */
export function decodePayload(header: RecordHeader, payload: Buffer): DurableRecord | null {
  if (payload.length !== header.payloadBytes || crc32(payload) !== header.payloadCrc) return null;
  if (header.kind === 'promised') return { kind: 'promised', ballot: readSafeInteger(payload, 0) };
  if (header.kind === 'decided') return { kind: 'decided', upTo: readSafeInteger(payload, 0) };
  return {
    kind: 'accepted',
    entry: {
      slot: readSafeInteger(payload, 0),
      ballot: readSafeInteger(payload, 8),
      digest: payload.readUInt32LE(16),
      value: new Uint8Array(payload.subarray(ACCEPTED_HEADER_BYTES)),
    },
  };
}

function payloadBytes(record: DurableRecord): number {
  return record.kind === 'accepted' ? ACCEPTED_HEADER_BYTES + record.entry.value.length : 8;
}

function encodePayload(buffer: Buffer, at: number, record: DurableRecord): void {
  if (record.kind === 'promised') return writeSafeInteger(buffer, record.ballot, at);
  if (record.kind === 'decided') return writeSafeInteger(buffer, record.upTo, at);
  const { slot, ballot, digest, value } = record.entry;
  writeSafeInteger(buffer, slot, at);
  writeSafeInteger(buffer, ballot, at + 8);
  buffer.writeUInt32LE(digest, at + 16);
  buffer.writeUInt32LE(0, at + 20);
  buffer.set(value, at + ACCEPTED_HEADER_BYTES);
}
