/** Unsigned integers up to 2^53 - 1 as eight little-endian bytes: ballots, slots and record numbers, on disk and on the wire. */
const HALF = 0x1_0000_0000;

export const SAFE_INTEGER_BYTES = 8;

/** Throws RangeError when `value` is no safe unsigned integer. */
export function writeSafeInteger(buffer: Buffer, value: number, offset: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is no safe unsigned integer`);
  buffer.writeUInt32LE(value % HALF, offset);
  buffer.writeUInt32LE(Math.floor(value / HALF), offset + 4);
}

/** NaN when the bytes hold a number above 2^53 - 1. Throws RangeError past the buffer's end. */
export function readSafeInteger(buffer: Buffer, offset: number): number {
  const high = buffer.readUInt32LE(offset + 4);
  return high >= 0x20_0000 ? Number.NaN : high * HALF + buffer.readUInt32LE(offset);
}
