import { expect, it } from 'vitest';
import { niceCeiling, timeTicks } from './time-axis.ts';

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
