import { crc32 } from 'node:zlib';
import { expect, it } from 'vitest';
import { digestOf } from './digest.ts';

it('equals the CRC-32 of zlib', () => {
  expect(digestOf(new Uint8Array(0))).toBe(0);
  for (const text of ['123456789', 'a', 'x'.repeat(1000), '\u00e9\u4e2d']) {
    expect(digestOf(Buffer.from(text))).toBe(crc32(text));
  }
});
