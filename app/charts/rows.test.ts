import { describe, expect, it } from 'vitest';
import { applyBatch, MAX_POINTS, type Row, stretchesOf } from './rows.ts';

const WINDOW_MS = 300_000;

const batchOf = (reset: boolean, atUnixMs: number[], column: (number | null)[], key = 'n-1/commitP99Ms') => ({
  reset,
  atUnixMs,
  series: { [key]: column },
});

describe('applyBatch', () => {
  it('replaces on reset and appends otherwise', () => {
    const first = applyBatch([{ t: 1 }], batchOf(true, [1000, 2000], [1, 2]), WINDOW_MS);
    const second = applyBatch(first, batchOf(false, [3000], [3]), WINDOW_MS);
    expect(second).toEqual([
      { t: 1000, 'n-1/commitP99Ms': 1 },
      { t: 2000, 'n-1/commitP99Ms': 2 },
      { t: 3000, 'n-1/commitP99Ms': 3 },
    ]);
    expect(first).toHaveLength(2);
  });

  it('keeps the window only', () => {
    const rows = applyBatch([], batchOf(true, [0, 1000, 400_000], [1, 2, 3]), WINDOW_MS);
    expect(rows.map((row) => row.t)).toEqual([400_000]);
  });

  it('never holds more than the points a chart may get', () => {
    let rows: readonly Row[] = [];
    for (let second = 0; second < 5_000; second += 1)
      rows = applyBatch(rows, batchOf(false, [second * 1000], [second]), 3_600_000);
    expect(rows.length).toBeLessThanOrEqual(MAX_POINTS + 1);
    expect(rows.at(-1)?.t).toBe(4_999_000);
  });

  it('keeps the worst latency and the latest count of merged moments, and what is known over what is not', () => {
    const key = 'n-1/decidedUpTo';
    const rows = applyBatch(
      [],
      { reset: true, atUnixMs: [6000, 7000, 8000], series: { 'n-1/commitP99Ms': [9, 4, null], [key]: [1, 2, 3] } },
      3_600_000,
    );
    expect(rows).toEqual([{ t: 8000, 'n-1/commitP99Ms': 9, [key]: 3 }]);
  });

  it('keeps unknown as unknown', () => {
    expect(applyBatch([], batchOf(true, [1000], [null]), WINDOW_MS)[0]?.['n-1/commitP99Ms']).toBeNull();
  });
});

describe('stretchesOf', () => {
  it('joins equal neighbours without gaps', () => {
    const rows = applyBatch(
      [],
      batchOf(true, [1000, 2000, 3000, 4000, 5000], [1, 1, null, 2, 2], 'c/leader'),
      WINDOW_MS,
    );
    expect(stretchesOf(rows, 'c/leader')).toEqual([
      { value: 1, fromUnixMs: 1000, toUnixMs: 3000 },
      { value: null, fromUnixMs: 3000, toUnixMs: 4000 },
      { value: 2, fromUnixMs: 4000, toUnixMs: 5000 },
    ]);
  });
});
