import { expect, it } from 'vitest';
import { lagInWords } from './lag.ts';

it.each([
  [null, 'follower', 100, 'lag unknown'],
  [0, 'leader', 100, 'head'],
  [0, 'follower', null, 'level'],
  [50, 'follower', 100, 'level'],
  [51, 'follower', 100, '51 behind'],
  [1, 'follower', null, '1 behind'],
] as const)('%s slots behind as %s under %s writes/s reads "%s"', (behindSlots, condition, rate, words) => {
  expect(lagInWords({ behindSlots, condition }, rate)).toBe(words);
});
