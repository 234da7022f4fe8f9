import { expect, test } from 'vitest';
import { PutRequest } from '../contract/etcd/rpc.ts';
import { decodePut } from './decode-put.ts';

const decodeGenerally = (bytes: Uint8Array) => PutRequest.decode(bytes);

/** What became of it: the request in a form that compares, or that it was refused. */
function outcome(decode: (bytes: Uint8Array) => PutRequest, bytes: Uint8Array): unknown {
  try {
    const { key, value, ...others } = decode(bytes);
    return { key: Buffer.from(key).toString('hex'), value: Buffer.from(value).toString('hex'), ...others };
  } catch {
    return 'refused';
  }
}

test('reads whole, damaged and arbitrary requests exactly as the general decoder does', () => {
  let state = 2024;
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let round = 0; round < 3000; round++) {
    const request = PutRequest.create({
      key: new Uint8Array(random(200)).fill(round),
      value: new Uint8Array(random(2) ? random(20_000) : random(3)).fill(7),
      lease: BigInt(random(3) ? 0 : random(1000)),
      prevKv: random(9) === 0,
      ignoreLease: random(9) === 0,
    });
    const encoded = PutRequest.encode(request).finish();
    expect(outcome(decodePut, encoded)).toEqual(outcome(decodeGenerally, encoded));
    const damaged = Uint8Array.from(encoded.subarray(0, random(encoded.length + 1)));
    for (let flips = random(4); flips > 0 && damaged.length > 0; flips--)
      damaged[random(Math.min(8, damaged.length))] = random(256);
    expect(outcome(decodePut, damaged), Buffer.from(damaged).toString('hex', 0, 40)).toEqual(
      outcome(decodeGenerally, damaged),
    );
    const short = Uint8Array.from(
      { length: random(12) },
      () => [0x0a, 0x12, 0x18, 0x80, random(256), 1, 0][random(7)] as number,
    );
    expect(outcome(decodePut, short), Buffer.from(short).toString('hex')).toEqual(outcome(decodeGenerally, short));
  }
});
