import { describe, expect, it } from 'vitest';
import { ELECTION_TIMEOUT_MS, HEARTBEAT_MS, DiskCluster, TICK_MS } from './under-test/disk-cluster.ts';

describe('the core in a cluster', () => {
  it('elects one leader, decides what any member takes in, and delivers it in one order everywhere', () => {
    const cluster = new DiskCluster([1, 2, 3]);
    cluster.run(500);
    expect(cluster.leaders()).toHaveLength(1);
    for (let i = 1; i <= 30; i++) cluster.propose((i % 3) + 1, `v${i}`, i);
    cluster.run(TICK_MS);
    expect(cluster.delivered(1)).toHaveLength(30);
    expect(cluster.delivered(2)).toEqual(cluster.delivered(1));
    expect(cluster.delivered(3)).toEqual(cluster.delivered(1));
  });

  it.each([1, 5, 7])('works with %i members', (count) => {
    const cluster = new DiskCluster(Array.from({ length: count }, (_, at) => at + 1));
    cluster.run(500);
    cluster.propose(1, 'v', 1);
    cluster.give(1, { kind: 'read', request: { origin: 1, boot: 1, sequence: 2 } });
    for (const member of cluster.cores.keys()) expect(cluster.delivered(member)).toEqual(['v']);
    expect(cluster.effects.map(({ effect }) => effect)).toContainEqual(
      expect.objectContaining({ kind: 'readReady', readSlot: 1 }),
    );
  });

  it('asks each acceptor once for a promise that comes at once, also when a heartbeat is due in that moment', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = new DiskCluster([1, 2, 3], { seed });
      cluster.run(TICK_MS);
      for (; cluster.leaders().length === 0; cluster.nowMs += TICK_MS) cluster.give(1, { kind: 'tick' });
      expect(cluster.messagesOf(1, 'prepare')).toHaveLength(2);
    }
  });

  it('hands leadership to the target at once', () => {
    const cluster = new DiskCluster([1, 2, 3]);
    cluster.run(500);
    const [leader] = cluster.leaders();
    const target = ((leader as number) % 3) + 1;
    cluster.give(leader as number, { kind: 'transfer', target });
    expect(cluster.leaders()).toEqual([target]);
    cluster.propose(leader as number, 'after', 1);
    expect(cluster.delivered(target)).toEqual(['after']);
  });
});

describe('partial partitions (Ng et al., OmniPaxos, section 2)', () => {
  const FOUR_TIMEOUTS_MS = 4 * ELECTION_TIMEOUT_MS;

  function ledBy(members: readonly number[]): { cluster: DiskCluster; leader: number; others: number[] } {
    const cluster = new DiskCluster(members);
    cluster.run(1000);
    const leader = cluster.leaders()[0] as number;
    return { cluster, leader, others: members.filter((member) => member !== leader) };
  }

  it('quorum-loss: every member reaches only one hub, which then leads', () => {
    const { cluster, others } = ledBy([1, 2, 3, 4, 5]);
    const hub = others[0] as number;
    for (let a = 1; a <= 5; a++) for (let b = 1; b < a; b++) if (a !== hub && b !== hub) cluster.cutBoth(a, b);
    cluster.run(FOUR_TIMEOUTS_MS);
    expect(cluster.leaders()).toEqual([hub]);
    cluster.propose(hub, 'v', 1);
    expect(cluster.delivered(hub)).toEqual(['v']);
  });

  it('constrained election: the only quorum-connected member lacks the newest entries and still leads', () => {
    const { cluster, leader, others } = ledBy([1, 2, 3, 4, 5]);
    const hub = others[0] as number;
    cluster.cutBoth(leader, hub);
    cluster.propose(leader, 'newest', 1);
    expect(cluster.delivered(hub)).toEqual([]);
    for (let a = 1; a <= 5; a++) for (let b = 1; b < a; b++) if (a !== hub && b !== hub) cluster.cutBoth(a, b);
    cluster.run(FOUR_TIMEOUTS_MS);
    expect(cluster.leaders()).toEqual([hub]);
    expect(cluster.delivered(hub)).toEqual(['newest']);
  });

  it('chained: a member that lost only its link to the leader neither deposes it nor is left out', () => {
    const { cluster, leader, others } = ledBy([1, 2, 3]);
    const ballot = cluster.status(leader).leaderBallot;
    cluster.cutBoth(leader, others[0] as number);
    cluster.run(FOUR_TIMEOUTS_MS);
    expect(cluster.leaders()).toEqual([leader]);
    expect(cluster.status(leader).leaderBallot).toBe(ballot);
    cluster.propose(others[0] as number, 'relayed', 1);
    cluster.run(200);
    for (const member of [1, 2, 3]) expect(cluster.delivered(member)).toEqual(['relayed']);
  });
});

describe('a change of leader', () => {
  it('is over within six heartbeats when the connections to a dead leader break', () => {
    const cluster = new DiskCluster([1, 2, 3]);
    cluster.run(1000);
    const dead = cluster.leaders()[0] as number;
    const survivors = [1, 2, 3].filter((member) => member !== dead);
    for (const member of survivors) cluster.cutBoth(member, dead);
    for (const member of survivors) cluster.give(member, { kind: 'link', member: dead, up: false });
    cluster.run(6 * HEARTBEAT_MS);
    expect(cluster.leaders().filter((member) => member !== dead)).toHaveLength(1);
  });

  it('keeps what clients asked for meanwhile', () => {
    const cluster = new DiskCluster([1, 2, 3]);
    cluster.run(1000);
    const dead = cluster.leaders()[0] as number;
    const [origin, other] = [1, 2, 3].filter((member) => member !== dead) as [number, number];
    cluster.cutBoth(origin, dead);
    cluster.cutBoth(other, dead);
    cluster.propose(origin, 'asked while nobody led', 1);
    cluster.run(4 * ELECTION_TIMEOUT_MS);
    expect(cluster.delivered(other)).toEqual(['asked while nobody led']);
    expect(cluster.delivered(dead)).toEqual([]);
    cluster.cut.clear();
    cluster.run(500);
    expect(cluster.delivered(dead)).toEqual(['asked while nobody led']);
  });

  it('gives a transfer up after an election timeout when the target hears nothing of it', () => {
    const cluster = new DiskCluster([1, 2, 3]);
    cluster.run(1000);
    const leader = cluster.leaders()[0] as number;
    const target = (leader % 3) + 1;
    cluster.cut.add(`${leader}-${target}`);
    cluster.propose(leader, 'before', 1);
    cluster.give(leader, { kind: 'transfer', target });
    cluster.propose(leader, 'queued', 2);
    expect(cluster.delivered(leader)).toEqual(['before']);
    cluster.run(ELECTION_TIMEOUT_MS + 100);
    expect(cluster.leaders()).toEqual([leader]);
    expect(cluster.delivered(leader)).toEqual(['before', 'queued']);
    const failed = { kind: 'transferFailed', target, reason: 'the target did not take over in time' };
    expect(cluster.effects).toContainEqual({ member: leader, effect: { kind: 'event', event: failed } });
  });

  it('does not blame the others for a time in which it stood still itself', () => {
    const cluster = new DiskCluster([1, 2, 3]);
    cluster.run(1000);
    const leader = cluster.leader();
    const ballots = [1, 2, 3].map((member) => cluster.status(member).promised);
    const sleeper = [1, 2, 3].find((member) => member !== leader) as number;
    cluster.nowMs += 3 * ELECTION_TIMEOUT_MS;
    cluster.give(sleeper, { kind: 'tick' });
    cluster.give(leader, { kind: 'tick' });
    cluster.run(200);
    expect(cluster.leader()).toBe(leader);
    expect([1, 2, 3].map((member) => cluster.status(member).promised)).toEqual(ballots);
  });

  it('is left to another candidate that a voter has promised more, while vows keep both waiting', () => {
    const cluster = new DiskCluster([1, 2, 3]);
    cluster.run(1000);
    const leader = cluster.leader();
    const [candidate, voter] = [1, 2, 3].filter((member) => member !== leader) as [number, number];
    cluster.cut.add(`${candidate}-${leader}`);
    cluster.cut.add(`${candidate}-${voter}`);
    const { promised: ballot } = cluster.status(candidate);
    cluster.give(candidate, { kind: 'message', from: leader, message: { kind: 'transferLeadership', ballot } });
    expect(cluster.status(candidate).role).toBe('candidate');
    // As if the third one had asked it meanwhile: nothing that this candidate proposes would be accepted there.
    const message = { kind: 'prepare', ballot: ballot + 5 * 1024, configId: 1, fromSlot: 1, leaseReleased: 0 } as const;
    cluster.give(voter, { kind: 'message', from: leader, message });
    cluster.run(HEARTBEAT_MS);
    expect(cluster.status(candidate).role).toBe('follower');
  });
});
