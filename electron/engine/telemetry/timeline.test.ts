import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NodeEvent } from '../../../cluster-node/contract/admin.ts';
import { ballotOf } from '../../../cluster-node/contract/ballot.ts';
import type { Operation } from '../../contract/model.ts';
import { NOW, nodeIdOf, situationExample } from '../fleet/plan/situation-example.ts';
import { FleetStore } from '../fleet/store.ts';
import { LeaderChanges } from './leader-changes.ts';
import { Timeline } from './timeline.ts';
import { asFounder } from '../fleet/records.ts';

const clusterId = 'c-00000001';

describe('the timeline', () => {
  let dir: string;
  let store: FleetStore;
  let leaders: LeaderChanges;
  let timeline: Timeline;
  let now: number;
  let sequence: number;

  const begin = () => {
    leaders = new LeaderChanges(() => now);
    timeline = new Timeline({ store, leaders, clock: () => now });
  };
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'synod-timeline-'));
    now = NOW;
    sequence = 0;
    store = new FleetStore({ path: join(dir, 'fleet.db'), clock: () => now });
    const { cluster, members } = situationExample({ voters: 3 });
    for (const { hostId, address } of members)
      store.putHost({
        hostId,
        name: `host-${hostId.at(-1)}`,
        address,
        port: 22,
        user: 'ops',
        auth: { kind: 'default' },
        alias: null,
        via: null,
        transport: 'builtin',
        origin: 'operator',
        addedAtUnixMs: NOW,
        facts: null,
        place: null,
      });
    store.putCluster({ ...cluster, runtimeVersion: '1', releaseVersion: '1', place: 'home', founders: [] });
    for (const member of members) store.putMember({ ...member, clusterId, dataFolder: null, ...asFounder });
    begin();
  });
  afterEach(() => {
    store.close();
    rmSync(dir, { recursive: true });
  });

  const event = (kind: NodeEvent['kind'], at: Partial<NodeEvent> = {}): NodeEvent => ({
    sequence: ++sequence,
    atUnixMs: now,
    kind,
    ballot: null,
    memberSlot: null,
    text: `text of ${kind}`,
    ...at,
  });
  const from = (slot: number, events: NodeEvent[]) =>
    timeline.takeNodeEvents({ hostId: `h-0000000${slot}`, nodeId: nodeIdOf(slot), boot: 1, events });
  const told = () =>
    store
      .listEvents({ clusterId, beforeEventId: null, limit: 50 })
      .map((one) => `${one.subject} ${one.text}`)
      .reverse();

  it('tells a change of leader once, however many nodes report it', () => {
    const ballot = ballotOf(3, 2);
    from(1, [event('leaderChanged', { ballot, memberSlot: 2 })]);
    from(2, [event('becameLeader', { ballot, memberSlot: 2 })]);
    from(3, [event('leaderChanged', { ballot, memberSlot: 2 })]);
    now += 2000;
    timeline.tick();
    timeline.tick();
    expect(told()).toEqual(['node-2 leads under ballot 3.2']);
  });

  it('tells the loss of a peer once, and its return only then', () => {
    from(1, [event('peerUp', { memberSlot: 3 }), event('peerDown', { memberSlot: 3 })]);
    from(2, [event('peerDown', { memberSlot: 3 })]);
    from(1, [event('peerUp', { memberSlot: 3 })]);
    from(2, [event('peerUp', { memberSlot: 3 })]);
    expect(told()).toEqual(['node-3 is no longer connected to node-1', 'node-3 is connected to node-1 again']);
  });

  const operation = (change: Partial<Operation>): Operation => ({
    operationId: 'o-00000001',
    kind: 'nodeStop',
    title: 'Stop node-3',
    clusterId,
    nodeId: nodeIdOf(3),
    state: 'running',
    startedAtUnixMs: now,
    endedAtUnixMs: null,
    steps: [],
    outcome: null,
    failure: null,
    ...change,
  });

  it('tells what an operation came to in one sentence, and no loss that it explains', () => {
    const begun = operation({});
    timeline.takeOperation(begun);
    timeline.takeOperation(begun);
    now += 100;
    from(3, [event('peerDown', { memberSlot: 1 })]);
    from(1, [event('peerDown', { memberSlot: 3 })]);
    timeline.takeOperation({ ...begun, state: 'succeeded', endedAtUnixMs: now, outcome: 'node-3 is stopped.' });
    now += 6000;
    from(1, [event('peerDown', { memberSlot: 2 })]);
    expect(told()).toEqual(['Stop node-3 begun', 'node-3 is stopped.', 'node-2 is no longer connected to node-1']);
  });

  it.each<[string, Partial<Operation>, string[]]>([
    ['failed', { state: 'failed', outcome: 'The disk is full.' }, ['Stop node-3 failed: The disk is full.']],
    ['unknown', { state: 'unknown', outcome: 'No answer.' }, ['Stop node-3 has no known end: No answer.']],
    ['told by the ledger', { kind: 'faultInject', state: 'succeeded', outcome: 'Cut 4 links on 3 nodes' }, []],
  ])('tells an end: %s', (_, change, sentences) => {
    timeline.takeOperation(operation({ endedAtUnixMs: now, ...change }));
    expect(told()).toEqual(sentences);
  });

  it('takes an event that is repeated only once, over a restart of the engine too', () => {
    const started = event('started');
    from(1, [started]);
    from(1, [started]);
    begin();
    from(1, [started, event('alarm', { atUnixMs: NOW + 5000 })]);
    expect(told()).toEqual(['node-1 started', 'node-1 text of alarm']);
  });

  it('tells that a host is lost and heard again, not each attempt', () => {
    const ready = {
      kind: 'ready',
      hello: { kind: 'hello', protocolVersion: 1, version: '', hostname: '', pid: 1 },
    } as const;
    const lost = { kind: 'lost', reason: new Error('the line is cut') } as const;
    for (const state of [ready, lost, lost, ready]) timeline.takeAgentState('h-00000002', state);
    expect(told()).toEqual([
      'host-2 is not heard of: nothing is known of node-2 until it is heard again (the line is cut)',
      'host-2 is heard again',
    ]);
  });
});
