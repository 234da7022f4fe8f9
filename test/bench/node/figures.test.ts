import { expect, it } from 'vitest';
import { median, rowsOf, tableOf } from './figures.ts';
import { longestGapAfter } from './outages.ts';

it('takes the middle, or the mean of the two in the middle', () => {
  expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([5])]).toEqual([2, 2.5, 5]);
});

it('compares medians, and says nothing where one is missing', () => {
  const of = (cluster: string, value: number, figure = 'a second') => ({ scenario: 'puts', figure, cluster, value });
  const rows = rowsOf([of('etcd', 100), of('synod', 150), of('etcd', 200), of('synod', 450), of('synod', 1, 'alone')]);
  expect(rows.map(({ figure, ratio }) => [figure, ratio])).toEqual([
    ['a second', 2],
    ['alone', null],
  ]);
  expect(rows[0]?.values['synod']).toEqual({ median: 300, min: 150, max: 450 });
  expect(tableOf(rows)).toContain('2.00');
});

it('finds the longest time without an answer that ends after the event', () => {
  expect(longestGapAfter([0, 500, 505, 700, 705], 510)).toBe(195);
  expect(() => longestGapAfter([0, 5], 10)).toThrow('no write');
});
