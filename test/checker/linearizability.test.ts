import { expect, test } from 'vitest';
import { Random } from '../simulation/random.ts';
import type { Model, Operation } from './history.ts';
import { type KeyValueInput, type KeyValueOutput, keyValueModel } from './key-value.ts';
import { checkLinearizable, checkPartitions } from './linearizability.ts';
import { type RegisterInput, registerModel, type RegisterOutput } from './register.ts';

type RegisterOp = Operation<RegisterInput, RegisterOutput>;
type KeyValueOp = Operation<KeyValueInput, KeyValueOutput>;

let clients = 0;

function write(value: string, calledAt: number, at?: number): RegisterOp {
  const returned = at === undefined ? null : { at, output: null };
  return { client: clients++, input: { kind: 'write', value }, calledAt, returned };
}

function read(output: string | null, calledAt: number, at: number): RegisterOp {
  return { client: clients++, input: { kind: 'read' }, calledAt, returned: { at, output } };
}

function kv(
  input: KeyValueInput,
  output: KeyValueOutput | null,
  [calledAt, at]: readonly [number, number],
): KeyValueOp {
  return { client: clients++, input, calledAt, returned: output && { at, output } };
}

const register = (history: readonly RegisterOp[]) => checkLinearizable(registerModel, history).kind;
const keyValue = (history: readonly KeyValueOp[]) => checkLinearizable(keyValueModel, history).kind;

const put = (value: string): KeyValueInput => ({ kind: 'put', key: 'k', value });
const get: KeyValueInput = { kind: 'get', key: 'k' };
/** Swaps what was found at that revision, which says what it was: "a5" is a at revision 5; "" is nothing. */
const cas = (expected: string, value: string): KeyValueInput => ({
  kind: 'cas',
  key: 'k',
  expected: expected === '' ? null : { value: expected.slice(0, 1), modRevision: Number(expected.slice(1)) },
  value,
});
const found = (value: string, modRevision: number): KeyValueOutput => ({ kind: 'get', found: { value, modRevision } });
const nothing: KeyValueOutput = { kind: 'get', found: null };
const wrote = (revision: number): KeyValueOutput => ({ kind: 'put', revision });
const swapped = (revision: number): KeyValueOutput => ({ kind: 'swapped', revision });

test('histories of a register that one copy could have had', () => {
  expect(register([])).toBe('ok');
  expect(register([read(null, 0, 1), write('a', 2, 3), read('a', 4, 5)])).toBe('ok');
  // Concurrent: either order.
  expect(register([write('a', 0, 10), write('b', 0, 10), read('a', 11, 12)])).toBe('ok');
  expect(register([write('a', 0, 10), read(null, 1, 2), read('a', 3, 4)])).toBe('ok');
  // Touching at one moment is concurrent.
  expect(register([write('a', 0, 5), read(null, 5, 6)])).toBe('ok');
  // An open write may take effect late, or never; also when others were written meanwhile.
  expect(register([write('a', 0), read(null, 5, 6), read('a', 7, 8)])).toBe('ok');
  expect(register([write('a', 0), write('b', 1, 2), read('b', 3, 4), read('a', 5, 6)])).toBe('ok');
  expect(register([write('a', 0), write('b', 0), read('b', 3, 4), read('a', 5, 6)])).toBe('ok');
});

test.each<[string, RegisterOp[]]>([
  ['a stale read', [write('a', 0, 1), write('b', 2, 3), read('a', 4, 5)]],
  ['a lost write', [write('a', 0, 1), read(null, 2, 3)]],
  ['a value from nowhere', [write('a', 0, 1), read('b', 2, 3)]],
  ['a value before it was written', [read('a', 0, 1), write('a', 2, 3)]],
  ['a value that vanishes again', [write('a', 0, 10), read('a', 1, 2), read(null, 3, 4)]],
  [
    'two readers that disagree on the order',
    [write('a', 0, 9), write('b', 0, 9), read('a', 10, 11), read('b', 12, 13)],
  ],
  ['an open write taken back', [write('a', 0), read('a', 1, 2), read(null, 3, 4)]],
  ['an open write done twice', [write('a', 0), write('b', 0), read('a', 1, 2), read('b', 3, 4), read('a', 5, 6)]],
  ['an open write before its call', [read('a', 0, 1), write('a', 2)]],
])('of a register: %s is found', (_, history) => {
  expect(register(history)).toBe('violation');
});

test('histories of a key that one copy could have had', () => {
  expect(
    keyValue([kv(put('a'), wrote(5), [0, 1]), kv(cas('a5', 'b'), swapped(9), [2, 3]), kv(get, found('b', 9), [4, 5])]),
  ).toBe('ok');
  const lost: KeyValueOutput = { kind: 'notSwapped', found: { value: 'b', modRevision: 9 } };
  expect(
    keyValue([
      kv(put('a'), wrote(5), [0, 1]),
      kv(cas('a5', 'b'), swapped(9), [2, 5]),
      kv(cas('a5', 'c'), lost, [2, 5]),
    ]),
  ).toBe('ok');
  // Open: the revision is learned from whoever sees it.
  expect(
    keyValue([kv(put('a'), null, [0, 0]), kv(get, found('a', 7), [1, 2]), kv(cas('a7', 'b'), swapped(8), [3, 4])]),
  ).toBe('ok');
  expect(
    keyValue([kv(cas('', 'a'), null, [0, 0]), kv(cas('', 'b'), null, [0, 0]), kv(get, found('b', 7), [1, 2])]),
  ).toBe('ok');
  const remove: KeyValueInput = { kind: 'delete', key: 'k' };
  const removed: KeyValueOutput = { kind: 'delete', deleted: true, revision: 6 };
  expect(keyValue([kv(put('a'), wrote(5), [0, 1]), kv(remove, removed, [2, 3]), kv(get, nothing, [4, 5])])).toBe('ok');
});

test.each<[string, KeyValueOp[]]>([
  [
    'a swap that did not compare',
    [kv(put('a'), wrote(5), [0, 1]), kv(put('b'), wrote(6), [2, 3]), kv(cas('a5', 'c'), swapped(7), [4, 5])],
  ],
  [
    'two swaps from one state',
    [kv(put('a'), wrote(5), [0, 1]), kv(cas('a5', 'b'), swapped(6), [2, 9]), kv(cas('a5', 'c'), swapped(7), [2, 9])],
  ],
  [
    'a refused swap that took effect',
    [kv(cas('', 'a'), { kind: 'notSwapped', found: null }, [0, 1]), kv(get, found('a', 2), [2, 3])],
  ],
  [
    'a put applied twice',
    [kv(put('a'), wrote(5), [0, 1]), kv(put('b'), wrote(6), [2, 3]), kv(get, found('a', 7), [4, 5])],
  ],
  ['a put applied twice in a row', [kv(put('a'), wrote(5), [0, 1]), kv(get, found('a', 6), [2, 3])]],
  ['a revision that falls', [kv(put('a'), wrote(5), [0, 1]), kv(put('b'), wrote(4), [2, 3])]],
  [
    'a deleted key that comes back',
    [
      kv(put('a'), wrote(5), [0, 1]),
      kv({ kind: 'delete', key: 'k' }, { kind: 'delete', deleted: true, revision: 6 }, [2, 3]),
      kv(get, found('a', 5), [4, 5]),
    ],
  ],
  [
    'an open swap whose comparison could not hold',
    [kv(put('a'), wrote(5), [0, 1]), kv(cas('a4', 'c'), null, [2, 2]), kv(get, found('c', 6), [3, 4])],
  ],
])('of a key: %s is found', (_, history) => {
  expect(keyValue(history)).toBe('violation');
});

test('the explanation keeps what contradicts and leaves the rest out', () => {
  const quiet = Array.from({ length: 300 }, (_, at) => [
    write(`v${at}`, at * 4, at * 4 + 1),
    read(`v${at}`, at * 4 + 2, at * 4 + 3),
  ]).flat();
  const history = [
    ...quiet,
    write('old', 2000, 2001),
    write('new', 2002, 2003),
    read('old', 2004, 2005),
    ...quiet.map((op) => ({
      ...op,
      calledAt: op.calledAt + 3000,
      returned: op.returned && { ...op.returned, at: op.returned.at + 3000 },
    })),
  ];
  const verdict = checkLinearizable(registerModel, history);
  expect(verdict.kind === 'violation' && verdict.window).toEqual([
    expect.stringMatching(/^client \d+, 2000 to 2001: write old$/),
    expect.stringMatching(/^client \d+, 2002 to 2003: write new$/),
    expect.stringMatching(/^client \d+, 2004 to 2005: read → old$/),
  ]);
});

test('the worst partition decides, by its name', () => {
  const on = (key: string, input: KeyValueInput) => ({ ...input, key });
  const history = [
    kv(on('x', put('a')), wrote(2), [0, 1]),
    kv(on('y', get), nothing, [2, 3]),
    kv(on('x', get), nothing, [4, 5]),
  ];
  const partitionOf = ({ key }: KeyValueInput) => key;
  expect(checkPartitions(keyValueModel, history, { partitionOf })).toMatchObject({
    kind: 'violation',
    window: ['x:', /put x/, /get x/].map((text) => expect.stringMatching(text)),
  });
  expect(checkPartitions(keyValueModel, history.slice(0, 2), { partitionOf }).kind).toBe('ok');
  expect(checkPartitions(keyValueModel, history.slice(0, 2), { partitionOf, maxSteps: 0 }).kind).toBe('unknown');
});

test('beyond its budget it does not know', () => {
  expect(checkLinearizable(registerModel, [write('a', 0, 1), write('b', 2, 3), read('b', 4, 5)], 1).kind).toBe(
    'unknown',
  );
});

/** Clients of one register, each operation taking effect at a random moment between its call and its return. */
function randomHistory(
  random: Random,
  {
    operations,
    clientCount,
    openRatio,
    values,
  }: { operations: number; clientCount: number; openRatio: number; values: number },
): RegisterOp[] {
  const freeAt = Array.from({ length: clientCount }, () => random.between(0, 10));
  const planned = Array.from({ length: operations }, (_, id) => {
    const client = freeAt.indexOf(Math.min(...freeAt));
    const calledAt = freeAt[client] as number;
    const at = calledAt + random.between(1, 10);
    freeAt[client] = at + random.between(0.1, 2);
    const isWrite = random.chance(0.5);
    const isOpen = isWrite && random.chance(openRatio);
    const effectAt = isOpen
      ? random.chance(0.5)
        ? calledAt + random.between(0, 200)
        : Number.POSITIVE_INFINITY
      : random.between(calledAt, at);
    const value = values === 0 ? `v${id}` : `v${random.integer(1, values)}`;
    return {
      client,
      calledAt,
      at,
      effectAt,
      isOpen,
      input: isWrite ? { kind: 'write' as const, value } : { kind: 'read' as const },
    };
  });
  let state: string | null = null;
  const history: RegisterOp[] = [];
  for (const { client, calledAt, at, isOpen, input } of planned.toSorted((a, b) => a.effectAt - b.effectAt)) {
    if (input.kind === 'write') state = input.value;
    history.push({
      client,
      input,
      calledAt,
      returned: isOpen ? null : { at, output: input.kind === 'read' ? state : null },
    });
  }
  return history;
}

/** By trying every order: slow, and plain enough to be believed. */
function bruteForce<State extends object, Input, Output>(
  model: Model<State, Input, Output>,
  history: readonly Operation<Input, Output>[],
  state = model.initial,
): boolean {
  if (history.every(({ returned }) => returned === null)) return true;
  return history.some((operation) => {
    const others = history.filter((other) => other !== operation);
    if (others.some(({ returned }) => returned !== null && returned.at < operation.calledAt)) return false;
    const next = model.step(state, operation.input, operation.returned?.output);
    return next !== null && bruteForce(model, others, next);
  });
}

test('small histories of a register, good and bad, are judged as by trying every order', () => {
  const random = new Random(11);
  const counts = { ok: 0, violation: 0 };
  for (let round = 0; round < 2000; round++) {
    const options = { operations: 7, clientCount: random.integer(1, 4), openRatio: 0.3, values: 3 };
    const history = randomHistory(random, options).map((op) =>
      op.input.kind === 'read' && op.returned && random.chance(0.3)
        ? { ...op, returned: { ...op.returned, output: `v${random.integer(1, 3)}` } }
        : op,
    );
    const expected = bruteForce(registerModel, history) ? 'ok' : 'violation';
    expect(register(history)).toBe(expected);
    counts[expected]++;
  }
  expect(Math.min(counts.ok, counts.violation)).toBeGreaterThan(300);
});

/** An operation on a key and an answer that has little to do with it. */
function randomRequest(random: Random): [KeyValueInput, KeyValueOutput] {
  const state = () =>
    random.chance(0.3) ? null : { value: random.pick(['a', 'b']), modRevision: random.integer(1, 4) };
  const revision = random.integer(1, 5);
  const kind = random.pick(['put', 'get', 'delete', 'cas'] as const);
  if (kind === 'put') return [put(random.pick(['a', 'b'])), wrote(revision)];
  if (kind === 'get') return [get, { kind, found: state() }];
  if (kind === 'delete')
    return [
      { kind, key: 'k' },
      { kind, deleted: random.chance(0.7), revision },
    ];
  const output: KeyValueOutput = random.chance(0.6) ? swapped(revision) : { kind: 'notSwapped', found: state() };
  return [{ kind, key: 'k', expected: state(), value: random.pick(['a', 'b']) }, output];
}

test('small histories of a key, good and bad, are judged as by trying every order', () => {
  const random = new Random(12);
  const counts = { ok: 0, violation: 0 };
  for (let round = 0; round < 20_000; round++) {
    const history = Array.from({ length: random.integer(2, 6) }, () => {
      const [input, output] = randomRequest(random);
      const calledAt = random.integer(0, 8);
      return kv(input, random.chance(0.4) ? null : output, [calledAt, calledAt + random.integer(1, 6)]);
    });
    const expected = bruteForce(keyValueModel, history) ? 'ok' : 'violation';
    expect(keyValue(history), JSON.stringify(history)).toBe(expected);
    counts[expected]++;
  }
  expect(Math.min(counts.ok, counts.violation)).toBeGreaterThan(2000);
});

test('thousands of operations of 8 clients on one key, many of them open', { timeout: 60_000 }, () => {
  const random = new Random(5);

  for (const values of [0, 4]) {
    const history = randomHistory(random, { operations: 2500, clientCount: 8, openRatio: 0.05, values });
    expect(checkLinearizable(registerModel, history).kind).toBe('ok');
  }
  const history = randomHistory(random, { operations: 2500, clientCount: 8, openRatio: 0.05, values: 0 });
  const reads = history.filter(({ input }) => input.kind === 'read');
  const early = reads[reads.length >> 2];
  const late = reads[reads.length >> 1];
  const stale = history.map((op) =>
    op === late && op.returned && early?.returned
      ? { ...op, returned: { ...op.returned, output: early.returned.output } }
      : op,
  );
  const verdict = checkLinearizable(registerModel, stale);

  expect(verdict.kind === 'violation' && verdict.window.length).toBeLessThan(12);
});
