import { describe, expect, it } from 'vitest';
import { encodeConfiguration } from '../contract/configuration.ts';
import { digestOf } from '../contract/digest.ts';
import { ELECTION_TIMEOUT_MS, HEARTBEAT_MS, DiskCluster, TICK_MS } from './under-test/disk-cluster.ts';
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

  it('of an earlier attempt that turns up in the next configuration changes nothing', () => {
    const { cluster, leader } = led();
    const value = encodeConfiguration({ ...cluster.status(leader).configuration, configId: 2 });
    expect(cluster.change(leader, ADD_FOURTH)).toBeNull();
    cluster.run(HEARTBEAT_MS);
    // Accepted under a lower ballot by a leader that never got it chosen.
    const stale = { slot: 3, ballot: 1025, value, digest: digestOf(value) };
    for (const member of [1, 2, 3]) cluster.stop(member);
    for (const member of [1, 2, 3])
      cluster.restart(member, (state) => ({ ...state, accepted: [...state.accepted, stale] }));
    cluster.run(4 * ELECTION_TIMEOUT_MS);
    for (const member of [1, 2, 3]) {
      const { decidedUpTo, configuration } = cluster.status(member);
      expect(decidedUpTo).toBe(3);
      expect(configuration.members).toHaveLength(4);
    }
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

  it('does not stand for election either when it alone hears a quorum of voters', () => {
    const { cluster, leader, others } = withLearner();
    cluster.stop(leader);
    cluster.cutBoth(others[0] as number, others[1] as number);
    cluster.run(4 * ELECTION_TIMEOUT_MS);
    expect(cluster.status(4)).toMatchObject({ role: 'follower', quorumConnected: true });
    expect(cluster.events(4, 'electionStarted')).toEqual([]);
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
    cluster.run(TICK_MS);
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
    cluster.run(TICK_MS);
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
