/** Random histories, seeded: a machine restored from a snapshot is the machine that the snapshot was taken of. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import * as pb from '../contract/etcd/rpc.ts';
import { encodeCommand, type Operation } from './command.ts';
import { KeyValueMachine } from './machine.ts';
import { SnapshotFormatError } from './snapshot-format.ts';
import type { SnapshotRule } from './snapshot-schedule.ts';

const rule: SnapshotRule = { slotInterval: 64, minBytes: 20_000, maxSlots: 512 };

/** xorshift32: integers in [0, below). */
function randomOf(seed: number) {
  let state = seed * 2654435761 + 1;
  return (below: number) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Makes the decided values of a log: clients that repeat themselves, reboot, and compact. */
class History {
  readonly #random: (below: number) => number;
  readonly #origins = [1, 2, 3].map((origin) => ({ origin, boot: origin, sequence: 0, floor: 0 }));
  #previous: Uint8Array = new Uint8Array(0);

  constructor(seed: number) {
    this.#random = randomOf(seed);
  }

  next(machine: KeyValueMachine): Uint8Array {
    const dice = this.#random(40);
    if (dice === 0) return new Uint8Array(0);
    if (dice === 1) return Uint8Array.of(2, 1, 2, 3);
    if (dice === 2) return this.#previous;
    const client = this.#origins[this.#random(3)] as { origin: number; boot: number; sequence: number; floor: number };
    if (dice === 3) Object.assign(client, { boot: this.#random(1000), sequence: 0, floor: 0 });
    client.sequence += 1 + this.#random(2);
    client.floor = Math.max(client.floor, client.sequence - this.#random(20));
    const request = { origin: client.origin, boot: client.boot, sequence: client.sequence };
    this.#previous = encodeCommand({ request, acknowledgedBelow: client.floor }, this.#operation(machine));
    return this.#previous;
  }

  #key(): Uint8Array {
    return Uint8Array.of(...Array.from({ length: 1 + this.#random(2) }, () => 250 + this.#random(6)));
  }

  #operation(machine: KeyValueMachine): Operation {
    const dice = this.#random(60);
    const put = () => pb.PutRequest.create({ key: this.#key(), value: new Uint8Array(this.#random(300)).fill(dice) });
    if (dice < 40) return { kind: 'put', request: put() };
    if (dice === 40) return { kind: 'put', request: { ...put(), value: new Uint8Array(150_000).fill(7) } };
    if (dice < 52)
      return {
        kind: 'deleteRange',
        request: { key: this.#key(), rangeEnd: this.#random(8) ? new Uint8Array(0) : this.#key(), prevKv: true },
      };
    if (dice < 57)
      return {
        kind: 'txn',
        request: {
          compare: [],
          success: [
            { request: { $case: 'requestPut', value: put() } },
            {
              request: {
                $case: 'requestDeleteRange',
                value: { key: this.#key(), rangeEnd: new Uint8Array(0), prevKv: false },
              },
            },
          ],
          failure: [],
        },
      };
    const revision = BigInt(Math.max(0, machine.revision - this.#random(60)));
    return { kind: 'compact', request: { revision, physical: false } };
  }
}

/** Everything that a client or an operator can see; the keys of each revision as a hash. */
function observable(machine: KeyValueMachine) {
  const everything = { key: Uint8Array.of(0), rangeEnd: Uint8Array.of(0) };
  const past = [];
  for (let revision = Math.max(1, machine.revision - 80); revision <= machine.revision; revision++) {
    const result = machine.range({ ...pb.RangeRequest.create(), ...everything, revision: BigInt(revision) });
    const hashOf = (response: pb.RangeResponse) =>
      createHash('sha256').update(pb.RangeResponse.encode(response).finish()).digest('hex');
    past.push(result.kind === 'range' ? hashOf(result.response) : result.error.message);
  }
  const { revision, keyCount, appliedUpTo, isSnapshotDue } = machine;
  return { revision, keyCount, appliedUpTo, isSnapshotDue, hash: machine.stateHash(), past };
}

const collect = (chunks: Iterable<Uint8Array>) => Buffer.concat([...chunks]);
const streamOf = (machine: KeyValueMachine) => collect(machine.snapshot().chunks());

/** Cuts anew, at random. */
function* recut(bytes: Buffer, random: (below: number) => number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const end = at + random(random(2) ? 20 : 40_000);
    yield bytes.subarray(at, end);
    at = end;
  }
}

test.each([1, 2, 3, 4, 5, 6])(
  'seed %i: a snapshot read while the machine goes on restores what it was',
  async (seed) => {
    const random = randomOf(seed + 1000);
    const history = new History(seed);
    const machine = new KeyValueMachine(rule);
    const go = (slots: number) => {
      const values = Array.from({ length: slots }, () => {
        const value = history.next(machine);
        machine.apply(machine.appliedUpTo + 1, value);
        return value;
      });
      return values;
    };
    for (let round = 0; round < 4; round++) {
      go(50 + random(400));
      if (random(2)) machine.sweep(random(200));
      const then = observable(machine);
      const whole = streamOf(machine);
      const view = machine.snapshot();
      const after: Uint8Array[] = [];
      const parts: Uint8Array[] = [];
      for (const chunk of view.chunks()) {
        expect(chunk.length).toBeLessThanOrEqual(64 * 1024);
        parts.push(chunk);
        after.push(...go(random(120)));
        machine.sweep(random(300));
      }
      const bytes = Buffer.concat(parts);
      expect(bytes.equals(whole)).toBe(true);
      const restored = await KeyValueMachine.restore(recut(bytes, random), rule);
      expect(observable(restored)).toEqual(then);
      expect(streamOf(restored).equals(bytes)).toBe(true);
      // Sessions and the schedule show in what becomes of the same slots.
      for (const value of after) restored.apply(restored.appliedUpTo + 1, value);
      while (machine.sweep(1000));
      while (restored.sweep(1000));
      expect(observable(restored)).toEqual(observable(machine));
      expect(streamOf(restored).equals(streamOf(machine))).toBe(true);
    }
  },
);

describe('a view', () => {
  function filled(keys: number): { machine: KeyValueMachine; run: (operation: Operation) => void } {
    const machine = new KeyValueMachine();
    let sequence = 0;
    const run = (operation: Operation) => {
      const request = { origin: 1, boot: 1, sequence: ++sequence };
      machine.apply(machine.appliedUpTo + 1, encodeCommand({ request, acknowledgedBelow: sequence }, operation));
    };
    for (let key = 0; key < keys; key++) run(putOf(`key ${key}`));
    return { machine, run };
  }
  const putOf = (key: string, value = 'value'): Operation => ({
    kind: 'put',
    request: pb.PutRequest.create({ key: Buffer.from(key), value: Buffer.from(value) }),
  });
  const deleteAll: Operation = {
    kind: 'deleteRange',
    request: { key: Uint8Array.of(0), rangeEnd: Uint8Array.of(0), prevKv: false },
  };
  const compactAt = (revision: number): Operation => ({
    kind: 'compact',
    request: { revision: BigInt(revision), physical: true },
  });

  test('is whole although everything is deleted, compacted and swept meanwhile', async () => {
    const { machine, run } = filled(5000);
    const before = observable(machine);
    const chunks = machine.snapshot().chunks();
    const first = chunks.next().value as Uint8Array;
    run(deleteAll);
    run(putOf('later'));
    run(compactAt(machine.revision));
    expect(machine.range({ ...pb.RangeRequest.create(), key: Buffer.from('key 1'), revision: 3n }).kind).toBe('error');
    expect(machine.sweep(1_000_000)).toBe(false);
    const restored = await KeyValueMachine.restore([first, ...chunks]);
    expect(observable(restored)).toEqual(before);
    // With the view gone the memory comes back.
    let steps = 1;
    while (machine.sweep(100)) steps++;
    expect(steps).toBeGreaterThan(50);
    expect(streamOf(machine).length).toBeLessThan(300);
  });

  test('that is left early lets go of what it held', () => {
    const { machine, run } = filled(100);
    for (const chunk of machine.snapshot().chunks()) if (chunk.length > 0) break;
    machine.snapshot().close();
    run(deleteAll);
    run(putOf('later'));
    run(compactAt(machine.revision));
    expect(machine.sweep(50)).toBe(true);
    expect(machine.sweep(1000)).toBe(false);
  });

  test('looks at a bounded number of versions for each chunk', () => {
    const { machine, run } = filled(1);
    const view = machine.snapshot();
    for (let count = 0; count < 20_000; count++) run(putOf('key 0'));
    const chunks = [...view.chunks()];
    expect(chunks.length).toBeGreaterThanOrEqual(19);
    expect(Buffer.concat(chunks).length).toBeLessThan(300);
  });

  test('keeps one key with a long history apart in bounded steps', () => {
    const { machine, run } = filled(1);
    for (let count = 0; count < 5000; count++) run(putOf('key 0', String(count)));
    run(compactAt(machine.revision));
    expect(machine.sweep(100)).toBe(true);
    run(putOf('key 0', 'newest'));
    let steps = 1;
    while (machine.sweep(100)) steps++;
    expect(steps).toBeGreaterThan(48);
    expect(machine.range({ ...pb.RangeRequest.create(), key: Buffer.from('key 0') })).toMatchObject({
      response: { kvs: [{ version: 5002n }] },
    });
  });
});

describe('damage', () => {
  async function sample(): Promise<Buffer> {
    const history = new History(99);
    const machine = new KeyValueMachine(rule);
    for (let slot = 1; slot <= 300; slot++) machine.apply(slot, history.next(machine));
    const bytes = streamOf(machine);
    await KeyValueMachine.restore([bytes], rule);
    return bytes;
  }
  const refusal = async (bytes: Buffer) =>
    expect(KeyValueMachine.restore([bytes], rule), createHash('sha256').update(bytes).digest('hex')).rejects.toThrow(
      SnapshotFormatError,
    );

  test('a stream that is cut short, or goes on behind its end, is refused', async () => {
    const bytes = await sample();
    const random = randomOf(5);
    for (let round = 0; round < 200; round++) await refusal(bytes.subarray(0, random(bytes.length)));
    await refusal(bytes.subarray(0, bytes.length - 1));
    await refusal(Buffer.concat([bytes, Buffer.alloc(1)]));
    await refusal(Buffer.concat([bytes, bytes]));
  });

  test('a flipped bit is refused wherever it is', async () => {
    const bytes = await sample();
    const random = randomOf(6);
    for (let round = 0; round < 400; round++) {
      const damaged = Buffer.from(bytes);
      const at = round < 200 ? round : random(bytes.length);
      damaged[at] = (damaged[at] as number) ^ (1 << random(8));
      await refusal(damaged);
    }
  });

  test('another format is refused by name', async () => {
    const bytes = await sample();
    bytes.writeUInt32LE(2, 5);
    await expect(KeyValueMachine.restore([bytes])).rejects.toThrow(
      /format 2, and this version of Synod reads format 1/,
    );
  });
});

test('a snapshot is due by bytes, by half of what the last one held, and by slots', () => {
  const machine = new KeyValueMachine({ slotInterval: 10, minBytes: 1000, maxSlots: 100 });
  const due: number[] = [];
  const put = (slot: number, valueBytes: number) => {
    const request = { origin: 1, boot: 1, sequence: slot };
    const operation: Operation = {
      kind: 'put',
      request: pb.PutRequest.create({ key: Buffer.from(`key ${slot}`), value: new Uint8Array(valueBytes) }),
    };
    machine.apply(slot, encodeCommand({ request, acknowledgedBelow: slot }, operation));
    if (machine.isSnapshotDue) due.push(slot);
  };
  for (let slot = 1; slot <= 90; slot++) put(slot, 100);
  // At 10, 20, …: the machine grows, and the next one waits for half as much again.
  expect(due).toEqual([10, 20, 40, 70]);
  for (let slot = 91; slot <= 300; slot++) {
    machine.apply(slot, new Uint8Array(0));
    if (machine.isSnapshotDue) due.push(slot);
  }
  expect(due.slice(4)).toEqual([170, 270]);
});
