import { describe, expect, it } from 'vitest';
import { partitionTitle } from './fault-title.ts';
import { between, bridge, halves, isolate, leaderInMinority, majoritiesRing, mute } from './partitions.ts';

const five = [1, 2, 3, 4, 5];
const members = five.map((memberSlot) => ({ memberSlot, name: `node-${memberSlot}` }));
const text = (links: { from: number; to: number }[]) =>
  links
    .map(({ from, to }) => `${from}>${to}`)
    .sort()
    .join(' ');

describe('partitions', () => {
  it('isolates one in both directions', () => {
    expect(text(isolate(2, [1, 2, 3]))).toBe('1>2 2>1 2>3 3>2');
  });

  it.each([
    ['isolate one', isolate(4, five), '{node-1, node-2, node-3, node-5} | {node-4}, both ways'],
    ['halves', halves(five), '{node-1, node-2, node-3} | {node-4, node-5}, both ways'],
    ['leader in the minority', leaderInMinority(4, five), '{node-2, node-3, node-5} | {node-1, node-4}, both ways'],
    ['three groups', between([[1, 2], [3, 4], [5]]), '{node-1, node-2} | {node-3, node-4} | {node-5}, both ways'],
    ['one-way', mute(1, [1, 2, 3]), 'node-1 → node-2, node-1 → node-3'],
    [
      'bridge over 3',
      bridge(3, five),
      'node-1 → node-4, node-1 → node-5, node-2 → node-4, node-2 → node-5, node-4 → node-1, node-4 → node-2 and 2 more',
    ],
  ])('%s has a title', (_, links, title) => {
    expect(partitionTitle(links, members)).toBe(title);
  });

  it('leaves each member of the ring its two neighbours', () => {
    const cut = majoritiesRing(five);
    expect(cut).toHaveLength(10);
    expect(text(cut.filter(({ from }) => from === 1))).toBe('1>3 1>4');
    expect(majoritiesRing([1, 2, 3])).toEqual([]);
  });
});
