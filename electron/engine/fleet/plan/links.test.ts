import { describe, expect, it } from 'vitest';
import { between, bridge, isolate, majoritiesRing, mute } from '../../faults/plan/partitions.ts';
import { CutLinks, outlookOf, quorumSize } from './links.ts';

const five = [1, 2, 3, 4, 5];

describe('who can lead and who works', () => {
  it.each([
    ['nothing cut', five, [], 1, { working: five, candidates: five, leader: 1 }],
    ['two dead', [1, 2, 3], [], 4, { working: [1, 2, 3], candidates: [1, 2, 3], leader: null }],
    ['three dead', [1, 2], [], 1, { working: [1, 2], candidates: [], leader: null }],
    ['leader isolated', five, isolate(1, five), 1, { working: [2, 3, 4, 5], candidates: [2, 3, 4, 5], leader: null }],
    ['follower isolated', five, isolate(5, five), 1, { working: [1, 2, 3, 4], candidates: [1, 2, 3, 4], leader: 1 }],
    ['bridge over 3', five, bridge(3, five), 1, { working: [1, 2, 3], candidates: [1, 2, 3, 4, 5], leader: 1 }],
    ['leader mute', five, mute(1, five), 1, { working: [2, 3, 4, 5], candidates: [2, 3, 4, 5], leader: null }],
    [
      'only 3 still reaches a quorum (quorum loss)',
      five,
      between([[1], [2], [4], [5]]),
      1,
      { working: five, candidates: [3], leader: 3 },
    ],
  ])('%s', (...[, alive, cut, leader, expected]) => {
    expect(outlookOf({ alive, cut: new CutLinks(cut), size: quorumSize(5), leader })).toEqual(expected);
  });

  it('gives every member of a ring of majorities its own majority', () => {
    const cut = new CutLinks(majoritiesRing(five));
    const { candidates, working } = outlookOf({ alive: five, cut, size: 3, leader: null });
    expect(candidates).toEqual(five);
    expect(working).toHaveLength(3);
  });
});
