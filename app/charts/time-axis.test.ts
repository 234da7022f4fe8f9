import { expect, it } from 'vitest';
import { niceCeiling, timeTicks, valueTicks } from './time-axis.ts';

it('ticks at round moments, few of them', () => {
  const ticks = timeTicks(7_000, 307_000);
  expect(ticks).toEqual([60_000, 120_000, 180_000, 240_000]);
  expect(timeTicks(0, 3_600_000).length).toBeLessThanOrEqual(6);
});

it.each([
  [0, 1],
  [0.93, 1],
  [1.05, 1.2],
  [7, 8],
  [99, 100],
  [1027, 1200],
])('holds %f under %f', (highest, ceiling) => {
  expect(niceCeiling(highest)).toBeCloseTo(ceiling);
});

it.each([
  [
    [0, 1],
    [0, 1],
  ],
  [
    [0, 1.2],
    [0, 1, 2],
  ],
  [
    [307, 308],
    [307, 308],
  ],
  [
    [307, 310],
    [307, 309, 311],
  ],
  [
    [0, 1200],
    [0, 600, 1200],
  ],
] as const)('gives %j distinct whole ticks', (range, ticks) => {
  expect(valueTicks(range, true)).toEqual(ticks);
});
