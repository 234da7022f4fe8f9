import { expect, test } from 'vitest';
import { encodeMessage } from './encode-message.ts';
import { PutRequest } from './etcd/rpc.ts';

const key = Buffer.from('k');
const small = PutRequest.create({ key, value: Buffer.from('v') });
const smallBytes = [0x0a, 1, 0x6b, 0x12, 1, 0x76];

test('each message has memory of its own, whatever came before', () => {
  const first = encodeMessage(PutRequest, small);
  const large = encodeMessage(PutRequest, PutRequest.create({ key, value: new Uint8Array(1 << 20) }));
  const last = encodeMessage(PutRequest, small, Uint8Array.of(9, 8));
  expect(Array.from(first)).toEqual(smallBytes);
  expect(large).toHaveLength(3 + 4 + (1 << 20));
  expect(Array.from(last)).toEqual([9, 8, ...smallBytes]);
});

test('a message that cannot be encoded leaves nothing in the next one', () => {
  const broken = PutRequest.create({ key, lease: 2n ** 64n });
  expect(() => encodeMessage(PutRequest, broken, Uint8Array.of(7))).toThrow('too large');
  expect(Array.from(encodeMessage(PutRequest, small))).toEqual(smallBytes);
});
