/** Node operations against a scripted agent: what they conclude when answers are missing, wrong or late. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ballotOf } from '../../../cluster-node/contract/ballot.ts';
import type { Operation } from '../../contract/model.ts';
import { AgentError, type AgentErrorKind } from '../agents/agent-error.ts';
import type { Agents } from '../agents/agents.ts';
import { pictureOf } from '../fleet/plan/picture.ts';
import { type Change, type Example, NOW, nodeIdOf, situationExample } from '../fleet/plan/situation-example.ts';
import { FleetStore } from '../fleet/store.ts';
import { type OperationBody, Operations } from '../operations/operations.ts';
import { LeaderChanges } from '../telemetry/leader-changes.ts';
import { Observations } from '../telemetry/observations.ts';
import { runFailover } from './failover.ts';
import type { NodePort } from './node-port.ts';
import { runServiceAction, type ServiceAction } from './service-operations.ts';

const clusterId = 'c-00000001';
const stopped: Change = { service: { state: 'stopped', pid: null }, sample: false };

describe('node operations', () => {
  let dir: string;
  let store: FleetStore;
  let operations: Operations;
  let observations: Observations;
  let leaders: LeaderChanges;
  let example: Example;
  let calls: string[];
  let now: number;
  /** What the agent answers; default: nothing is asked. */
  let answer: (call: string) => unknown;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'synod-nodes-'));
    store = new FleetStore({ path: join(dir, 'fleet.db'), clock: () => now });
    operations = new Operations({ store, log: pino({ level: 'silent' }), clock: () => now });
    observations = new Observations();
    leaders = new LeaderChanges(() => now);
    example = { voters: 3 };
    calls = [];
    now = NOW;
  });
  afterEach(() => {
    store.close();
    rmSync(dir, { recursive: true });
  });

  const port = (): NodePort => ({
    agents: {
      call: async (_hostId: string, call: string) => {
        calls.push(call);
        return answer(call);
      },
    } as unknown as Pick<Agents, 'call'>,
    observations,
    leaders,
    clock: () => now,
    picture: () => {
      const situation = situationExample(example);
      const seen = [...situation.observations].map(([id, one]) => [id, { ...one, observedAtUnixMs: now }] as const);
      return pictureOf({ ...situation, nowUnixMs: now, observations: new Map(seen) });
    },
  });
  const perform = (body: OperationBody): Promise<Operation> =>
    operations.settled(operations.begin({ kind: 'nodeStop', title: 't', clusterId }, body).operationId);
  const service = (kind: ServiceAction, slot: number) =>
    perform((run) => runServiceAction(port(), run, { kind, clusterId, nodeId: nodeIdOf(slot) }));
  const failover = (slot: number) => perform((run) => runFailover(port(), run, { clusterId, target: nodeIdOf(slot) }));
  /** The world as it is from the next sample on. */
  const becomes = (next: Example) => {
    example = next;
    now += 1000;
    observations.take({ hostId: 'h-x', atUnixMs: now, clockOffsetMs: 0, sample: nothingNew() });
  };
  const fails = (kind: AgentErrorKind, outcomeUnknown: boolean) => {
    const facts = { kind, host: 'host-2', command: 'c', message: `it is ${kind}`, nextStep: 'n', outcomeUnknown };
    return () => {
      throw new AgentError(facts);
    };
  };
  const asked = async () => {
    while (calls.length === 0) await new Promise(setImmediate);
    await new Promise(setImmediate);
  };

  it('a stop without an answer is read back', async () => {
    answer = fails('timeout', true);
    const stopping = service('nodeStop', 2);
    await asked();
    becomes({ voters: 3 });
    becomes({ voters: 3, change: { 2: stopped } });
    expect(await stopping).toMatchObject({ state: 'succeeded', outcome: 'node-2 is stopped.' });
  });

  it('a stop that certainly did not happen fails with the agent’s reason', async () => {
    answer = fails('refused', false);
    expect(await service('nodeStop', 2)).toMatchObject({
      state: 'failed',
      failure: { kind: 'refused', host: 'host-2', message: 'it is refused', nextStep: 'n' },
    });
  });

  it('a start that ends in a failed service says why', async () => {
    example = { voters: 3, change: { 2: stopped } };
    const reason = 'port 2380 is in use';
    answer = () => ({ nodeId: nodeIdOf(2), state: 'failed', pid: null, restarts: 3, reason });
    expect(await service('nodeStart', 2)).toMatchObject({
      state: 'failed',
      failure: { host: 'host-2', message: `node-2 should be running, but its service is failed: ${reason}.` },
      steps: [{ state: 'failed' }, { step: 'Catch up', state: 'skipped' }],
    });
  });

  it('a killed leader is followed until it is level under another process', async () => {
    answer = () => ({ killedPid: 101 });
    leaders.take(clusterId, 1, eventOf('becameLeader', NOW - 9000, ballotOf(7, 1)));
    const killing = service('nodeKill', 1);
    await asked();
    leaders.take(clusterId, 2, eventOf('becameLeader', NOW + 280, ballotOf(8, 2)));
    becomes({ voters: 3, leader: 2, change: { 1: { service: { pid: 900 }, sample: { pid: 900, decidedUpTo: 10 } } } });
    becomes({ voters: 3, leader: 2, change: { 1: { service: { pid: 900 }, sample: { pid: 900 } } } });
    expect(await killing).toMatchObject({
      state: 'succeeded',
      outcome:
        'node-1 was killed and runs again, level with the others after 2.0 s. node-2 leads under ballot 8.2, after 280 ms without a leader.',
    });
  });

  const cutOff = { quorumConnected: false, believedLeader: 0 };
  const started: Change = { service: { pid: 900 }, sample: { ...cutOff, role: 'follower', pid: 900, decidedUpTo: 5 } };
  const runs = () => ({ nodeId: nodeIdOf(1), state: 'running', pid: 900, restarts: 0, reason: null });

  it('the first of a stopped cluster to be started waits for the others, and nobody waits for it', async () => {
    example = { voters: 3, change: { 1: stopped, 2: stopped, 3: stopped } };
    answer = runs;
    const starting = service('nodeStart', 1);
    await asked();
    becomes({ voters: 3, change: { 1: started, 2: stopped, 3: stopped } });
    expect(await starting).toMatchObject({
      state: 'succeeded',
      outcome: 'node-1 runs and waits for a quorum: 1 of 3 nodes run.',
      steps: [{ state: 'succeeded' }, { state: 'skipped', detail: 'waits for a quorum: 1 of 3 nodes run' }],
    });
  });

  it('hosts that were not heard yet get a moment before a quorum is called missing', async () => {
    example = { voters: 3, change: { 1: stopped, 2: { never: true }, 3: { never: true } } };
    answer = runs;
    const starting = service('nodeStart', 1);
    await asked();
    const unheard: Example = { voters: 3, change: { 1: started, 2: { never: true }, 3: { never: true } } };
    for (let second = 1; second <= 3; second++) becomes(unheard);
    await asked();
    expect(operations.recent(0)).toHaveLength(1);
    for (let second = 4; second <= 6; second++) becomes(unheard);
    expect(await starting).toMatchObject({ outcome: 'node-1 runs and waits for a quorum: 1 of 3 nodes run.' });
  });

  it.each(['nodeStart', 'nodeStop', 'nodeRestart'] as const)('after a %s nothing older counts', async (kind) => {
    const state = kind === 'nodeStop' ? 'stopped' : 'running';
    example = { voters: 1, leader: 2, ...(kind === 'nodeStart' ? { change: { 1: stopped } } : {}) };
    answer = () => ({ ...runs(), state, pid: kind === 'nodeStop' ? null : 900 });
    const done = service(kind, 1);
    await asked();
    const seen = () => observations.node(nodeIdOf(1));
    expect(seen()).toMatchObject({ service: { state }, sample: null, observedAtUnixMs: NOW });
    // Captured before the answer, and only now here.
    const before = situationExample({ voters: 1 }).observations.get(nodeIdOf(1));
    const late = { service: { ...runs(), state: 'failed' as const }, node: before?.sample ?? null };
    const sample = { ...nothingNew(), nodes: [late] };
    observations.take({ hostId: 'h-x', atUnixMs: NOW - 1, clockOffsetMs: 0, sample });
    expect(seen()).toMatchObject({ service: { state }, sample: null });
    observations.take({ hostId: 'h-x', atUnixMs: NOW + 1, clockOffsetMs: 0, sample });
    expect(seen()).toMatchObject({ service: { state: 'failed' }, sample: { nodeId: nodeIdOf(1) } });
    becomes({ voters: 1, change: { 1: kind === 'nodeStop' ? stopped : { sample: { pid: 900 } } } });
    expect(await done).toMatchObject({ state: 'succeeded' });
  });

  it('a stop that leaves too few voters does not wait for a leader', async () => {
    example = { voters: 3, change: { 3: stopped } };
    answer = () => ({ nodeId: nodeIdOf(1), state: 'stopped', pid: null, restarts: 0, reason: null });
    expect(await service('nodeStop', 1)).toMatchObject({
      outcome: 'node-1 is stopped. No other node leads: writes have stopped.',
      steps: [{ state: 'succeeded' }, { state: 'skipped' }],
    });
  });

  const led = (slot: number): Example => ({
    voters: 3,
    leader: slot,
    change: Object.fromEntries([1, 2, 3].map((one) => [one, { sample: { leaderBallot: ballotOf(8, slot) } }])),
  });

  it.each([
    ['says it is done', () => ({ outcome: 'transferred', believedLeader: 2, reason: '' })],
    ['does not know', () => ({ outcome: 'unknown', believedLeader: 0, reason: 'late' })],
    ['does not answer', fails('connectionLost', true)],
  ])('a hand-over is done when most nodes follow the target, if the leader %s', async (_, answers) => {
    answer = answers;
    const moving = failover(2);
    await asked();
    leaders.take(clusterId, 2, eventOf('becameLeader', NOW + 5, ballotOf(8, 2)));
    becomes(led(2));
    const { state, outcome } = await moving;
    expect([state, outcome?.split(/;| within/)[0]?.replace(/\.$/, '')]).toEqual([
      'succeeded',
      'node-1 handed leadership to node-2, ballot 8.2',
    ]);
  });

  it('a hand-over that went elsewhere says who leads', async () => {
    answer = () => ({ outcome: 'transferred', believedLeader: 2, reason: '' });
    const moving = failover(2);
    await asked();
    becomes(led(3));
    expect(await moving).toMatchObject({
      state: 'failed',
      failure: { kind: 'transferFailed', message: 'node-3 leads under ballot 8.3, not node-2.' },
    });
  });

  it('a hand-over asked of a node that leads no more fails with that', async () => {
    answer = () => ({ outcome: 'notLeader', believedLeader: 3, reason: '' });
    expect(await failover(2)).toMatchObject({ state: 'failed', failure: { kind: 'notLeader', host: 'host-1' } });
  });
});

function eventOf(kind: 'becameLeader', atUnixMs: number, ballot: number) {
  return { sequence: 1, atUnixMs, kind, ballot, memberSlot: null, text: '' };
}

function nothingNew() {
  const host = {
    uptimeSeconds: null,
    cpuRatio: null,
    cpuCount: 1,
    load1: null,
    memoryTotalBytes: null,
    memoryAvailableBytes: null,
    pressure: { cpu: null, memory: null, io: null },
    networkReceiveBytesPerSecond: null,
    networkSendBytesPerSecond: null,
    disks: [],
  };
  return { capturedAtUnixMs: 0, host, nodes: [] };
}
