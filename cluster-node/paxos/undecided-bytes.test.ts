import { describe, expect, it } from 'vitest';
import { digestOf } from '../contract/digest.ts';
import type { Entry } from '../contract/peer.ts';
import { DiskCluster } from './under-test/disk-cluster.ts';
import { ReplicaLog } from './replica-log.ts';

const TEN = 'x'.repeat(10);

function led(): { cluster: DiskCluster; leader: number; others: [number, number] } {
  const cluster = new DiskCluster([1, 2, 3], { maxUndecidedBytes: 20 });
  cluster.run(1500);
  const leader = cluster.leader();
  return { cluster, leader, others: [1, 2, 3].filter((member) => member !== leader) as [number, number] };
}

const refused = (cluster: DiskCluster, member: number) =>
  cluster.effectsOf(member, 'refuse').map(({ request, reason }) => [request.sequence, reason]);

describe('the bound of undecided values in bytes', () => {
  it('holds at the origin, and what is decided or abandoned makes room', () => {
    const { cluster, leader } = led();
    cluster.isolate(leader);
    for (const sequence of [1, 2, 3]) cluster.propose(leader, `${sequence}${TEN}`, sequence);
    expect(refused(cluster, leader)).toEqual([[3, 'busy']]);
    cluster.cut.clear();
    cluster.run(200);
    for (const sequence of [4, 5]) cluster.propose(leader, `${sequence}${TEN}`, sequence);
    expect(cluster.delivered(leader)).toEqual(['1', '2', '4', '5'].map((digit) => `${digit}${TEN}`));
    cluster.isolate(leader);
    for (const sequence of [6, 7]) cluster.propose(leader, `${sequence}${TEN}`, sequence);
    cluster.give(leader, { kind: 'abandon', request: { origin: leader, boot: 1, sequence: 6 } });
    cluster.propose(leader, `8${TEN}`, 8);
    expect(refused(cluster, leader)).toEqual([[3, 'busy']]);
  });

  it('holds at the leader for what all origins send, through a change of leader too', () => {
    const { cluster, leader, others } = led();
    const [first, second] = others;
    for (const other of others) cluster.cut.add(`${leader}-${other}`);
    cluster.propose(first, `1${TEN}`, 1);
    cluster.propose(second, `2${TEN}`, 2);
    expect(cluster.status(leader).undecidedSlots).toBe(2);
    cluster.propose(first, `3${TEN}`, 3);
    expect(cluster.status(leader).undecidedSlots).toBe(2);
    expect(cluster.messagesOf(leader, 'forwardRefused').map(({ reason }) => reason)).toEqual(['busy']);
    // The old leader steps down with two undecided values on its disk, and follows; then it leads again.
    cluster.run(3000);
    cluster.cut.clear();
    cluster.run(1500);
    cluster.give(cluster.leader(), { kind: 'transfer', target: leader });
    cluster.run(500);
    expect(cluster.leader()).toBe(leader);
    for (const sequence of [4, 5]) cluster.propose(leader, `${sequence}${TEN}`, sequence);
    cluster.run(500);
    const expected = ['1', '2', '3', '4', '5'].map((digit) => `${digit}${TEN}`);
    expect(new Set(cluster.delivered(leader))).toEqual(new Set(expected));
    expect(refused(cluster, leader)).toEqual([]);
  });
});

describe('a log', () => {
  const entry = (slot: number, ballot: number, bytes: number): Entry => {
    const value = new Uint8Array(bytes);
    return { slot, ballot, value, digest: digestOf(value) };
  };

  it('knows how many bytes are undecided, whatever takes their place or skips them', () => {
    const recovered = { promised: 5, decidedUpTo: 2, accepted: [entry(3, 5, 100)], faulty: [] };
    const log = new ReplicaLog(recovered);
    expect(log.undecidedBytes).toBe(100);
    log.put(entry(3, 6, 40));
    log.put(entry(4, 6, 7));
    log.put(entry(6, 6, 1000));
    expect(log.undecidedBytes).toBe(1047);
    log.decide(3);
    expect(log.undecidedBytes).toBe(1007);
    log.skipTo(5);
    expect(log.undecidedBytes).toBe(1000);
    log.skipTo(6);
    expect(log.undecidedBytes).toBe(0);
  });
});
