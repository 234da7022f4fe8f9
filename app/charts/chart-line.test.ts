import { expect, it } from 'vitest';
import { figureOf } from './chart-line.ts';

const line = { series: 'n/fsyncP99Ms', name: 'node-1', colour: 'red', group: 1, idleWhile: 'n/decidedUpTo' };

it.each([
  [{ t: 1, 'n/fsyncP99Ms': 2, 'n/decidedUpTo': 9 }, '2 ms'],
  [{ t: 1, 'n/fsyncP99Ms': null, 'n/decidedUpTo': 9 }, 'idle'],
  [{ t: 1, 'n/fsyncP99Ms': null, 'n/decidedUpTo': null }, 'unknown'],
  [undefined, 'unknown'],
])('says %j as %s', (row, words) => {
  expect(figureOf(line, row, (value) => `${value} ms`)).toBe(words);
});
