import { describe, expect, it } from 'vitest';
import { DiskCluster } from './under-test/disk-cluster.ts';

const WELL = { syncMs: 2, loopLagMs: 1, isDiskFull: false };

function led(): { cluster: DiskCluster; leader: number; others: [number, number] } {
  const cluster = new DiskCluster([1, 2, 3]);
  for (const member of [1, 2, 3]) cluster.give(member, { kind: 'health', health: WELL });
  cluster.run(1500);
  const leader = cluster.leader();
  return { cluster, leader, others: [1, 2, 3].filter((member) => member !== leader) as [number, number] };
}

const events = (cluster: DiskCluster, member: number) => cluster.effectsOf(member, 'event').map(({ event }) => event);

describe('a leader that is ill', () => {
  it.each([
    ['slowDisk', { ...WELL, syncMs: 60 }],
    ['slowLoop', { ...WELL, loopLagMs: 300 }],
  ] as const)('hands over for a %s that lasts, to the best voter', (reason, health) => {
    const { cluster, leader, others } = led();
    const [worse, best] = others;
    cluster.give(worse, { kind: 'health', health: { ...WELL, syncMs: 3 } });
    cluster.give(leader, { kind: 'health', health });
    cluster.run(900);
    expect(cluster.leader()).toBe(leader);
    cluster.run(300);
    expect(cluster.leader()).toBe(best);
    expect(events(cluster, leader)).toContainEqual({ kind: 'handingOver', target: best, reason });
  });

  it('hands over at once when its disk is full, and never to a member whose disk is full as well', () => {
    const { cluster, leader, others } = led();
    const [full, best] = others;
    cluster.give(full, { kind: 'health', health: { ...WELL, syncMs: 1, isDiskFull: true } });
    cluster.run(100);
    cluster.give(leader, { kind: 'health', health: { ...WELL, isDiskFull: true } });
    cluster.run(100);
    expect(cluster.leader()).toBe(best);
    cluster.give(best, { kind: 'transfer', target: full });
    expect(cluster.leader()).toBe(best);
  });

  it('stays when the others are no better, or not by what anyone would feel, or have measured nothing', () => {
    for (const [own, other] of [
      [60, 30],
      [15, 1],
      [60, 0],
    ] as const) {
      const { cluster, leader, others } = led();
      for (const member of others) cluster.give(member, { kind: 'health', health: { ...WELL, syncMs: other } });
      cluster.run(100);
      cluster.give(leader, { kind: 'health', health: { ...WELL, syncMs: own } });
      cluster.run(2000);
      expect(cluster.leader()).toBe(leader);
    }
  });

  it('stays when its loop is late by no more than leading under load may cost', () => {
    const { cluster, leader } = led();
    cluster.give(leader, { kind: 'health', health: { ...WELL, loopLagMs: 120 } });
    cluster.run(3000);
    expect(cluster.leader()).toBe(leader);
  });

  it('does not throw leadership to and fro while members are ill by turns', () => {
    const { cluster } = led();
    let changes = 0;
    for (let round = 0; round < 10; round++) {
      const leader = cluster.leader();
      for (const member of [1, 2, 3])
        cluster.give(member, { kind: 'health', health: { ...WELL, syncMs: member === leader ? 100 : 2 } });
      cluster.run(1500);
      if (cluster.leader() !== leader) changes += 1;
    }
    expect(changes).toBeGreaterThan(0);
    // Once each in fifteen seconds: a member that handed over keeps what it gets back for twenty.
    expect(changes).toBeLessThanOrEqual(3);
  });
});

describe('an impaired member', () => {
  it('lets a healthy one lead first', () => {
    for (const impaired of [1, 2, 3]) {
      const cluster = new DiskCluster([1, 2, 3]);
      for (const member of [1, 2, 3])
        cluster.give(member, { kind: 'health', health: { ...WELL, isDiskFull: member === impaired } });
      cluster.run(2000);
      expect(cluster.leader()).not.toBe(impaired);
    }
  });
});
