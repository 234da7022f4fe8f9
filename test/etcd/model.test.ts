/** The machine against the simplest store that could be right: a whole copy of all keys for every revision. */
import { expect, test } from 'vitest';
import type { KeyValue } from '../../cluster-node/contract/etcd/kv.ts';
import type * as pb from '../../cluster-node/contract/etcd/rpc.ts';
import { checkOperation } from '../../cluster-node/machine/check.ts';
import { encodeCommand, type Operation } from '../../cluster-node/machine/command.ts';
import { KeyValueMachine } from '../../cluster-node/machine/machine.ts';
import { Random, randomRequest } from './random-requests.ts';

const STEPS = 2500;
const seed = Number(process.env['SEED'] ?? 7);
type Keys = Map<string, KeyValue>;
const nameOf = (key: Uint8Array) => Buffer.from(key).toString('hex');

/** Puts and deletions only; hex names sort as bytes do. */
class Model {
  /** By revision. */
  readonly past: Keys[] = [new Map(), new Map()];

  get revision(): number {
    return this.past.length - 1;
  }

  apply(operation: Operation): void {
    if (checkOperation(operation)) return;
    const next: Keys = new Map(this.past.at(-1));
    let changed = false;
    if (operation.kind === 'put') changed = this.#put(next, operation.request);
    if (operation.kind === 'deleteRange')
      for (const pair of inRange(next, operation.request)) changed = next.delete(nameOf(pair.key)) || changed;
    if (changed) this.past.push(next);
  }

  #put(next: Keys, request: pb.PutRequest): boolean {
    const previous = next.get(nameOf(request.key));
    if (request.lease !== 0n || ((request.ignoreValue || request.ignoreLease) && !previous)) return false;
    const revision = BigInt(this.revision + 1);
    next.set(nameOf(request.key), {
      key: request.key,
      createRevision: previous?.createRevision ?? revision,
      modRevision: revision,
      version: (previous?.version ?? 0n) + 1n,
      value: request.ignoreValue && previous ? previous.value : request.value,
      lease: 0n,
    });
    return true;
  }
}

function inRange(keys: Keys, { key, rangeEnd }: { key: Uint8Array; rangeEnd: Uint8Array }): KeyValue[] {
  const [from, end] = [nameOf(key), nameOf(rangeEnd)];
  const names = [...keys.keys()].filter((name) =>
    end === '' ? name === from : name >= from && (end === '00' || name < end),
  );
  return names.sort().map((name) => keys.get(name) as KeyValue);
}

test('every revision of the past reads as the model kept it', () => {
  const random = new Random(seed);
  const machine = new KeyValueMachine();
  const model = new Model();
  for (let slot = 1; slot <= STEPS; slot++) {
    const { kind, request } = randomRequest(random, model.revision);
    const operation = { kind, request } as Operation;
    const isModelled = kind === 'put' || kind === 'deleteRange';
    const envelope = { request: { origin: 1, boot: 1, sequence: slot }, acknowledgedBelow: slot };
    machine.apply(slot, isModelled ? encodeCommand(envelope, operation) : new Uint8Array(0));
    if (isModelled) model.apply(operation);
    expect(machine.revision, `seed ${seed}, slot ${slot}`).toBe(model.revision);
  }
  expect(machine.keyCount).toBe(model.past.at(-1)?.size);
  for (let revision = 1; revision <= model.revision; revision++) {
    const asked = { ...everything, serializable: true, revision: BigInt(revision) };
    const result = machine.range(asked);
    if (result.kind === 'error') throw new Error(`seed ${seed}, revision ${revision}: ${result.error.message}`);
    expect(result.response.kvs, `seed ${seed}, revision ${revision}`).toEqual(
      inRange(model.past[revision] ?? new Map(), everything),
    );
  }
});

const everything = {
  key: Uint8Array.of(0),
  rangeEnd: Uint8Array.of(0),
  limit: 0n,
  sortOrder: 0,
  sortTarget: 0,
  keysOnly: false,
  countOnly: false,
  minModRevision: 0n,
  maxModRevision: 0n,
  minCreateRevision: 0n,
  maxCreateRevision: 0n,
} as const;
