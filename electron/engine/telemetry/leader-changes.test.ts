import { describe, expect, it } from 'vitest';
import type { NodeEvent } from '../../../cluster-node/contract/admin.ts';
import { ballotOf } from '../../../cluster-node/contract/ballot.ts';
import { LeaderChanges } from './leader-changes.ts';

const cluster = 'c-00000001';
let sequence = 0;
const event = (kind: NodeEvent['kind'], atUnixMs: number, ballot: number | null = null): NodeEvent => ({
  sequence: ++sequence,
  atUnixMs,
  kind,
  ballot,
  memberSlot: null,
  text: kind,
});

describe('leader changes', () => {
  it('are told once, dated by the leader, with the gap since it was killed', () => {
    let now = 10_000;
    const changes = new LeaderChanges(() => now);
    changes.take(cluster, 1, event('becameLeader', 5000, ballotOf(1, 1)));
    changes.markEnded(cluster, 1, 9700);
    for (const slot of [3, 2]) changes.take(cluster, slot, event('leaderChanged', 9950 + slot, ballotOf(2, 2)));
    expect(changes.settled()).toEqual([]);
    changes.take(cluster, 2, event('becameLeader', 9912, ballotOf(2, 2)));
    expect(changes.settled().map((change) => change.gapMs)).toEqual([212]);
    changes.take(cluster, 3, event('leaderChanged', 9999, ballotOf(3, 3)));
    now += 2000;
    expect(changes.settled().map((change) => change.memberSlot)).toEqual([1, 3]);
    expect(changes.settled()).toEqual([]);
    expect(changes.sinceUnixMs(cluster, ballotOf(2, 2))).toBe(9912);
    expect(changes.firstAfter(cluster, 9700)).toMatchObject({
      memberSlot: 2,
      atUnixMs: 9912,
      gapMs: 212,
      gapIsCertain: true,
      isByLeader: true,
    });
  });

  it('take the old leader’s own word when it stepped down', () => {
    const changes = new LeaderChanges(() => 0);
    changes.take(cluster, 1, event('becameLeader', 5000, ballotOf(1, 1)));
    changes.take(cluster, 3, event('becameLeader', 8020, ballotOf(2, 3)));
    changes.take(cluster, 1, event('steppedDown', 8000, ballotOf(1, 1)));
    expect(changes.firstAfter(cluster, 5000)).toMatchObject({ memberSlot: 3, gapMs: 20, gapIsCertain: false });
  });

  it('do not take the end of another node for the gap', () => {
    const changes = new LeaderChanges(() => 0);
    changes.take(cluster, 1, event('becameLeader', 5000, ballotOf(1, 1)));
    changes.markEnded(cluster, 2, 7000);
    changes.take(cluster, 3, event('becameLeader', 8020, ballotOf(2, 3)));
    expect(changes.firstAfter(cluster, 5000)?.gapMs).toBeNull();
  });
});
