import { expect, it } from 'vitest';
import { pathOf } from './plot-lines.tsx';

const area = { x: 10, y: 0, width: 100, height: 50 };
const ranges = { fromUnixMs: 0, toUnixMs: 100, low: 0, high: 10 };
const rows = (...values: (number | null)[]) => values.map((value, index) => ({ t: index * 25, a: value }));

it('draws from the left edge, high values above low ones', () => {
  expect(pathOf(rows(0, 10), 'a', ranges, area)).toBe('M10.0 50.0L35.0 0.0');
});

it('leaves a gap where nothing is known, and a dot for a figure alone', () => {
  expect(pathOf(rows(5, null, 5, null, 5), 'a', ranges, area)).toBe('M10.0 25.0h1M60.0 25.0h1M110.0 25.0h1');
  expect(pathOf(rows(null, 5, 5), 'a', ranges, area)).toBe('M35.0 25.0L60.0 25.0');
});

it('holds values outside the range at its edge and drops what lies before it', () => {
  expect(pathOf(rows(99, 99), 'a', { ...ranges, fromUnixMs: 25 }, area)).toBe('M10.0 0.0h1');
});

it('draws nothing for a series that is not there', () => {
  expect(pathOf(rows(1, 2), 'b', ranges, area)).toBe('');
});
