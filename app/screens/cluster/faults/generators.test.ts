import { describe, expect, it } from 'vitest';
import { groupsOf } from '../topology/groups.ts';
import { linkKey } from '../topology/links.ts';
import { bridge, chain, deafen, halves, isolate, mute, ringOfMajorities, split } from './generators.ts';

const five = [1, 2, 3, 4, 5];
const keys = (links: { from: number; to: number }[]) => links.map(linkKey).sort();

describe('generators', () => {
  it('isolates one node in both directions', () => {
    expect(keys(isolate([1, 2, 3], 2))).toEqual(['1>2', '2>1', '2>3', '3>2']);
  });

  it('splits in two sides', () => {
    expect(groupsOf(five, split(five, [1, 4]))).toEqual([
      [1, 4],
      [2, 3, 5],
    ]);
  });

  it('puts the leader in the smaller half', () => {
    expect(groupsOf(five, halves(five, 1))).toEqual([
      [1, 5],
      [2, 3, 4],
    ]);
    expect(groupsOf([1, 2, 3, 4], halves([1, 2, 3, 4], 0))).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it('cuts one direction only', () => {
    expect(keys(mute([1, 2, 3], 1))).toEqual(['1>2', '1>3']);
    expect(keys(deafen([1, 2, 3], 1))).toEqual(['2>1', '3>1']);
  });

  it('leaves one node that hears both sides of a bridge', () => {
    const cut = bridge(five, 3);
    expect(cut.some(({ from, to }) => from === 3 || to === 3)).toBe(false);
    expect(groupsOf(five, cut)).toEqual([five]);
    expect(keys(cut)).toContain('1>4');
  });

  it.each([5, 6, 7, 9])('lets each of %i nodes in a ring hear a majority, no two the same one', (count) => {
    const slots = Array.from({ length: count }, (_, index) => index + 1);
    const cut = new Set(ringOfMajorities(slots).map(linkKey));
    const heard = slots.map((slot) =>
      slots.filter((other) => other === slot || !cut.has(linkKey({ from: other, to: slot }))),
    );
    for (const group of heard) expect(group.length).toBeGreaterThan(count / 2);
    expect(new Set(heard.map(String)).size).toBe(count);
  });

  it('has nothing to cut in a ring of three', () => {
    expect(ringOfMajorities([1, 2, 3])).toEqual([]);
  });

  it('chains neighbours', () => {
    expect(keys(chain([1, 2, 3]))).toEqual(['1>3', '3>1']);
  });
});
