import { describe, expect, it } from 'vitest';
import { downsample } from './downsample.ts';
import { ratePerSecond } from './rates.ts';
import { Rings } from './rings.ts';

const T = 1_700_000_000_000;
const one = (key: string, value: number | null) => new Map([[key, value]]);

describe('rings', () => {
  it('keeps one value a second and forgets beyond its capacity', () => {
    const rings = new Rings(4);
    for (let second = 0; second < 6; second++) rings.append(T + second * 1000, one('a/x', second));
    expect(rings.columns(['a/x'], 10)).toEqual({
      atUnixMs: [2, 3, 4, 5].map((second) => T + second * 1000),
      series: { 'a/x': [2, 3, 4, 5] },
    });
  });

  it('leaves gaps as null: skipped seconds, unknown values, series not written', () => {
    const rings = new Rings(5);
    for (let second = 0; second < 5; second++) rings.append(T + second * 1000, one('a/x', 1));
    rings.append(
      T + 7300,
      new Map([
        ['b/y', 9],
        ['a/x', null],
      ]),
    );
    expect(rings.headUnixMs).toBe(T + 7000);
    expect(rings.columns(['a/x', 'b/y', 'c/z'], 4).series).toEqual({
      'a/x': [1, null, null, null],
      'b/y': [null, null, null, 9],
      'c/z': [null, null, null, null],
    });
  });

  it('ignores a second that is not after the newest one', () => {
    const rings = new Rings(5);
    expect(rings.append(T, one('a/x', 1))).toBe(true);
    expect(rings.append(T + 500, one('a/x', 2))).toBe(false);
    expect(rings.append(T - 9000, one('a/x', 3))).toBe(false);
    expect(rings.columns(['a/x'], 2).series['a/x']).toEqual([null, 1]);
  });

  it('begins anew when the clock is set far back', () => {
    const rings = new Rings(5);
    rings.append(T, one('a/x', 1));
    expect(rings.append(T - 60_000, one('a/x', 2))).toBe(true);
    expect(rings.columns(['a/x'], 2)).toEqual({ atUnixMs: [T - 61_000, T - 60_000], series: { 'a/x': [null, 2] } });
  });

  it('survives a sleep that is longer than its capacity', () => {
    const rings = new Rings(3);
    rings.append(T, one('a/x', 1));
    rings.append(T + 3_600_000, one('a/x', 2));
    expect(rings.columns(['a/x'], 3).series['a/x']).toEqual([null, null, 2]);
  });

  it('forgets an id', () => {
    const rings = new Rings(3);
    rings.append(
      T,
      new Map([
        ['a/x', 1],
        ['ab/x', 2],
      ]),
    );
    rings.forget('a');
    expect(rings.columns(['a/x', 'ab/x'], 1).series).toEqual({ 'a/x': [null], 'ab/x': [2] });
  });
});

describe('downsampling', () => {
  const length = 3600;
  const columns = (values: (at: number) => number | null) => ({
    atUnixMs: Array.from({ length }, (_, at) => T + at * 1000),
    series: { a: Array.from({ length }, (_, at) => values(at)) },
  });

  it('keeps a spike of one second and its floor', () => {
    const few = downsample(
      columns((at) => (at === 1234 ? 900 : 5)),
      600,
    );
    expect(few.atUnixMs).toHaveLength(600);
    expect(few.series['a']?.filter((value) => value === 900)).toHaveLength(1);
    expect(few.series['a']?.every((value) => value === 5 || value === 900)).toBe(true);
    expect(few.atUnixMs).toEqual(few.atUnixMs.toSorted((a, b) => a - b));
  });

  it('keeps a rising series rising', () => {
    const { series } = downsample(
      columns((at) => at),
      600,
    );
    expect(series['a']).toEqual(series['a']?.toSorted((x, y) => (x ?? 0) - (y ?? 0)));
  });

  it('never bridges a gap of a bucket, nor hides what was known beside it', () => {
    const few = downsample(
      columns((at) => (at >= 1200 && at < 1212 ? null : at === 1212 ? 77 : 1)),
      600,
    );
    const bucket = few.atUnixMs.indexOf(T + 1200_000);
    expect(few.series['a']?.slice(bucket, bucket + 4)).toEqual([null, null, 77, 1]);
  });

  it('leaves half a bucket unknown, where it is', () => {
    const few = downsample(
      columns((at) => ((at >= 1200 && at < 1206) || (at >= 2406 && at < 2412) ? null : 3)),
      600,
    );
    const at = (second: number) => few.atUnixMs.indexOf(T + second * 1000);
    expect(few.series['a']?.slice(at(1200), at(1200) + 2)).toEqual([null, 3]);
    expect(few.series['a']?.slice(at(2400), at(2400) + 2)).toEqual([3, null]);
  });

  it('leaves short columns as they are', () => {
    const short = { atUnixMs: [1, 2], series: { a: [1, null] } };
    expect(downsample(short, 600)).toBe(short);
  });
});

describe('rates of counters', () => {
  it.each([
    ['first reading', null, null],
    ['a second later', { life: 'p1', total: 100, atUnixMs: 0 }, 200],
    ['another life', { life: 'p0', total: 100, atUnixMs: 0 }, null],
    ['counter fell', { life: 'p1', total: 900, atUnixMs: 0 }, null],
    ['no time between', { life: 'p1', total: 100, atUnixMs: 1000 }, null],
  ])('%s', (_, before, rate) => {
    expect(ratePerSecond(before, { life: 'p1', total: 300, atUnixMs: 1000 })).toBe(rate);
  });
});
