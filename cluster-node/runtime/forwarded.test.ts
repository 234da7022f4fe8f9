import { expect, test } from 'vitest';
import { PutRequest } from '../contract/etcd/rpc.ts';
import type { Forward } from '../contract/peer.ts';
import { encodeCommand } from '../machine/command.ts';
import { KeyValueMachine } from '../machine/machine.ts';
import { flawOf, MAX_VALUE_BYTES } from './forwarded.ts';

const request = { origin: 2, boot: 77, sequence: 5 };
const put = PutRequest.fromPartial({ key: Buffer.from('key'), value: Buffer.from('value') });
const sound = encodeCommand({ request, acknowledgedBelow: 5 }, { kind: 'put', request: put });
const forward = (value: Uint8Array): Forward => ({ kind: 'forward', request, value, hops: 0 });

test('a forwarded request comes in only if every node can apply it', () => {
  expect(flawOf(forward(sound))).toBeNull();
  expect(flawOf(forward(new Uint8Array(0)))).toMatch(/0 bytes/);
  expect(flawOf(forward(sound.subarray(0, 10)))).toMatch(/10 bytes with format 1/);
  expect(flawOf(forward(sound.subarray(0, sound.length - 1)))).toMatch(/put request in the command cannot be decoded/);
  expect(flawOf(forward(Uint8Array.from(sound, (byte, at) => (at === 1 ? 99 : byte))))).toMatch(/unknown kind/);
  expect(flawOf({ ...forward(sound), request: { ...request, sequence: 6 } })).toMatch(/not the one in its value/);
  expect(flawOf(forward(new Uint8Array(MAX_VALUE_BYTES + 1)))).toMatch(/at most 2097152/);
});

test('whatever bit of a value is damaged, all nodes agree: refused at the door, or applied alike', () => {
  const damagedValues = Array.from({ length: sound.length * 8 }, (_, bit) =>
    Uint8Array.from(sound, (byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte)),
  );
  const admitted = damagedValues.filter((value) => flawOf(forward(value)) === null);
  expect(admitted.length).toBeGreaterThan(0);
  for (const value of admitted) expect(hashAfter(value)).toBe(hashAfter(value));
});

function hashAfter(value: Uint8Array): string {
  const machine = new KeyValueMachine();
  machine.apply(1, value);
  return machine.stateHash();
}
