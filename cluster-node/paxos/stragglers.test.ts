import { describe, expect, it } from 'vitest';
import type { Entry } from '../contract/peer.ts';
import { DiskCluster, ELECTION_TIMEOUT_MS, TICK_MS } from './under-test/disk-cluster.ts';
import { exampleMember } from './under-test/member-example.ts';

const { memberSlot: _, ...FOURTH } = exampleMember(4);
const ADD_FOURTH = { kind: 'addLearner', member: FOURTH } as const;

/** Three members and one of them leading. */
function led(members: readonly number[] = [1, 2, 3]): { cluster: DiskCluster; leader: number; others: number[] } {
  const cluster = new DiskCluster(members);
  cluster.run(1000);
  const leader = cluster.leaders()[0] as number;
  return { cluster, leader, others: members.filter((member) => member !== leader) };
}

function expectLevel(cluster: DiskCluster, members: readonly number[]): void {
  const levels = members.map((member) => {
    const { decidedUpTo, appliedUpTo, configuration, behind } = cluster.status(member);
    return { decidedUpTo, appliedUpTo, configId: configuration.configId, behind };
  });
  expect(levels).toEqual(levels.map(() => levels[0]));
  expect(levels[0]?.behind).toBeNull();
}

describe('a removed member', () => {
  it('learns that it was removed, though nobody is bound to tell it, and does not stand in the way', () => {
    const { cluster, leader, others } = led();
    const [stays, goes] = others as [number, number];
    cluster.isolate(goes);
    // Alone it stands for nothing: it does not hear a quorum. Its promise may still be the highest of all.
    cluster.give(goes, { kind: 'message', from: stays, message: transferTo(cluster, goes) });
    expect(cluster.status(goes).role).toBe('candidate');
    expect(cluster.change(leader, { kind: 'remove', memberSlot: goes })).toBeNull();
    const { leaderBallot } = cluster.status(leader);
    cluster.cut.clear();
    cluster.run(4 * ELECTION_TIMEOUT_MS);
    expect(cluster.status(goes)).toMatchObject({ role: 'follower', configuration: { configId: 2 } });
    expect(cluster.status(goes).behind).toContain('not in the cluster any more');
    expect(cluster.status(leader)).toMatchObject({ role: 'leader', leaderBallot });
    cluster.propose(leader, 'of two', 1);
    cluster.run(TICK_MS);
    expect(cluster.delivered(stays)).toEqual(['of two']);
    expect(cluster.delivered(goes)).toEqual([]);
  });

  it('is refused by configuration, whatever ballot it campaigns with, and is told what it missed', () => {
    const { cluster, leader, others } = led();
    const [stays, goes] = others as [number, number];
    cluster.isolate(goes);
    expect(cluster.change(leader, { kind: 'remove', memberSlot: goes })).toBeNull();
    const { leaderBallot, promised } = cluster.status(stays);
    const prepare = {
      kind: 'prepare',
      ballot: 1024 * 1000 + goes,
      configId: 1,
      fromSlot: 1,
      leaseReleased: 0,
    } as const;
    cluster.give(stays, { kind: 'message', from: goes, message: prepare });
    const nack = cluster.effects.findLast(({ effect }) => effect.kind === 'send' && effect.message.kind === 'nack');
    expect(nack?.effect).toMatchObject({ to: goes, message: { configId: 2, promised } });
    cluster.run(2 * ELECTION_TIMEOUT_MS);
    expect(cluster.status(leader)).toMatchObject({ role: 'leader', leaderBallot });
  });

  it('falls silent once it knows', () => {
    const { cluster, leader, others } = led();
    const goes = others[0] as number;
    expect(cluster.change(leader, { kind: 'remove', memberSlot: goes })).toBeNull();
    cluster.run(4 * ELECTION_TIMEOUT_MS);
    const before = cluster.effects.length;
    cluster.run(2 * ELECTION_TIMEOUT_MS);
    const sent = cluster.effects
      .slice(before)
      .filter(({ member, effect }) => effect.kind === 'send' && (member === goes || effect.to === goes));
    expect(sent).toEqual([]);
  });

  it('cannot be the leader, and only while the others can decide without it', () => {
    const { cluster, leader, others } = led();
    const [stays, goes] = others as [number, number];
    expect(cluster.change(leader, { kind: 'remove', memberSlot: leader })).toContain('transfer leadership first');
    expect(cluster.change(goes, { kind: 'remove', memberSlot: stays })).toContain(
      `node-${leader} (member ${leader}) leads`,
    );
    cluster.isolate(stays);
    cluster.run(ELECTION_TIMEOUT_MS);
    expect(cluster.change(leader, { kind: 'remove', memberSlot: goes })).toContain('would be missing');
    expect(cluster.change(leader, { kind: 'remove', memberSlot: stays })).toBeNull();
    cluster.propose(leader, 'of two', 1);
    cluster.run(TICK_MS);
    expect(cluster.delivered(goes)).toEqual(['of two']);
  });

  it('that decides its own removal leaves the lead to the others', () => {
    const { cluster, leader, others } = led();
    const [stays, goes] = others as [number, number];
    // Accepted everywhere and decided nowhere; then whoever is removed is the one to take it over.
    cluster.cut.add(`${stays}-${leader}`).add(`${goes}-${leader}`);
    expect(cluster.change(leader, { kind: 'remove', memberSlot: goes })).toBeNull();
    cluster.give(goes, { kind: 'message', from: leader, message: transferTo(cluster, goes) });
    expect(cluster.status(goes)).toMatchObject({ role: 'follower', configuration: { configId: 2 } });
    cluster.cut.clear();
    cluster.run(2 * ELECTION_TIMEOUT_MS);
    expect(cluster.leaders()).toHaveLength(1);
    expect(cluster.leaders()).not.toContain(goes);
    expectLevel(cluster, [leader, stays]);
  });

  /** The leader's order to take over, as `member` would obey it. */
  function transferTo(cluster: DiskCluster, member: number) {
    return { kind: 'transferLeadership', ballot: cluster.status(member).promised } as const;
  }
});

describe('a node that missed changes', () => {
  it('and led before them steps down and learns them all', () => {
    const { cluster, leader, others } = led();
    const [second, third] = others as [number, number];
    cluster.isolate(leader);
    cluster.propose(leader, 'lost with its leadership', 1);
    cluster.run(4 * ELECTION_TIMEOUT_MS);
    const successor = cluster.leaders()[0] as number;
    expect([second, third]).toContain(successor);
    expect(cluster.change(successor, ADD_FOURTH)).toBeNull();
    expect(cluster.change(successor, { kind: 'remove', memberSlot: 4 })).toBeNull();
    cluster.cut.clear();
    cluster.run(1000);
    expect(cluster.status(leader)).toMatchObject({ role: 'follower', configuration: { configId: 3 } });
    expectLevel(cluster, [1, 2, 3]);
    expect(cluster.delivered(second)).toEqual(['lost with its leadership']);
  });

  it('learns from members that it never heard of, when all that it knows are gone', () => {
    const { cluster, leader, others } = led();
    const [lagging, gone] = others as [number, number];
    cluster.start(4);
    cluster.change(leader, ADD_FOURTH);
    cluster.run(500);
    cluster.isolate(lagging);
    expect(cluster.change(leader, { kind: 'promote', memberSlot: 4 })).toBeNull();
    cluster.run(ELECTION_TIMEOUT_MS);
    expect(cluster.change(leader, { kind: 'remove', memberSlot: gone })).toBeNull();
    cluster.give(leader, { kind: 'transfer', target: 4 });
    cluster.run(200);
    expect(cluster.leaders()).toEqual([4]);
    cluster.stop(gone);
    cluster.cut.clear();
    cluster.cutBoth(leader, lagging);
    cluster.run(500);
    expectLevel(cluster, [leader, lagging, 4]);
  });

  it('starts its candidacy over when it finds out, by itself or by being refused', () => {
    const { cluster, leader, others } = led();
    const [lagging, other] = others as [number, number];
    cluster.isolate(lagging);
    expect(cluster.change(leader, ADD_FOURTH)).toBeNull();
    const stand = () => {
      const ballot = cluster.status(lagging).promised;
      cluster.give(lagging, { kind: 'message', from: other, message: { kind: 'transferLeadership', ballot } });
      expect(cluster.status(lagging).role).toBe('candidate');
      return cluster.status(lagging).promised;
    };
    const refused = stand();
    const nack = { kind: 'nack', ballot: refused, promised: 0, configId: 2 } as const;
    cluster.give(lagging, { kind: 'message', from: other, message: nack });
    expect(cluster.status(lagging).role).toBe('follower');
    expect(cluster.messagesOf(lagging, 'catchUpRequest')).toHaveLength(1);
    stand();
    const stop = cluster.disk(other).accepted.get(1);
    const message = {
      kind: 'catchUpEntries',
      fromSlot: 1,
      entries: [stop as Entry],
      decidedUpTo: 1,
      snapshotSlot: 0,
    } as const;
    cluster.give(lagging, { kind: 'message', from: other, message });
    expect(cluster.status(lagging)).toMatchObject({ role: 'follower', configuration: { configId: 2 } });
    cluster.stop(leader);
    cluster.cut.clear();
    cluster.run(4 * ELECTION_TIMEOUT_MS);
    expect(cluster.leaders()).toHaveLength(1);
    expectLevel(cluster, [lagging, other]);
  });
});
