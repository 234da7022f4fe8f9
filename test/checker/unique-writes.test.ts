import { expect, test } from 'vitest';
import type { Operation } from './history.ts';
import { checkLinearizable } from './linearizability.ts';
import { type RegisterInput, registerModel, type RegisterOutput } from './register.ts';
import { checkUniqueWrites } from './unique-writes.ts';

type RegisterOperation = Operation<RegisterInput, RegisterOutput>;

function write(value: string, calledAt: number, returnedAt: number | null): RegisterOperation {
  const returned = returnedAt === null ? null : { at: returnedAt, output: null };
  return { client: 1, input: { kind: 'write', value }, calledAt, returned };
}

function read(value: string | null, calledAt: number, returnedAt: number): RegisterOperation {
  return { client: 2, input: { kind: 'read' }, calledAt, returned: { at: returnedAt, output: value } };
}

test('tells what no order explains, in the few operations that show it', () => {
  const stale = [write('a', 0, 1), write('b', 2, 3), read('b', 4, 5), read('a', 6, 7)];
  expect(checkUniqueWrites(stale)?.join()).toContain('read → a');
  expect(checkUniqueWrites([read('never written', 0, 1)])).not.toBeNull();
  expect(checkUniqueWrites([read('a', 0, 1), write('a', 2, 3)])).not.toBeNull();
  expect(checkUniqueWrites([write('a', 0, 1), read(null, 2, 3)])).not.toBeNull();
});

test('lets an unknown outcome take effect late or never, and what touches be concurrent', () => {
  expect(checkUniqueWrites([write('a', 0, null), write('b', 1, 2), read('b', 3, 4), read('a', 5, 6)])).toBeNull();
  expect(checkUniqueWrites([write('a', 0, null), read(null, 9, 10)])).toBeNull();
  expect(checkUniqueWrites([write('a', 0, 1), read(null, 1, 2)])).toBeNull();
});

test('refuses a history in which a value is written twice', () => {
  expect(() => checkUniqueWrites([write('a', 0, 1), write('a', 2, 3)])).toThrow(RangeError);
});

test('agrees with the search on random histories', () => {
  let state = 1;
  const draw = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const count = { ok: 0, violation: 0 };
  for (let run = 0; run < 3000; run++) {
    const writes = 1 + draw(4);
    const history = Array.from({ length: writes }, (_, at) => {
      const calledAt = draw(14);
      return write(`${at}`, calledAt, draw(4) === 0 ? null : calledAt + draw(6));
    });
    for (let reads = draw(5); reads > 0; reads--) {
      const calledAt = draw(18);
      const seen = draw(writes + 1);
      history.push(read(seen === writes ? null : `${seen}`, calledAt, calledAt + draw(6)));
    }
    const { kind } = checkLinearizable(registerModel, history);
    expect(checkUniqueWrites(history) === null ? 'ok' : 'violation', JSON.stringify(history)).toBe(kind);
    if (kind !== 'unknown') count[kind] += 1;
  }
  expect(Math.min(count.ok, count.violation)).toBeGreaterThan(500);
});
