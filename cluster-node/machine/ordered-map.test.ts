import { expect, test } from 'vitest';
import { OrderedMap } from './ordered-map.ts';

test('keeps thousands of keys in order through additions and deletions', () => {
  const map = new OrderedMap<string>();
  const model = new Map<string, string>();
  let wrong = 0;
  let state = 12345;
  for (let step = 0; step < 20_000; step++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const key = String((state >>> 8) % 4000);
    if (state % 3 === 0) {
      map.delete(key);
      model.delete(key);
    } else {
      if (map.set(key, `${key} at ${step}`) !== model.get(key)) wrong++;
      model.set(key, `${key} at ${step}`);
    }
  }
  expect(wrong).toBe(0);
  const sorted = [...model.keys()].sort();
  const valuesOf = (keys: string[]) => keys.map((key) => model.get(key));
  expect([...map.between('', null)]).toEqual(valuesOf(sorted));
  expect([...map.between('2', '31')]).toEqual(valuesOf(sorted.filter((key) => key >= '2' && key < '31')));
  for (const key of ['1', '2', '3999', 'none']) expect(map.get(key)).toBe(model.get(key));
  for (const key of sorted) map.delete(key);
  expect([...map.between('', null)]).toEqual([]);
  map.set('again', 'there');
  expect([...map.between('', null)]).toEqual(['there']);
});

test('a walk goes on at the next key whatever was added or deleted around it', () => {
  const map = new OrderedMap<number>();
  for (let key = 0; key < 5000; key++) map.set(String(key).padStart(4, '0'), key);
  const seen: number[] = [];
  const next = map.walk();
  for (let at = next(); at !== null; at = next()) {
    seen.push(at.value);
    if (at.value < 0) continue;
    map.delete(at.key);
    map.set(`${at.key} a`, -1);
    map.set(` ${at.key}`, -2);
  }
  expect(seen.filter((value) => value >= 0)).toEqual(Array.from({ length: 5000 }, (_, key) => key));
  expect(seen).not.toContain(-2);
  expect(seen.filter((value) => value === -1)).toHaveLength(5000);
  expect(next()).toBeNull();
  map.set('last', 5000);
  expect(next()).toEqual({ key: 'last', value: 5000 });
  for (const key of ['4999 a', 'last']) map.delete(key);
  expect(next()).toBeNull();
});
