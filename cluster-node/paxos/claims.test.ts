/** What others say of slots: how much of it a node takes, and how much of it it repeats. */
import { describe, expect, it } from 'vitest';
import { digestOf } from '../contract/digest.ts';
import type { Entry } from '../contract/peer.ts';
import { DiskCluster, ELECTION_TIMEOUT_MS } from './under-test/disk-cluster.ts';

const MAX_UNDECIDED_SLOTS = 10;

/** Three members and one of them leading. */
function led(bounds: { maxUndecidedBytes?: number } = {}): {
  cluster: DiskCluster;
  leader: number;
  others: [number, number];
} {
  const cluster = new DiskCluster([1, 2, 3], { maxUndecidedSlots: MAX_UNDECIDED_SLOTS, ...bounds });
  cluster.run(1000);
  const leader = cluster.leader();
  return { cluster, leader, others: [1, 2, 3].filter((member) => member !== leader) as [number, number] };
}

function entryAt(slot: number, ballot: number): Entry {
  const value = Buffer.from(`value ${slot}`);
  return { slot, ballot, value, digest: digestOf(value) };
}

function boast(decidedUpTo: number) {
  const health = { syncMs: 0, loopLagMs: 0, isDiskFull: false };
  const view = { believedLeader: 0, leaderBallot: 0, quorumConnected: false, appliedUpTo: 0 };
  return { kind: 'heartbeat', sequence: 1, promised: 0, configId: 1, decidedUpTo, health, ...view } as const;
}

describe('an accept far ahead of the decided slots', () => {
  it('is not taken, and what is near is', () => {
    const { cluster, leader, others } = led();
    const [follower] = others;
    const { leaderBallot: ballot } = cluster.status(leader);
    const accept = (slot: number) => {
      const message = { kind: 'accept', ballot, entries: [entryAt(slot, ballot)], decidedUpTo: 0 } as const;
      cluster.give(follower, { kind: 'message', from: leader, message });
      return cluster.status(follower).acceptedUpTo;
    };
    expect(accept(1e7)).toBe(0);
    expect(accept(4 * MAX_UNDECIDED_SLOTS + 1)).toBe(0);
    expect(accept(4 * MAX_UNDECIDED_SLOTS)).toBe(4 * MAX_UNDECIDED_SLOTS);
  });

  it('is taken only within the window of a leader once too many bytes are undecided here', () => {
    const { cluster, leader, others } = led({ maxUndecidedBytes: 5 });
    const [follower] = others;
    const { leaderBallot: ballot } = cluster.status(leader);
    const accept = (slot: number) => {
      const message = { kind: 'accept', ballot, entries: [entryAt(slot, ballot)], decidedUpTo: 0 } as const;
      cluster.give(follower, { kind: 'message', from: leader, message });
      return cluster.status(follower).acceptedUpTo;
    };
    expect(accept(2)).toBe(2);
    expect(accept(MAX_UNDECIDED_SLOTS + 1)).toBe(MAX_UNDECIDED_SLOTS + 1);
    expect(accept(MAX_UNDECIDED_SLOTS + 2)).toBe(MAX_UNDECIDED_SLOTS + 1);
  });

  it('comes again when a follower that was away has caught up', () => {
    const { cluster, leader, others } = led();
    const [away, other] = others;
    cluster.isolate(away);
    for (let sequence = 1; sequence <= 200; sequence++) cluster.propose(leader, `v${sequence}`, sequence);
    // Undecided, and only this follower is left to decide them.
    cluster.stop(other);
    cluster.cut.clear();
    cluster.cut.add(`${away}-${leader}`);
    for (let sequence = 201; sequence <= 205; sequence++) cluster.propose(leader, `v${sequence}`, sequence);
    expect(cluster.status(away).acceptedUpTo).toBe(0);
    cluster.cut.clear();
    cluster.run(2 * ELECTION_TIMEOUT_MS);
    expect(cluster.delivered(away)).toHaveLength(205);
    expect(cluster.status(cluster.leader()).undecidedSlots).toBe(0);
  });
});

describe('a promise that tells of a slot absurdly far away', () => {
  it('is not listened to, which is told, and another one makes the quorum', () => {
    const { cluster, leader, others } = led();
    const [candidate, liar] = others;
    cluster.stop(leader);
    cluster.cutBoth(candidate, liar);
    const { promised } = cluster.status(candidate);
    cluster.give(candidate, {
      kind: 'message',
      from: leader,
      message: { kind: 'transferLeadership', ballot: promised },
    });
    const ballot = cluster.status(candidate).promised;
    const page = { fromSlot: 1, page: 0, last: true, faulty: [], decidedUpTo: 0 } as const;
    const promise = (from: number, entries: Entry[]) =>
      cluster.give(candidate, { kind: 'message', from, message: { kind: 'promise', ballot, ...page, entries } });
    promise(liar, [entryAt(1, 1), entryAt(1e7, 1)]);
    expect(cluster.status(candidate).role).toBe('candidate');
    expect(cluster.events(candidate, 'absurdPromise')).toEqual([{ kind: 'absurdPromise', from: liar, slot: 1e7 }]);
    promise(leader, [entryAt(1, 1), entryAt(3, 1)]);
    expect(cluster.status(candidate)).toMatchObject({ role: 'leader', undecidedSlots: 3 });
  });
});

describe('what a node says it lacks', () => {
  /** Hears the others and gets no answer of them. */
  function deaf() {
    const { cluster, leader, others } = led();
    const [lagging, other] = others;
    cluster.cut.add(`${lagging}-${leader}`).add(`${lagging}-${other}`);
    return { cluster, leader, lagging, other };
  }

  it('is what the leader that it follows has decided', () => {
    const { cluster, leader, lagging, other } = deaf();
    const { leaderBallot } = cluster.status(leader);
    const says = { ...boast(700), believedLeader: leader, leaderBallot, promised: leaderBallot };
    cluster.stop(leader);
    cluster.stop(other);
    repeat(cluster, () => cluster.give(lagging, { kind: 'message', from: leader, message: says }));
    expect(cluster.status(lagging).behind).toContain('700 decided slots are missing from slot 1 on');
  });

  it('is what two others have decided', () => {
    const { cluster, leader, lagging, other } = deaf();
    cluster.stop(leader);
    cluster.stop(other);
    repeat(cluster, () => {
      cluster.give(lagging, { kind: 'message', from: leader, message: boast(900) });
      cluster.give(lagging, { kind: 'message', from: other, message: boast(700) });
    });
    expect(cluster.status(lagging).behind).toBe(
      '700 decided slots are missing from slot 1 on: no peer that has them answers',
    );
  });

  it.each([
    ['a member alone', [2]],
    ['strangers alone, however many', [8, 9, 10]],
  ])('is not what %s says', (_, boasters) => {
    const cluster = new DiskCluster([1, 2, 3]);
    repeat(cluster, () => {
      for (const from of boasters) cluster.give(1, { kind: 'message', from, message: boast(1e12) });
    });
    expect(cluster.status(1).behind).toBeNull();
  });

  it('does not keep what was said by mistake once', () => {
    const cluster = new DiskCluster([1, 2, 3]);
    const say = (from: number, decidedUpTo: number) =>
      cluster.give(1, { kind: 'message', from, message: boast(decidedUpTo) });
    say(2, 1e12);
    repeat(cluster, () => [2, 3].forEach((from) => say(from, 0)));
    repeat(cluster, () => say(3, 1e12));
    expect(cluster.status(1).behind).toBeNull();
  });

  function repeat(cluster: DiskCluster, say: () => void): void {
    for (let round = 0; round < 20; round++) {
      say();
      cluster.run(50);
    }
  }
});
