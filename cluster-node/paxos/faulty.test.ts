import { describe, expect, it } from 'vitest';
import { firstConfiguration } from '../contract/configuration.ts';
import { digestOf } from '../contract/digest.ts';
import type { Entry, PeerMessage } from '../contract/peer.ts';
import { DiskCluster } from './under-test/disk-cluster.ts';
import type { RecoveredState } from './interface.ts';
import { exampleMember } from './under-test/member-example.ts';

function entry(slot: number, ballot: number, text: string): Entry {
  const value = Buffer.from(text);
  return { slot, ballot, value, digest: digestOf(value) };
}

/** What a node recovers that had promised ballot 2051 (round 2 of member 3) and decided nothing. */
function recovered(state: Partial<RecoveredState>): () => RecoveredState {
  return () => ({ promised: 2051, decidedUpTo: 0, accepted: [], faulty: [], ...state });
}

/** The entries are on the disks too, as they would be. */
function started(states: Record<number, Partial<RecoveredState>>, running: readonly number[]): DiskCluster {
  const members = Object.keys(states).map(Number);
  const cluster = new DiskCluster(members, { configuration: firstConfiguration(members.map(exampleMember)) });
  for (const member of members) {
    cluster.stop(member);
    if (running.includes(member)) cluster.restart(member, recovered(states[member] ?? {}));
  }
  return cluster;
}

const CHOSEN = entry(1, 2051, 'chosen');

describe('a slot whose accepted value the disk lost', () => {
  it('is reported with every promise, and never as empty', () => {
    const cluster = started({ 1: { faulty: [{ slot: 3, ballot: 1026 }] }, 2: {}, 3: {} }, [1]);
    const prepare = { kind: 'prepare', ballot: 4098, configId: 1, fromSlot: 5, leaseReleased: 0 } as const;
    cluster.give(1, { kind: 'message', from: 2, message: prepare });
    expect(cluster.messagesOf(1, 'promise')).toEqual([
      expect.objectContaining({ last: true, entries: [], faulty: [{ slot: 3, ballot: 1026 }] }),
    ]);
  });

  it('of an unknown ballot was accepted under what was promised at most', () => {
    const cluster = started({ 1: { faulty: [{ slot: 3, ballot: null }] }, 2: {}, 3: {} }, [1]);
    const prepare = { kind: 'prepare', ballot: 4098, configId: 1, fromSlot: 1, leaseReleased: 0 } as const;
    cluster.give(1, { kind: 'message', from: 2, message: prepare });
    expect(cluster.messagesOf(1, 'promise')[0]?.faulty).toEqual([{ slot: 3, ballot: 2051 }]);
  });

  it('keeps the others from taking the slot for free: nobody leads until the last copy is back', () => {
    const states = { 1: { faulty: [{ slot: 1, ballot: 2051 }] }, 2: {}, 3: { accepted: [CHOSEN] } };
    const cluster = started(states, [1, 2]);
    cluster.run(5000);
    expect(cluster.leaders()).toEqual([]);
    expect([1, 2].map((member) => cluster.status(member).behind).join()).toContain('slot 1');
    cluster.restart(3, recovered(states[3]));
    cluster.run(3000);
    expect(cluster.leaders()).toHaveLength(1);
    for (const member of [1, 2, 3]) expect(cluster.delivered(member)).toEqual(['chosen']);
    expect(cluster.status(1).faultySlots).toBe(0);
    expect(cluster.disk(1).accepted.get(1)?.value).toEqual(CHOSEN.value);
  });

  it('does not stop a quorum of the others, and is accepted anew', () => {
    const cluster = started({ 1: { faulty: [{ slot: 1, ballot: null }] }, 2: {}, 3: {} }, [1, 2, 3]);
    cluster.run(2000);
    const leader = cluster.leader();
    cluster.propose(leader, 'next', 1);
    cluster.run(500);
    for (const member of [1, 2, 3]) expect(cluster.delivered(member)).toEqual(['next']);
    expect(cluster.status(1).faultySlots).toBe(0);
  });

  it('is shown by one intact copy under its ballot or a higher one, but not by an older one', () => {
    const lost = { faulty: [{ slot: 1, ballot: 2051 }] };
    const shown = started({ 1: lost, 2: { accepted: [CHOSEN] }, 3: {} }, [1, 2]);
    shown.run(3000);
    for (const member of [1, 2]) expect(shown.delivered(member)).toEqual(['chosen']);
    const hidden = started({ 1: lost, 2: { accepted: [entry(1, 1026, 'older')] }, 3: {} }, [1, 2]);
    hidden.run(5000);
    expect(hidden.leaders()).toEqual([]);
  });

  it('does not stop an even number of voters where those that lost it are too few to have chosen anything', () => {
    const faulty = [{ slot: 1, ballot: null }];
    const older = { accepted: [entry(1, 1026, 'older')] };
    const two = started({ 1: { faulty }, 2: older }, [1, 2]);
    two.run(3000);
    for (const member of [1, 2]) expect(two.delivered(member)).toEqual(['older']);
    // With the one that is away, two are enough.
    const states = { 1: { faulty }, 2: { faulty }, 3: older, 4: {} };
    const four = started(states, [1, 2, 3]);
    four.run(5000);
    expect(four.leaders()).toEqual([]);
    four.restart(4, recovered(states[4]));
    four.run(3000);
    for (const member of [1, 2, 3, 4]) expect(four.delivered(member)).toEqual(['older']);
  });

  it('is one thing in one slot: damage in different slots leaves a quorum for each', () => {
    const states = {
      1: { faulty: [{ slot: 1, ballot: 2051 }], accepted: [entry(2, 2051, 'b')] },
      2: { faulty: [{ slot: 2, ballot: 2051 }], accepted: [CHOSEN] },
      3: {},
    };
    const cluster = started(states, [1, 2]);
    cluster.run(3000);
    for (const member of [1, 2]) expect(cluster.delivered(member)).toEqual(['chosen', 'b']);
  });

  it('counts as not accepted until the leader has sent it again, whatever older value is left', () => {
    const older = entry(1, 1026, 'older');
    const cluster = started({ 1: { accepted: [older], faulty: [{ slot: 1, ballot: 2051 }] }, 2: {}, 3: {} }, [1]);
    const second = entry(2, 2051, 'second');
    const accept = { kind: 'accept', ballot: 2051, decidedUpTo: 0 } as const;
    cluster.give(1, { kind: 'message', from: 3, message: { ...accept, entries: [second] } });
    expect(cluster.messagesOf(1, 'accepted')).toEqual([]);
    cluster.give(1, { kind: 'message', from: 3, message: { ...accept, entries: [CHOSEN] } });
    expect(cluster.messagesOf(1, 'accepted').at(-1)).toMatchObject({ ballot: 2051, durableUpTo: 2 });
    expect(cluster.status(1).faultySlots).toBe(0);
  });

  it('is fetched from a peer once it is decided', () => {
    const cluster = new DiskCluster([1, 2, 3]);
    cluster.run(1000);
    const leader = cluster.leader();
    const damaged = (leader % 3) + 1;
    for (let i = 1; i <= 5; i++) cluster.propose(leader, `v${i}`, i);
    cluster.stop(damaged);
    cluster.restart(damaged, (state) => ({
      ...state,
      decidedUpTo: 1,
      accepted: [3, 5].map((slot) => cluster.disk(damaged).accepted.get(slot) as Entry),
      faulty: [2, 4].map((slot) => ({ slot, ballot: null })),
    }));
    expect(cluster.status(damaged).faultySlots).toBe(2);
    cluster.run(1000);
    expect(cluster.status(damaged)).toMatchObject({ faultySlots: 0, decidedUpTo: 5 });
    expect(cluster.delivered(damaged).slice(-4)).toEqual(['v2', 'v3', 'v4', 'v5']);
  });
});

describe('a learner', () => {
  it('does not ask again at once who had nothing, however often that is said', () => {
    const cluster = started({ 1: {}, 2: {}, 3: {} }, [1]);
    const give = (message: PeerMessage) => cluster.give(1, { kind: 'message', from: 3, message });
    const ballot = 4099;
    for (let answer = 0; answer < 20; answer++) {
      // Two slots before it are decided, and the leader cannot give them.
      give({ kind: 'accept', ballot, entries: [entry(3, ballot, 'third')], decidedUpTo: 2 });
      give({ kind: 'catchUpEntries', fromSlot: 1, entries: [], snapshotSlot: 0, decidedUpTo: 0 });
    }
    expect(cluster.messagesOf(1, 'catchUpRequest')).toHaveLength(1);
  });

  it('asks another peer when the one it asked cannot read its own copy', () => {
    const cluster = new DiskCluster([1, 2, 3], { memorySlots: 2 });
    cluster.run(1000);
    const leader = cluster.leader();
    const [sleeper, other] = [1, 2, 3].filter((member) => member !== leader) as [number, number];
    cluster.isolate(sleeper);
    for (let i = 1; i <= 20; i++) cluster.propose(leader, `v${i}`, i);
    for (const damaged of [leader, other]) {
      const lost = cluster.disk(damaged).accepted.get(damaged === leader ? 3 : 7) as Entry;
      cluster.disk(damaged).accepted.delete(lost.slot);
    }
    cluster.cut.clear();
    cluster.run(2000);
    expect(cluster.delivered(sleeper)).toHaveLength(20);
  });
});
