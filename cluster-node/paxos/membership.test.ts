import { describe, expect, it } from 'vitest';
import { encodeConfiguration } from '../contract/configuration.ts';
import { ELECTION_TIMEOUT_MS, HEARTBEAT_MS, DiskCluster } from './disk-cluster.ts';
import { exampleMember } from './member-example.ts';

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

describe('a stop entry', () => {
  it('ends the configuration, and its leader goes on in the next at once under a higher ballot', () => {
    const { cluster, leader } = led();
    cluster.propose(leader, 'before', 1);
    const { leaderBallot } = cluster.status(leader);
    expect(cluster.change(leader, ADD_FOURTH)).toBeNull();
    expect(cluster.leaders()).toEqual([leader]);
    expect(cluster.status(leader).leaderBallot).toBeGreaterThan(leaderBallot);
    expect(cluster.events(leader, 'steppedDown').at(-1)?.reason).toBe('reconfigured');
    expect(cluster.events(leader, 'electionStarted').at(-1)?.reason).toBe('reconfigured');
    cluster.propose(leader, 'after', 2);
    cluster.run(100);
    for (const member of [1, 2, 3]) {
      expect(cluster.delivered(member)).toEqual(['before', 'after']);
      expect(cluster.events(member, 'configurationChanged')).toMatchObject([
        { slot: 2, configuration: { configId: 2 } },
      ]);
    }
  });

  it('comes after everything taken in before it; what comes later is decided in the next configuration', () => {
    const { cluster, leader, others } = led();
    for (const other of others) cluster.cut.add(`${leader}-${other}`);
    for (let sequence = 1; sequence <= 3; sequence++) cluster.propose(leader, `early ${sequence}`, sequence);
    expect(cluster.change(leader, ADD_FOURTH)).toBeNull();
    for (let sequence = 4; sequence <= 6; sequence++) cluster.propose(leader, `late ${sequence}`, sequence);
    expect(cluster.change(leader, ADD_FOURTH)).toContain('another change is under way');
    cluster.cut.clear();
    cluster.run(500);
    expect(cluster.delivered(leader)).toEqual(['early 1', 'early 2', 'early 3', 'late 4', 'late 5', 'late 6']);
    expect(cluster.events(leader, 'configurationChanged')[0]?.slot).toBe(4);
    expectLevel(cluster, [1, 2, 3]);
  });

  it('is taken over by the next leader when the one that proposed it is gone', () => {
    const { cluster, leader, others } = led();
    cluster.cut.add(`${others[0]}-${leader}`).add(`${others[1]}-${leader}`);
    expect(cluster.change(leader, ADD_FOURTH)).toBeNull();
    expect(cluster.status(leader).configuration.configId).toBe(1);
    cluster.stop(leader);
    cluster.run(4 * ELECTION_TIMEOUT_MS);
    for (const other of others) expect(cluster.status(other).configuration.configId).toBe(2);
    expect(cluster.leaders()).toHaveLength(1);
    cluster.start(leader);
    cluster.cut.clear();
    cluster.run(500);
    expectLevel(cluster, [1, 2, 3]);
  });

  it('that was never chosen is told as refused by whoever proposed it, and does nothing', () => {
    const { cluster, leader, others } = led();
    cluster.isolate(leader);
    expect(cluster.change(leader, ADD_FOURTH)).toBeNull();
    cluster.propose(others[0] as number, 'meanwhile', 1);
    cluster.run(4 * ELECTION_TIMEOUT_MS);
    expect(cluster.events(leader, 'reconfigureRefused').at(-1)?.reason).toContain('leadership was lost');
    cluster.cut.clear();
    cluster.run(1000);
    expect(cluster.status(leader).configuration.configId).toBe(1);
    expect(cluster.delivered(leader)).toEqual(['meanwhile']);
    expectLevel(cluster, [1, 2, 3]);
  });

  it('leaves no way for a client to propose one', () => {
    const { cluster, leader } = led();
    const value = encodeConfiguration({ ...cluster.status(leader).configuration, configId: 2 });
    const request = { origin: leader, boot: 1, sequence: 1 };
    expect(() => cluster.give(leader, { kind: 'propose', request, value })).toThrow(RangeError);
    cluster.give(leader, { kind: 'message', from: 2, message: { kind: 'forward', request, value, hops: 0 } });
    cluster.run(200);
    expect(cluster.status(leader)).toMatchObject({ decidedUpTo: 0, configuration: { configId: 1 } });
  });
});

describe('a learner', () => {
  function withLearner() {
    const { cluster, leader, others } = led();
    for (let sequence = 1; sequence <= 20; sequence++) cluster.propose(leader, `v${sequence}`, sequence);
    cluster.start(4);
    cluster.run(200);
    expect(cluster.status(4).behind).toContain('not in the cluster yet');
    expect(cluster.change(leader, ADD_FOURTH)).toBeNull();
    cluster.run(500);
    return { cluster, leader, others };
  }

  it('learns everything, counts for nothing and does not stand for election', () => {
    const { cluster, leader, others } = withLearner();
    expectLevel(cluster, [1, 2, 3, 4]);
    for (const other of others) cluster.stop(other);
    cluster.propose(leader, 'with a learner only', 21);
    cluster.run(2 * ELECTION_TIMEOUT_MS);
    expect(cluster.leaders()).toEqual([]);
    expect(cluster.delivered(leader)).toHaveLength(20);
    cluster.stop(leader);
    cluster.run(4 * ELECTION_TIMEOUT_MS);
    expect(cluster.events(4, 'electionStarted')).toEqual([]);
    expect(cluster.status(4)).toMatchObject({ role: 'follower', quorumConnected: false });
  });

  it('is never asked for a promise, nor handed leadership', () => {
    const { cluster, leader } = withLearner();
    const asked = cluster.effects.filter(
      ({ effect }) => effect.kind === 'send' && effect.to === 4 && effect.message.kind === 'prepare',
    );
    expect(asked).toEqual([]);
    cluster.give(leader, { kind: 'transfer', target: 4 });
    expect(cluster.events(leader, 'transferFailed').at(-1)?.reason).toContain('not another voter');
  });

  it('takes in requests and reads', () => {
    const { cluster } = withLearner();
    cluster.propose(4, 'taken in by a learner', 1);
    cluster.give(4, { kind: 'read', request: { origin: 4, boot: 1, sequence: 2 } });
    cluster.run(100);
    for (const member of [1, 2, 3, 4]) expect(cluster.delivered(member).at(-1)).toBe('taken in by a learner');
    const ready = cluster.effects.filter(({ member, effect }) => member === 4 && effect.kind === 'readReady');
    expect(ready).toHaveLength(1);
  });

  it('becomes a voter when it has caught up, not before, and then counts', () => {
    const { cluster, leader, others } = withLearner();
    cluster.isolate(4);
    cluster.run(ELECTION_TIMEOUT_MS);
    expect(cluster.change(leader, { kind: 'promote', memberSlot: 4 })).toContain('not connected');
    cluster.cut.clear();
    cluster.run(500);
    expect(cluster.change(leader, { kind: 'promote', memberSlot: 4 })).toBeNull();
    cluster.run(200);
    expectLevel(cluster, [1, 2, 3, 4]);
    cluster.stop(others[0] as number);
    cluster.propose(leader, 'three of four', 21);
    expect(cluster.delivered(4).at(-1)).toBe('three of four');
    cluster.stop(others[1] as number);
    cluster.propose(leader, 'two of four', 22);
    expect(cluster.delivered(leader).at(-1)).toBe('three of four');
  });

  it('that lags when it is promoted answers the next leader and learns its promotion later', () => {
    const { cluster, leader } = withLearner();
    cluster.cut.add(`${leader}-4`);
    expect(cluster.change(leader, { kind: 'promote', memberSlot: 4 })).toBeNull();
    expect(cluster.status(4).configuration.configId).toBe(2);
    cluster.stop(leader);
    cluster.run(4 * ELECTION_TIMEOUT_MS);
    expect(cluster.leaders()).toHaveLength(1);
    expect(cluster.status(4).configuration.configId).toBe(3);
    cluster.start(leader);
    cluster.cut.clear();
    cluster.run(500);
    expectLevel(cluster, [1, 2, 3, 4]);
  });
});

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

  it('starts its candidacy over when it finds out', () => {
    const { cluster, leader, others } = led();
    const [lagging, other] = others as [number, number];
    cluster.isolate(lagging);
    expect(cluster.change(leader, ADD_FOURTH)).toBeNull();
    cluster.stop(leader);
    cluster.cut.clear();
    cluster.cut.add(`${other}-${lagging}`);
    cluster.run(ELECTION_TIMEOUT_MS / 2);
    cluster.cut.clear();
    const ballot = { kind: 'transferLeadership', ballot: cluster.status(lagging).promised } as const;
    cluster.give(lagging, { kind: 'message', from: other, message: ballot });
    cluster.run(4 * ELECTION_TIMEOUT_MS);
    expect(cluster.leaders()).toHaveLength(1);
    expectLevel(cluster, [lagging, other]);
  });
});

describe('quorum sizes', () => {
  it('are in force from the next slot on: a small phase 2 quorum decides with few, a large phase 1 needs many', () => {
    const { cluster, leader, others } = led([1, 2, 3, 4, 5]);
    const sizes = (phase1: number, phase2: number) =>
      ({ kind: 'setQuorums', quorumSizes: { phase1, phase2 } }) as const;
    expect(cluster.change(leader, sizes(4, 3))).toBeNull();
    expect(cluster.change(leader, sizes(4, 2))).toBeNull();
    cluster.run(100);
    for (const other of others.slice(1)) cluster.stop(other);
    cluster.run(2 * ELECTION_TIMEOUT_MS);
    expect(cluster.leaders()).toEqual([leader]);
    cluster.propose(leader, 'by two of five', 1);
    expect(cluster.delivered(others[0] as number)).toEqual(['by two of five']);
    cluster.stop(leader);
    for (const other of others.slice(1, 3)) cluster.start(other);
    cluster.run(4 * ELECTION_TIMEOUT_MS);
    expect(cluster.leaders()).toEqual([]);
    cluster.start(others[3] as number);
    cluster.run(4 * ELECTION_TIMEOUT_MS);
    expect(cluster.leaders()).toHaveLength(1);
  });
});

describe('a restart', () => {
  it('in the configuration that the disk tells, old or new, ends in the newest', () => {
    const { cluster, leader } = led();
    cluster.start(4);
    expect(cluster.change(leader, ADD_FOURTH)).toBeNull();
    cluster.run(HEARTBEAT_MS);
    for (const member of [1, 2, 3, 4]) {
      cluster.stop(member);
      cluster.start(member);
    }
    cluster.run(4 * ELECTION_TIMEOUT_MS);
    expect(cluster.leaders()).toHaveLength(1);
    cluster.propose(4, 'after all', 1);
    cluster.run(200);
    expectLevel(cluster, [1, 2, 3, 4]);
    expect(cluster.status(4).configuration.configId).toBe(2);
  });
});

describe('a node that cannot catch up', () => {
  it('says what it lacks and that nobody answers', () => {
    const { cluster, leader, others } = led();
    const lagging = others[0] as number;
    cluster.cut.add(`${lagging}-${leader}`).add(`${lagging}-${others[1]}`);
    cluster.give(lagging, { kind: 'message', from: 9, message: { kind: 'heartbeat', ...boast(700) } });
    cluster.run(2 * ELECTION_TIMEOUT_MS);
    expect(cluster.status(lagging).behind).toBe(
      '700 decided slots are missing from slot 1 on: no peer that has them answers',
    );
  });

  function boast(decidedUpTo: number) {
    const health = { syncMs: 0, loopLagMs: 0, isDiskFull: false };
    const view = { believedLeader: 0, leaderBallot: 0, quorumConnected: false, appliedUpTo: 0 };
    return { sequence: 1, promised: 0, configId: 1, decidedUpTo, health, ...view };
  }
});
