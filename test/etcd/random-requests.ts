/** Random requests over a few keys, so that they meet each other: overlapping ranges, rewrites, deletions, the past. */
import * as pb from '../../cluster-node/contract/etcd/rpc.ts';

/** A pseudo-random generator (mulberry32) of its own, so that a seed means the same everywhere. */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0;
  }
  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  /** An integer in [0, end). */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }
  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }
  chance(ratio: number): boolean {
    return this.next() < ratio;
  }
}

export type AnyRequest =
  | { readonly kind: 'put'; readonly request: pb.PutRequest }
  | { readonly kind: 'deleteRange'; readonly request: pb.DeleteRangeRequest }
  | { readonly kind: 'txn'; readonly request: pb.TxnRequest }
  | { readonly kind: 'compact'; readonly request: pb.CompactionRequest }
  | { readonly kind: 'range'; readonly request: pb.RangeRequest };

const keys = ['a', 'a\0', 'aa', 'ab', 'b', 'ba', 'c', 'é', 'z'].map((text) => new Uint8Array(Buffer.from(text)));
keys.push(Uint8Array.of(0xff), Uint8Array.of(0xff, 0), Uint8Array.of(1));
const nothing = new Uint8Array(0);
const zero = Uint8Array.of(0);

/** `revision` is about the present one: requests of the past and future are made around it. */
export function randomRequest(random: Random, revision: number): AnyRequest {
  const kind = random.pick([
    'put',
    'put',
    'put',
    'deleteRange',
    'txn',
    'txn',
    'range',
    'range',
    'range',
    'compact',
  ] as const);
  switch (kind) {
    case 'put':
      return { kind, request: randomPut(random) };
    case 'deleteRange':
      return { kind, request: randomDelete(random) };
    case 'txn':
      return { kind, request: randomTxn(random, revision, 2) };
    case 'compact':
      return { kind, request: { revision: pastRevision(random, revision), physical: false } };
    default:
      return { kind, request: randomRange(random, revision) };
  }
}

/** The same request without permission to answer from a node's own state. */
export function linearizable(asked: AnyRequest): AnyRequest {
  const strictly = ({ request: op }: pb.RequestOp): pb.RequestOp =>
    op?.$case === 'requestRange'
      ? { request: { ...op, value: { ...op.value, serializable: false } } }
      : { request: op };
  if (asked.kind === 'range') return { kind: 'range', request: { ...asked.request, serializable: false } };
  if (asked.kind !== 'txn') return asked;
  const { compare, success, failure } = asked.request;
  return { kind: 'txn', request: { compare, success: success.map(strictly), failure: failure.map(strictly) } };
}

function randomKey(random: Random): Uint8Array {
  return random.chance(0.02) ? nothing : random.pick(keys);
}

function randomEnd(random: Random): Uint8Array {
  return random.chance(0.5) ? nothing : random.chance(0.3) ? zero : random.pick(keys);
}

function pastRevision(random: Random, revision: number): bigint {
  return BigInt(Math.max(0, revision + 2 - random.below(40)));
}

function randomPut(random: Random): pb.PutRequest {
  const ignoreValue = random.chance(0.08);
  return {
    key: randomKey(random),
    value: ignoreValue && random.chance(0.9) ? nothing : new Uint8Array(Buffer.from(`v${random.below(5)}`)),
    lease: random.chance(0.02) ? 7n : 0n,
    prevKv: random.chance(0.3),
    ignoreValue,
    ignoreLease: random.chance(0.05),
  };
}

function randomDelete(random: Random): pb.DeleteRangeRequest {
  return { key: randomKey(random), rangeEnd: randomEnd(random), prevKv: random.chance(0.5) };
}

/** Not from a key on: etcd 3.4 takes that end literally when it looks for overlaps, and so misses them. */
function randomTxnDelete(random: Random): pb.DeleteRangeRequest {
  return { ...randomDelete(random), rangeEnd: random.chance(0.5) ? nothing : random.pick(keys) };
}

function randomRange(random: Random, revision: number): pb.RangeRequest {
  const sortOrder = random.chance(0.4) ? random.pick([1, 2] as const) : 0;
  const bound = () => (random.chance(0.08) ? pastRevision(random, revision) : 0n);
  return {
    key: randomKey(random),
    rangeEnd: random.chance(0.7) ? zero : randomEnd(random),
    limit: random.chance(0.3) ? BigInt(random.below(5)) : 0n,
    revision: random.chance(0.3) ? pastRevision(random, revision) : 0n,
    sortOrder,
    // Versions and values tie, and etcd leaves the order of ties open. Without an order etcd cuts before it sorts; we sort first.
    sortTarget: sortOrder !== 0 && random.chance(0.6) ? pb.RangeRequest_SortTarget.MOD : pb.RangeRequest_SortTarget.KEY,
    serializable: random.chance(0.2),
    keysOnly: random.chance(0.1),
    countOnly: random.chance(0.1),
    minModRevision: bound(),
    maxModRevision: bound(),
    minCreateRevision: bound(),
    maxCreateRevision: bound(),
  };
}

function randomCompare(random: Random, revision: number): pb.Compare {
  const some = () => (random.chance(0.3) ? 0n : pastRevision(random, revision));
  const [target, targetUnion] = random.pick<() => [pb.Compare_CompareTarget, pb.Compare['targetUnion']]>([
    () => [0, { $case: 'version', value: BigInt(random.below(4)) }],
    () => [1, { $case: 'createRevision', value: some() }],
    () => [2, { $case: 'modRevision', value: some() }],
    () => [3, { $case: 'value', value: new Uint8Array(Buffer.from(`v${random.below(5)}`)) }],
    () => [4, { $case: 'lease', value: BigInt(random.below(2)) }],
    () => [0, undefined],
    () => [3, { $case: 'version', value: 1n }],
  ])();
  const result = random.pick([0, 1, 2, 3] as const);
  return {
    result,
    target,
    targetUnion,
    key: randomKey(random),
    rangeEnd: random.chance(0.8) ? nothing : randomEnd(random),
  };
}

function randomTxn(random: Random, revision: number, depth: number): pb.TxnRequest {
  const some = <T>(most: number, make: () => T) => Array.from({ length: random.below(most + 1) }, make);
  return {
    compare: some(2, () => randomCompare(random, revision)),
    success: some(3, () => randomOp(random, revision, depth)),
    failure: some(3, () => randomOp(random, revision, depth)),
  };
}

function randomOp(random: Random, revision: number, depth: number): pb.RequestOp {
  if (random.chance(0.01)) return { request: undefined };
  const roll = random.next();
  if (roll < 0.2 && depth > 0)
    return { request: { $case: 'requestTxn', value: randomTxn(random, revision, depth - 1) } };
  if (roll < 0.6) return { request: { $case: 'requestPut', value: randomPut(random) } };
  if (roll < 0.7) return { request: { $case: 'requestDeleteRange', value: randomTxnDelete(random) } };
  return { request: { $case: 'requestRange', value: randomRange(random, revision) } };
}
