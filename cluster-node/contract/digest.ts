/**
 * CRC-32 (IEEE 802.3, reflected, as in gzip and `zlib.crc32`), in plain TypeScript because the pure core may not import a
 * Node module. It finds memory and wire corruption by accident; it is no defence against an adversary.
 */
const POLYNOMIAL = 0xedb88320;

const TABLE = buildTable();

function buildTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ POLYNOMIAL : remainder >>> 1;
    table[byte] = remainder;
  }
  return table;
}

/** CRC-32 of `value` as an unsigned 32-bit integer; 0 for an empty value. */
export function digestOf(value: Uint8Array): number {
  let crc = 0xffffffff;
  for (let at = 0; at < value.length; at++) crc = (TABLE[(crc ^ (value[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
