import { expect, it } from 'vitest';
import { shareStructure } from './share-structure.ts';

it('keeps what equals identical and replaces only what changed', () => {
  const before = {
    hosts: [
      { id: 1, cpu: 0.1 },
      { id: 2, cpu: 0.2 },
    ],
    version: 'x',
  };
  const after = shareStructure(before, {
    hosts: [
      { id: 1, cpu: 0.1 },
      { id: 2, cpu: 0.3 },
    ],
    version: 'x',
  });
  expect(after).toEqual({
    hosts: [
      { id: 1, cpu: 0.1 },
      { id: 2, cpu: 0.3 },
    ],
    version: 'x',
  });
  expect(after.hosts[0]).toBe(before.hosts[0]);
  expect(after.hosts[1]).not.toBe(before.hosts[1]);
});

it('is the very same when nothing changed', () => {
  const before = { a: [1, { b: null }] };
  expect(shareStructure(before, { a: [1, { b: null }] })).toBe(before);
});

it('notices what went away', () => {
  const before: { a: number; b?: number } = { a: 1, b: 2 };
  expect(shareStructure<{ a: number; b?: number }>(before, { a: 1 })).toEqual({ a: 1 });
  expect(shareStructure([1, 2], [1])).toEqual([1]);
});
