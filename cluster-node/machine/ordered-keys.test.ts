import { expect, test } from 'vitest';
import { OrderedKeys } from './ordered-keys.ts';

test('keeps thousands of keys in order through additions and deletions', () => {
  const keys = new OrderedKeys();
  const model = new Set<string>();
  let state = 12345;
  for (let step = 0; step < 20_000; step++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const key = String((state >>> 8) % 4000);
    if (state % 3 === 0) {
      keys.delete(key);
      model.delete(key);
    } else {
      keys.add(key);
      model.add(key);
    }
  }
  const sorted = [...model].sort();
  expect([...keys.between('', null)]).toEqual(sorted);
  expect([...keys.between('2', '31')]).toEqual(sorted.filter((key) => key >= '2' && key < '31'));
  for (const key of sorted) keys.delete(key);
  expect([...keys.between('', null)]).toEqual([]);
  keys.add('again');
  expect([...keys.between('', null)]).toEqual(['again']);
});
