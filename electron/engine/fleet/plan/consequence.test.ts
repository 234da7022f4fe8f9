import { describe, expect, it } from 'vitest';
import { type Action, consequenceSchema } from '../../../contract/model.ts';
import { between, bridge, isolate } from '../../faults/plan/partitions.ts';
import { consequenceOf } from './consequence.ts';
import { type Change, type Example, nodeIdOf, situationExample } from './situation-example.ts';

const clusterId = 'c-00000001';
const stopped: Change = { service: { state: 'stopped', pid: null }, sample: false };
const minority: Change = { sample: { quorumConnected: false } };
const onNode = (kind: 'nodeStart' | 'nodeStop' | 'nodeRestart' | 'nodeKill', slot: number): Action => ({
  kind,
  clusterId,
  nodeId: nodeIdOf(slot),
});
const failover = (slot: number): Action => ({ kind: 'failover', clusterId, target: nodeIdOf(slot) });
const cut = (links: Extract<Action, { kind: 'partition' }>['links']): Action => ({
  kind: 'partition',
  clusterId,
  links,
  ttlMs: 30_000,
});
const consequence = (example: Example, action: Action) =>
  consequenceSchema.parse(consequenceOf(situationExample(example), action));

describe('refusals', () => {
  it.each<[string, Example, Action, string]>([
    ['nothing to kill', { voters: 3, change: { 2: stopped } }, onNode('nodeKill', 2), 'node-2 has no process to kill.'],
    [
      'host lost',
      { voters: 3, change: { 2: { ageMs: 9000 } }, unaskable: [2] },
      onNode('nodeStop', 2),
      'host-2 cannot be asked now, so nothing can be done to node-2 on it.',
    ],
    ['target down', { voters: 3, change: { 2: stopped } }, failover(2), 'node-2 does not run.'],
    [
      'target cut off',
      { voters: 3, change: { 2: minority } },
      failover(2),
      'node-2 does not reach a quorum: it is cut off.',
    ],
    [
      'no leader',
      { voters: 3, change: { 1: minority, 2: minority, 3: minority } },
      failover(2),
      'No leader is agreed on, so there is nobody who could hand over.',
    ],
    ['unknown member', { voters: 3 }, cut([{ from: 1, to: 9 }]), 'There is no member 1 → 9.'],
    ['link to itself', { voters: 3 }, cut([{ from: 1, to: 1 }]), 'A node cannot be cut off from itself.'],
    [
      'nobody to hold it',
      { voters: 3, unaskable: [1, 2] },
      cut([{ from: 1, to: 2 }]),
      'Nobody could hold node-1 → node-2: neither end runs and can be asked.',
    ],
    [
      'no such fault',
      { voters: 3 },
      { kind: 'heal', clusterId, faultId: 'f-99999999' },
      'There is no fault f-99999999 on orders.',
    ],
    [
      'wrong name',
      { voters: 3 },
      { kind: 'clusterDestroy', clusterId, confirmName: 'ordres' },
      "Type the cluster's name, orders, to confirm: its data is deleted.",
    ],
    ['no such node', { voters: 3 }, onNode('nodeStop', 9), 'There is no node n-00000009 in orders.'],
  ])('%s', (_, example, action, reason) => {
    expect(consequence(example, action).refusals).toEqual([reason]);
  });
});

describe('what is there already', () => {
  it.each<[string, Example, Action, string]>([
    ['stopped', { voters: 3, change: { 2: stopped } }, onNode('nodeStop', 2), 'node-2 is stopped'],
    ['running', { voters: 3 }, onNode('nodeStart', 2), 'node-2 runs'],
    ['leading', { voters: 3 }, failover(1), 'node-1 leads'],
  ])('%s: nothing is run, and that is said', (_, example, action, what) => {
    const told = consequence(example, action);
    expect(told).toMatchObject({ refusals: [], runs: [], expectedUnavailabilityMs: 0, undo: null });
    expect(told.warnings).toEqual([`${what} already; nothing to do.`]);
    expect(told.after).toEqual(told.before);
  });

  it('is not a node that runs, but not as it should', () => {
    const orphan: Change = { service: { reason: 'its supervisor is gone' } };
    expect(consequence({ voters: 3, change: { 2: orphan } }, onNode('nodeStart', 2)).runs).toHaveLength(1);
  });
});

describe('what would happen', () => {
  it('a follower stops: nothing is interrupted, the margin shrinks', () => {
    expect(consequence({ voters: 3 }, onNode('nodeStop', 3))).toMatchObject({
      refusals: [],
      warnings: ['Afterwards no further failure is tolerated.'],
      runs: [{ host: 'host-3', what: 'stop node-3 and its supervisor; its data stays' }],
      before: { working: 3, size: 2, voters: 3, tolerates: 1, writable: true },
      after: { working: 2, size: 2, voters: 3, tolerates: 0, writable: true },
      predictedLeader: nodeIdOf(1),
      expectedUnavailabilityMs: 0,
      undo: 'Start node-3.',
    });
  });

  it('the leader is killed: an election, by whoever is left', () => {
    const told = consequence({ voters: 3 }, onNode('nodeKill', 1));
    expect(told).toMatchObject({ predictedLeader: null, expectedUnavailabilityMs: 350, refusals: [] });
    expect(told.warnings).toEqual([
      'node-1 leads. Writes stop for about 350 ms, until node-2 or node-3 leads.',
      'The supervisor of node-1 starts it again by itself: it is back after about 2 s, and only until then is the margin smaller.',
      'Until then no further failure is tolerated.',
    ]);
    expect(told.undo).toBeNull();
  });

  it('the last spare stops: loud, but not refused; nothing brings writes back by itself', () => {
    const told = consequence({ voters: 3, change: { 3: stopped } }, onNode('nodeStop', 2));
    expect(told).toMatchObject({
      refusals: [],
      expectedUnavailabilityMs: null,
      after: { tolerates: -1, writable: false },
    });
    expect(told.warnings[0]).toBe('Writes stop: 1 of 3 voters would work together, 2 are needed.');
  });

  it('a kill without a spare comes back with the restart', () => {
    const told = consequence({ voters: 3, change: { 3: stopped } }, onNode('nodeKill', 2));
    expect(told.expectedUnavailabilityMs).toBe(1800);
  });

  it('leadership moves within two round trips', () => {
    expect(consequence({ voters: 3 }, failover(3))).toMatchObject({
      refusals: [],
      predictedLeader: nodeIdOf(3),
      expectedUnavailabilityMs: 11,
      undo: 'Move leadership back to node-1.',
      runs: [{ host: 'host-1', what: 'node-1 hands leadership to node-3' }],
    });
  });

  it('the leader is isolated: the others elect, it falls behind', () => {
    const links = isolate(1, [1, 2, 3]);
    const told = consequence({ voters: 3 }, cut(links));
    expect(told).toMatchObject({
      refusals: [],
      after: { working: 2, tolerates: 0, writable: true },
      expectedUnavailabilityMs: 350,
      predictedLeader: null,
      cutLinks: links,
    });
    expect(told.warnings).toContain(
      'node-1 loses its quorum. Writes stop for about 350 ms, until node-2 or node-3 leads.',
    );
    expect(told.runs[0]).toEqual({
      host: 'host-1',
      what: 'node-1 arms its cure in 30 s, then drops what it sends to node-2 and node-3 and what it gets from node-2 and node-3',
    });
  });

  it('a bridge leaves the leader its quorum', () => {
    const told = consequence({ voters: 5 }, cut(bridge(3, [1, 2, 3, 4, 5])));
    expect(told).toMatchObject({ predictedLeader: nodeIdOf(1), expectedUnavailabilityMs: 0, after: { working: 3 } });
    expect(told.warnings).toContain('node-4 and node-5 fall behind until it heals.');
  });

  it('all apart: nobody writes until it heals', () => {
    const told = consequence({ voters: 3 }, cut(between([[1], [2], [3]])));
    expect(told).toMatchObject({
      expectedUnavailabilityMs: null,
      after: { working: 1, writable: false, tolerates: -1 },
    });
  });

  it('healing brings back whom the fault cut off, and counts what is silent because of it as heard again', () => {
    const silent = (slots: number[]) =>
      slots.map((memberSlot) => ({ memberSlot, connected: true, roundTripMs: null, heardMsAgo: 9000, decidedUpTo: 1 }));
    const example: Example = {
      voters: 3,
      partition: [[1, 2], [3]],
      change: { 3: { sample: { quorumConnected: false, peers: silent([1, 2]) } } },
    };
    const told = consequence(example, { kind: 'heal', clusterId, faultId: 'f-00000001' });
    expect(told).toMatchObject({ before: { working: 2 }, after: { working: 3, tolerates: 1 }, refusals: [] });
    expect(consequence(example, { kind: 'healAll', clusterId })).toMatchObject({ after: { working: 3 } });
  });

  it('says what it does not know', () => {
    const example: Example = { voters: 3, change: { 3: { ageMs: 9000 } }, unaskable: [3] };
    const told = consequence(example, onNode('nodeStop', 2));
    expect(told).toMatchObject({ before: { writable: true, working: 2 }, after: { writable: null }, refusals: [] });
    expect(told.warnings).toEqual([
      'Writes may stop: 1 of 3 voters would work together, 2 are needed.',
      'node-3 is not heard of; the figures count on the others only.',
    ]);
  });

  it('destroying says whose data goes', () => {
    const told = consequence({ voters: 3 }, { kind: 'clusterDestroy', clusterId, confirmName: 'orders' });
    expect(told).toMatchObject({ refusals: [], undo: null, after: { working: 0, writable: false } });
    expect(told.warnings).toContain('The data of orders is deleted on every node (12 keys).');
    expect(told.runs.filter((one) => one.host === 'host-2').map((one) => one.what)).toEqual([
      `stop node-2 and delete ~/.synod/nodes/${nodeIdOf(2)}`,
      'remove the programs (runtime, release) in ~/.synod that no other node there uses',
      'look again that nothing of it is left',
    ]);
  });
});
