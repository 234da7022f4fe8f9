import { describe, expect, it } from 'vitest';
import { majorityQuorums, quorumsOfSize } from './quorum.ts';

describe('quorums', () => {
  it.each([
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 3],
    [7, 4],
  ])('of %i members need %i', (count, needed) => {
    const members = Array.from({ length: count }, (_, at) => at + 1);
    const quorums = majorityQuorums(members);
    expect(quorums.phase1((member) => member <= needed)).toBe(true);
    expect(quorums.phase1((member) => member < needed)).toBe(false);
    expect(quorums.phase2UpTo((member) => (member <= needed ? 9 : 0))).toBe(9);
    expect(quorums.phase2UpTo((member) => (member < needed ? 9 : 0))).toBe(0);
  });

  it('choose up to where the slowest member of the fastest quorum is', () => {
    const reached = [0, 40, 10, 30, 20, 50];
    expect(majorityQuorums([1, 2, 3, 4, 5]).phase2UpTo((member) => reached[member] ?? 0)).toBe(30);
  });

  it('are refused when a phase 1 and a phase 2 quorum need not intersect', () => {
    expect(() => quorumsOfSize([1, 2, 3, 4], 2, 2)).toThrow(RangeError);
    expect(quorumsOfSize([1, 2, 3, 4], 3, 2).phase2UpTo((member) => member)).toBe(3);
  });
});
