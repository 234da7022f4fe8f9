import { expect, test } from 'vitest';
import { LineLimit } from './line-limit.ts';

test('lets so many lines through in a window and tells how many it left out', () => {
  let now = 0;
  const limit = new LineLimit({ atMost: 2, perMs: 1000, now: () => now });
  expect([limit.next(), limit.next(), limit.next(), limit.next()]).toEqual([0, 0, null, null]);
  now = 999;
  expect(limit.next()).toBeNull();
  now = 1000;
  expect([limit.next(), limit.next(), limit.next()]).toEqual([3, 0, null]);
});
