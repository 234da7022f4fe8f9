/**
 * CRC-32 over a part of a buffer. Record headers are 60 bytes: a table in JavaScript is faster there than a call into zlib, which
 * in turn is far faster for values.
 */
import { crc32 } from 'node:zlib';

const POLYNOMIAL = 0xedb88320;
const ZLIB_FROM_BYTES = 96;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ POLYNOMIAL : remainder >>> 1;
  return remainder >>> 0;
});

/** CRC-32 (IEEE 802.3) of `bytes[start..end)`, going on from `seed`, as an unsigned 32-bit integer. */
export function checksum(
  bytes: Uint8Array,
  { start, end, seed }: { start: number; end: number; seed: number },
): number {
  if (end - start >= ZLIB_FROM_BYTES) return crc32(bytes.subarray(start, end), seed);
  let crc = ~seed;
  for (let at = start; at < end; at++) crc = (TABLE[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}
