import { describe, expect, it } from 'vitest';
import { DiskCluster, TICK_MS } from './under-test/disk-cluster.ts';
import { PAXOS_RULES, type PaxosRules } from './rules.ts';

/** A cluster in which one follower slept while the others decided 30 slots, of which they keep only the last five in the log. */
function slept(rules?: PaxosRules): { cluster: DiskCluster; sleeper: number; leader: number; other: number } {
  const cluster = new DiskCluster([1, 2, 3], { memorySlots: 2 }, rules);
  cluster.run(1000);
  const leader = cluster.leader();
  const [sleeper, other] = [1, 2, 3].filter((member) => member !== leader) as [number, number];
  cluster.isolate(sleeper);
  for (let i = 1; i <= 30; i++) cluster.propose(leader, `v${i}`, i);
  for (const member of [leader, other]) cluster.disk(member).snapshotSlot = 25;
  return { cluster, sleeper, leader, other };
}

const { configuration } = new DiskCluster([1, 2, 3]).status(1);

describe('a node behind the start of every log', () => {
  it('fetches the snapshot once and goes on from there', () => {
    const { cluster, sleeper, leader } = slept();
    cluster.cut.clear();
    cluster.run(2000);
    const fetches = cluster.effectsOf(sleeper, 'fetchSnapshot');
    expect(fetches).toHaveLength(1);
    expect(fetches[0]?.slot).toBe(25);
    expect(cluster.status(sleeper).behind).toContain('snapshot at slot 25');
    expect(cluster.delivered(sleeper)).toEqual([]);
    cluster.give(sleeper, { kind: 'snapshotInstalled', slot: 25, configuration });
    expect(cluster.status(sleeper)).toMatchObject({ decidedUpTo: 25, appliedUpTo: 25 });
    cluster.run(500);
    expect(cluster.delivered(sleeper)).toEqual(['v26', 'v27', 'v28', 'v29', 'v30']);
    cluster.propose(leader, 'after', 31);
    cluster.run(TICK_MS);
    expect(cluster.delivered(sleeper).at(-1)).toBe('after');
    expect(cluster.status(sleeper).behind).toBeNull();
  });

  it('accepts and is counted meanwhile', () => {
    const { cluster, sleeper, leader, other } = slept();
    cluster.cut.clear();
    cluster.run(1000);
    cluster.isolate(other);
    cluster.propose(leader, 'with the sleeper', 31);
    expect(cluster.delivered(leader)).not.toContain('with the sleeper');
    cluster.give(sleeper, { kind: 'snapshotInstalled', slot: 25, configuration });
    cluster.run(500);
    expect(cluster.delivered(leader)).toContain('with the sleeper');
    expect(cluster.delivered(sleeper)).toContain('with the sleeper');
  });

  it('asks another peer when the first could not give it', () => {
    const { cluster, sleeper } = slept();
    cluster.cut.clear();
    cluster.run(1000);
    const first = cluster.effectsOf(sleeper, 'fetchSnapshot')[0]?.from;
    cluster.give(sleeper, { kind: 'snapshotFailed', slot: 25 });
    cluster.run(500);
    const fetches = cluster.effectsOf(sleeper, 'fetchSnapshot');
    expect(fetches).toHaveLength(2);
    expect(fetches[1]?.from).not.toBe(first);
  });

  it('ignores a snapshot of what it knows', () => {
    const { cluster, leader } = slept();
    cluster.give(leader, { kind: 'snapshotInstalled', slot: 25, configuration });
    expect(cluster.status(leader)).toMatchObject({ decidedUpTo: 30, appliedUpTo: 30, role: 'leader' });
  });

  it('that took an older snapshot all the same would execute slots twice', () => {
    const deliveredAfter = (rules: PaxosRules) => {
      const { cluster, other } = slept(rules);
      cluster.run(TICK_MS);
      cluster.give(other, { kind: 'snapshotInstalled', slot: 25, configuration });
      cluster.run(500);
      return cluster.delivered(other);
    };
    const once = Array.from({ length: 30 }, (_, at) => `v${at + 1}`);
    expect(deliveredAfter(PAXOS_RULES)).toEqual(once);
    const twice = [...once, ...once.slice(25)];
    expect(deliveredAfter({ ...PAXOS_RULES, mayInstall: () => true })).toEqual(twice);
  });

  it('tells clients of requests that may be inside the snapshot that nobody knows, and keeps those that never left', () => {
    const { cluster, sleeper } = slept();
    // It forwards one while it still believes in the leader, and cannot send the other anywhere.
    cluster.propose(sleeper, 'forwarded', 1);
    cluster.run(1000);
    cluster.propose(sleeper, 'kept', 2);
    cluster.give(sleeper, { kind: 'snapshotInstalled', slot: 25, configuration });
    expect(cluster.effectsOf(sleeper, 'lost').map(({ request }) => request.sequence)).toEqual([1]);
    cluster.cut.clear();
    cluster.run(1000);
    expect(cluster.delivered(sleeper)).toContain('kept');
    expect(cluster.effectsOf(sleeper, 'refuse')).toEqual([]);
  });
});

describe('a leader', () => {
  it('sends a follower that is far behind nothing from below its own log', () => {
    const { cluster, sleeper, leader } = slept();
    cluster.effects.length = 0;
    cluster.cut.clear();
    cluster.run(2000);
    const lowest = (message: { entries: readonly { slot: number }[] }) => message.entries[0]?.slot ?? 31;
    const sent = cluster
      .effectsOf(leader, 'send')
      .filter(({ to }) => to === sleeper)
      .flatMap(({ message }) =>
        message.kind === 'accept' || message.kind === 'catchUpEntries' ? [lowest(message)] : [],
      );
    expect(Math.min(...sent)).toBe(31);
  });
});
