import { describe, expect, it } from 'vitest';
import { nextBallot } from '../contract/ballot.ts';
import { digestOf } from '../contract/digest.ts';
import type { PeerMessage } from '../contract/peer.ts';
import { DiskCluster } from './under-test/disk-cluster.ts';
import type { CoreOptions } from './interface.ts';
import { PAXOS_RULES, type PaxosRules } from './rules.ts';

const LEASE = { durationMs: 300, driftRatio: 0.1 };
const OPTIONS: Partial<CoreOptions> = { leaseReads: LEASE };

function led(options = OPTIONS): { cluster: DiskCluster; leader: number; others: [number, number] } {
  const cluster = new DiskCluster([1, 2, 3], options);
  cluster.run(1500);
  const leader = cluster.leader();
  return { cluster, leader, others: [1, 2, 3].filter((member) => member !== leader) as [number, number] };
}

/** Reads there now and returns whether that was answered in the same moment, and by how many messages. */
function readNow(cluster: DiskCluster, member: number, sequence: number): { isAnswered: boolean; sends: number } {
  const before = cluster.effects.length;
  cluster.read(member, sequence);
  const effects = cluster.effects.slice(before).map(({ effect }) => effect);
  return {
    isAnswered: effects.some((effect) => effect.kind === 'readReady' && effect.request.sequence === sequence),
    sends: effects.filter((effect) => effect.kind === 'send').length,
  };
}

describe('a leader with a lease', () => {
  it('answers reads without a message; without the option it asks first', () => {
    const { cluster, leader } = led();
    expect(readNow(cluster, leader, 1)).toEqual({ isAnswered: true, sends: 0 });
    const asking = led({});
    expect(readNow(asking.cluster, asking.leader, 1).sends).toBeGreaterThan(0);
  });

  it('relies on it no longer than its shortened duration from when it sent the heartbeat', () => {
    const { cluster, leader } = led();
    cluster.isolate(leader);
    // The last answered round is at most one heartbeat old.
    cluster.run(LEASE.durationMs * (1 - LEASE.driftRatio) - 60);
    expect(readNow(cluster, leader, 1).isAnswered).toBe(true);
    cluster.run(60);
    expect(readNow(cluster, leader, 2).isAnswered).toBe(false);
  });

  it('has none after a pause of its event loop, until a later heartbeat is answered', () => {
    const { cluster, leader } = led();
    cluster.nowMs += 150;
    expect(readNow(cluster, leader, 1).sends).toBeGreaterThan(0);
    cluster.run(100);
    expect(readNow(cluster, leader, 2)).toEqual({ isAnswered: true, sends: 0 });
  });

  it('gives it up for good when it hands over, and the target need not wait for the vows to end', () => {
    const { cluster, leader, others } = led();
    const [target] = others;
    cluster.give(leader, { kind: 'transfer', target });
    expect(cluster.leader()).toBe(target);
    expect(cluster.messagesOf(target, 'prepare').at(-1)?.leaseReleased).toBeGreaterThan(0);
  });

  it('does not use it again under the same ballot when a hand-over failed', () => {
    const { cluster, leader, others } = led();
    const [target] = others;
    cluster.cut.add(`${leader}-${target}`);
    cluster.give(leader, { kind: 'transfer', target });
    cluster.run(550);
    cluster.cut.clear();
    cluster.run(400);
    expect(cluster.leader()).toBe(leader);
    expect(readNow(cluster, leader, 1).sends).toBeGreaterThan(0);
  });
});

/** Whether the leader answered a read by itself after members with a shorter lease had decided without it. */
function readsStaleWhileShortened(rules: PaxosRules): boolean {
  const lasting = (durationMs: number) => ({ electionTimeoutMs: durationMs, leaseReads: { ...LEASE, durationMs } });
  const cluster = new DiskCluster([1, 2, 3], lasting(1000), rules);
  cluster.run(3000);
  const leader = cluster.leader();
  const others = [1, 2, 3].filter((member) => member !== leader);
  for (const member of others) {
    cluster.own.set(member, lasting(300));
    cluster.stop(member);
    cluster.run(600);
    cluster.restart(member);
    cluster.run(600);
  }
  expect(cluster.leader()).toBe(leader);
  expect(readNow(cluster, leader, 1)).toEqual({ isAnswered: true, sends: 0 });
  cluster.isolate(leader);
  for (let sequence = 2; sequence < 200; sequence++) {
    cluster.run(10);
    const other = cluster.leaders().find((member) => member !== leader);
    if (other === undefined) continue;
    cluster.propose(other, 'unknown to the old leader', sequence);
    if (readNow(cluster, leader, sequence).isAnswered) return true;
  }
  expect(cluster.delivered(others[0] as number)).toContain('unknown to the old leader');
  return false;
}

describe('while the duration is changed from member to member', () => {
  it('a leader relies on no more than was vowed to it', () => {
    expect(readsStaleWhileShortened(PAXOS_RULES)).toBe(false);
  });

  it('one that counts by its own duration alone is found out', () => {
    const leaseEnd: PaxosRules['leaseEnd'] = (sentAtMs, lease) =>
      PAXOS_RULES.leaseEnd(sentAtMs, lease, lease.durationMs);
    expect(readsStaleWhileShortened({ ...PAXOS_RULES, leaseEnd })).toBe(true);
  });
});

/**
 * Plays a third member that does not hear the leader: it asks the one that vowed for a promise, in the name of a hand-over by an
 * earlier leader, and if it gets it, has a value accepted there. Whether the leader, who hears nothing of that, still answers reads.
 */
function readsPastAnother(rules: PaxosRules, heartbeatOfEarlier: boolean): boolean {
  const cluster = new DiskCluster([1, 2, 3], OPTIONS, rules);
  cluster.run(1500);
  const leader = cluster.leader();
  const [member, played] = [1, 2, 3].filter((other) => other !== leader) as [number, number];
  cluster.stop(played);
  cluster.run(200);
  cluster.cutBoth(leader, member);
  const { promised, configuration, decidedUpTo } = cluster.status(member);
  const say = (message: PeerMessage) => cluster.give(member, { kind: 'message', from: played, message });
  // Below every real ballot.
  const earlier = 1;
  if (heartbeatOfEarlier)
    say({
      kind: 'heartbeat',
      sequence: 1,
      promised: earlier,
      believedLeader: played,
      leaderBallot: earlier,
      quorumConnected: true,
      configId: configuration.configId,
      decidedUpTo,
      appliedUpTo: decidedUpTo,
      health: { syncMs: 0, loopLagMs: 0, isDiskFull: false },
    });
  const ballot = nextBallot(promised, played);
  const fromSlot = decidedUpTo + 1;
  say({ kind: 'prepare', ballot, configId: configuration.configId, fromSlot, leaseReleased: earlier });
  if (cluster.messagesOf(member, 'promise').every((message) => message.ballot !== ballot)) return false;
  const value = Uint8Array.from([120]);
  const entries = [{ slot: fromSlot, ballot, value, digest: digestOf(value) }];
  say({ kind: 'accept', ballot, entries, decidedUpTo });
  expect(cluster.disk(member).accepted.get(fromSlot)?.ballot).toBe(ballot);
  return readNow(cluster, leader, 1).isAnswered;
}

describe('a vow', () => {
  it.each([true, false])('keeps its leader the only one who decides, an earlier one talking: %s', (talks) => {
    expect(readsPastAnother(PAXOS_RULES, talks)).toBe(false);
  });

  it('that ended when it was made would let a read miss what another decided', () => {
    expect(readsPastAnother({ ...PAXOS_RULES, vowEnd: (nowMs) => nowMs }, false)).toBe(true);
  });

  it('made to an earlier leader in place of the present one would, too: the earlier one has given its lease up', () => {
    expect(readsPastAnother({ ...PAXOS_RULES, mayGrant: () => true }, true)).toBe(true);
  });
});

describe('a member that vowed', () => {
  const prepare = (ballot: number, leaseReleased = 0) =>
    ({ kind: 'prepare', ballot, configId: 1, fromSlot: 1, leaseReleased }) as const;

  it('answers no prepare until the vow has ended, and then does', () => {
    const { cluster, leader, others } = led();
    const [member, candidate] = others;
    const ballot = cluster.status(member).promised + 10 * 1024;
    cluster.isolate(leader);
    const count = () => cluster.messagesOf(member, 'promise').filter((message) => message.ballot >= ballot).length;
    cluster.give(member, { kind: 'message', from: candidate, message: prepare(ballot) });
    expect(count()).toBe(0);
    cluster.nowMs += LEASE.durationMs;
    cluster.give(member, { kind: 'message', from: candidate, message: prepare(ballot) });
    expect(count()).toBe(1);
  });

  it('accepts from a higher ballot all the same: a quorum has promised it, so the lease is over', () => {
    const { cluster, others } = led();
    const [member, other] = others;
    const ballot = cluster.status(member).promised + 10 * 1024;
    cluster.give(member, {
      kind: 'message',
      from: other,
      message: { kind: 'accept', ballot, entries: [], decidedUpTo: 0 },
    });
    expect(cluster.status(member).promised).toBe(ballot);
  });

  it('keeps still for a full duration after a restart, since it may have vowed before', () => {
    const { cluster, leader, others } = led();
    const [member, candidate] = others;
    cluster.isolate(leader);
    cluster.cutBoth(member, candidate);
    cluster.stop(member);
    cluster.restart(member);
    const { promised } = cluster.status(member);
    cluster.give(member, { kind: 'tick' });
    cluster.nowMs += LEASE.durationMs - 10;
    cluster.give(member, { kind: 'message', from: candidate, message: prepare(promised + 10 * 1024) });
    expect(cluster.status(member).promised).toBe(promised);
    // Nor may a leader release it: the one it vowed to may be another than its disk tells.
    cluster.give(member, { kind: 'message', from: candidate, message: prepare(promised + 10 * 1024, promised) });
    expect(cluster.status(member).promised).toBe(promised);
    cluster.nowMs += 10;
    cluster.give(member, { kind: 'message', from: candidate, message: prepare(promised + 10 * 1024) });
    expect(cluster.status(member).promised).toBe(promised + 10 * 1024);
  });

  it('can be released again by a hand-over once it has rejoined', () => {
    const { cluster, leader, others } = led();
    const [target, restarted] = others;
    cluster.stop(restarted);
    cluster.restart(restarted);
    cluster.run(1000);
    cluster.cutBoth(leader, target);
    cluster.cut.delete(`${leader}-${target}`);
    cluster.give(leader, { kind: 'transfer', target });
    expect(cluster.leaders()).toContain(target);
  });

  it('lets another lead after the leader is gone, and no read of the old one is answered by then', () => {
    const { cluster, leader, others } = led();
    cluster.isolate(leader);
    for (let i = 1; i <= 200 && cluster.leaders().every((member) => member === leader); i++) {
      cluster.run(10);
      const isAnswered = readNow(cluster, leader, i).isAnswered;
      const isReplaced = cluster.leaders().some((member) => member !== leader);
      expect(isAnswered && isReplaced).toBe(false);
    }
    expect(cluster.leaders().some((member) => others.includes(member))).toBe(true);
  });
});
