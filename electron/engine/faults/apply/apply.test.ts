/** Injecting and healing against scripted stand-ins for the agents of three hosts; the nodes' side is played in memory. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ActiveFault, FaultLease } from '../../../../cluster-node/contract/fault.ts';
import type { Operation } from '../../../contract/model.ts';
import type { AgentChannel } from '../../agents/agent-link.ts';
import { Agents, agentTarget } from '../../agents/agents.ts';
import { LineReader } from '../../agents/line-reader.ts';
import { type Change, NOW, nodeIdOf, situationExample } from '../../fleet/plan/situation-example.ts';
import { FleetStore } from '../../fleet/store.ts';
import { type OperationBody, Operations } from '../../operations/operations.ts';
import { Observations } from '../../telemetry/observations.ts';
import { FaultLedger } from '../ledger.ts';
import { isolate } from '../plan/partitions.ts';
import type { FaultPort } from './fault-port.ts';
import { healEverything, healFault } from './heal.ts';
import { injectPartition } from './inject.ts';
import { asFounder } from '../../fleet/records.ts';

const clusterId = 'c-00000001';
const faultId = 'f-00000001';
const links = isolate(1, [1, 2, 3]);
type Behaviour = 'willing' | 'clinging' | 'refusing' | 'toothless' | 'dying' | 'gone' | 'stopped';

/** The agent of one host with its node, as far as faults go. */
class FakeNode {
  behaviour: Behaviour = 'willing';
  readonly held = new Map<string, ActiveFault>();
  readonly calls: string[] = [];

  open(): AgentChannel {
    if (this.behaviour === 'gone') throw new Error('no route to host');
    const [stdin, stdout] = [new PassThrough(), new PassThrough()];
    const say = (message: unknown) => stdout.write(`${JSON.stringify(message)}\n`);
    const reader = new LineReader(1 << 20);
    say({ kind: 'hello', protocolVersion: 1, version: 'x', hostname: 'fake', pid: 1 });
    stdin.on('data', (chunk: Buffer) => {
      for (const line of reader.push(chunk)) {
        const { id, call, params } = JSON.parse(line);
        this.calls.push(call);
        const answer = this.#answer(call, params);
        if (answer === 'death') stdout.end();
        else say({ kind: 'reply', id, ...answer });
      }
    });
    return { stdin, stdout, stderr: new PassThrough() };
  }

  #answer(call: string, params: { faultId?: string; lease?: FaultLease }): object | 'death' {
    const error = (kind: string) => ({ ok: false, error: { kind, message: `the node is ${this.behaviour}` } });
    if (this.behaviour === 'stopped') return error('notRunning');
    if (call === 'listFaults') return { ok: true, result: { faults: [...this.held.values()] } };
    if (call === 'healFault' && this.behaviour === 'clinging') return { ok: true, result: { healed: true } };
    if (call === 'healFault') return { ok: true, result: { healed: this.held.delete(params.faultId ?? '') } };
    if (this.behaviour === 'refusing') return error('refused');
    const { lease } = params;
    if (!lease) return error('badRequest');
    const droppedMessages = this.behaviour === 'toothless' ? 0 : 5;
    this.held.set(lease.faultId, { ...lease, remainingMs: lease.ttlMs, droppedMessages });
    if (this.behaviour === 'dying') {
      this.behaviour = 'gone';
      return 'death';
    }
    return { ok: true, result: this.held.get(lease.faultId) };
  }
}

describe('faults', () => {
  let dir: string;
  let store: FleetStore;
  let operations: Operations;
  let agents: Agents;
  let port: FaultPort;
  let nodes: FakeNode[];
  /** Member slots of nodes that the samples show to be stopped. */
  let stopped: number[];
  let now: number;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'synod-faults-'));
    now = NOW;
    stopped = [];
    const clock = () => now;
    const log = pino({ level: 'silent' });
    store = new FleetStore({ path: join(dir, 'fleet.db'), clock });
    seed(store);
    operations = new Operations({ store, log, clock });
    nodes = [1, 2, 3].map(() => new FakeNode());
    agents = new Agents({
      open: async ({ hostId }) => nodes[Number(hostId.at(-1)) - 1]!.open(),
      log,
      clock,
      delay: (_, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
    });
    const ready = new Promise<void>((resolve) => {
      let left = 3;
      const onState = () => --left === 0 && resolve();
      agents.listen({ onSample: () => {}, onNodeEvents: () => {}, onState });
    });
    const versions = { runtimeVersion: '1', releaseVersion: '1', place: 'home' } as const;
    for (const slot of [1, 2, 3])
      agents.attach(agentTarget({ hostId: `h-0000000${slot}`, name: `host-${slot}` }, versions));
    await ready;
    const ledger = new FaultLedger({ store, agents, log, clock });
    const situation = () => ({
      ...situationExample({ voters: 3 }),
      nowUnixMs: now,
      observations: situationAt(now, stopped),
      faults: ledger.list(clusterId),
    });
    port = { agents, ledger, observations: new Observations(), clock, situation };
  });

  afterEach(async () => {
    await agents.close();
    store.close();
    rmSync(dir, { recursive: true });
  });

  const perform = async (body: OperationBody): Promise<Operation> =>
    operations.settled(operations.begin({ kind: 'faultInject', title: 'Cut', clusterId }, body).operationId);
  const inject = () => perform((run) => injectPartition(port, run, { clusterId, faultId, links, ttlMs: 30_000 }));
  const told = () =>
    store
      .listEvents({ clusterId, beforeEventId: null, limit: 9 })
      .map((event) => `${event.subject} ${event.text.split(':')[0]}`)
      .reverse();

  it('are held by every end and proved to bite, then healed by all', async () => {
    expect((await inject()).outcome).toBe(
      'Cut 4 links on 3 nodes ({node-2, node-3} | {node-1}, both ways); 15 messages dropped already.',
    );
    expect(port.ledger.get(faultId)).toMatchObject({ state: 'active', healsAtUnixMs: NOW + 30_000 });
    const healing = perform((run) => healFault(port, run, { clusterId, faultId }));
    now += 100;
    port.observations.take({ hostId: 'h-x', atUnixMs: now, clockOffsetMs: 0, sample: emptySample(now) });
    expect((await healing).outcome).toMatch(/^Healed on 3 nodes/);
    expect(port.ledger.get(faultId)).toMatchObject({ state: 'healed' });
    expect(nodes.map((node) => node.held.size)).toEqual([0, 0, 0]);
    expect(told()).toEqual(['Partition holds', 'Partition is healed']);
  });

  it('are not proven where nothing is sent, and healed only where they were held', async () => {
    stopped = [1];
    nodes[0]!.behaviour = 'stopped';
    const injected = await inject();
    expect(injected.outcome).toBe(
      'Cut 4 links on 2 nodes ({node-2, node-3} | {node-1}, both ways). It is not proven yet: nothing is sent on the cut links, since node-1 is stopped.',
    );
    expect(injected.steps.at(-1)).toMatchObject({ state: 'unknown' });
    const healing = perform((run) => healEverything(port, run, { clusterId }));
    now += 100;
    const healed = await Promise.race([healing, seenSoon(port, () => now)]);
    expect(healed.outcome).toMatch(/^Healed on 2 nodes in \d+ ms\. node-1 is stopped: its links cannot be seen\.$/);
  });

  it('are not healed while a node still lists them', async () => {
    await inject();
    nodes[1]!.behaviour = 'clinging';
    const operation = await perform((run) => healFault(port, run, { clusterId, faultId }));
    expect(operation).toMatchObject({
      state: 'failed',
      failure: {
        kind: 'stillHeld',
        host: 'host-2',
        message: 'node-2 was asked to end the fault and still holds it.',
        nextStep: expect.stringContaining('Heal it again') as string,
      },
    });
    expect(port.ledger.get(faultId)).toMatchObject({ state: 'active' });
    expect(port.ledger.get(faultId)?.nodes.map((node) => node.state)).toEqual(['healed', 'active', 'healed']);
  });

  it('are taken back from those that took it, when one refuses', async () => {
    nodes[2]!.behaviour = 'refusing';
    const operation = await inject();
    expect(operation).toMatchObject({ state: 'failed', failure: { kind: 'refused', host: 'host-3' } });
    expect(nodes.map((node) => node.held.size)).toEqual([0, 0, 0]);
    expect(port.ledger.get(faultId)?.state).toBe('notInjected');
    expect(told()).toEqual(['Partition was not injected']);
  });

  it('are not injected when they do not bite', async () => {
    nodes[0]!.behaviour = 'toothless';
    const operation = inject();
    // The node took it and is asked what it dropped; now the time for that is over.
    while (!nodes[0]!.calls.includes('listFaults')) await new Promise(setImmediate);
    now += 4000;
    expect(await operation).toMatchObject({ state: 'failed', failure: { kind: 'notInjected' } });
    expect(nodes.map((node) => node.held.size)).toEqual([0, 0, 0]);
    expect(port.ledger.get(faultId)?.state).toBe('notInjected');
  });

  it('stay unknown where a node was lost, until its deadline has passed for certain', async () => {
    nodes[1]!.behaviour = 'dying';
    expect(await inject()).toMatchObject({ state: 'failed', failure: { kind: 'connectionLost', host: 'host-2' } });
    expect(port.ledger.get(faultId)).toMatchObject({ state: 'unknown' });
    expect(port.ledger.get(faultId)?.nodes.map((node) => node.state)).toEqual(['healed', 'unknown', 'healed']);
    now += 30_000;
    port.ledger.tick();
    expect(port.ledger.get(faultId)?.state).toBe('unknown');
    now += 900;
    port.ledger.tick();
    expect(port.ledger.get(faultId)).toMatchObject({ state: 'healed', endedAtUnixMs: now });
  });

  it('are history for an hour, the last fifty, also for the next engine', async () => {
    await inject();
    const next = () => new FaultLedger({ ...port, store, log: pino({ level: 'silent' }) });
    const view = port.ledger.get(faultId)!;
    for (let at = 0; at < 60; at++)
      store.putFault({ ...view, faultId: `f-000001${at + 10}`, state: 'healed', endedAtUnixMs: now - 1000 * at });
    const kept = next().list(clusterId);
    expect([kept.length, kept.filter((fault) => fault.endedAtUnixMs === null).map((fault) => fault.faultId)]).toEqual([
      51,
      [faultId],
    ]);
    expect(Math.min(...kept.map((fault) => fault.endedAtUnixMs ?? now))).toBe(now - 49_000);
    now += 30_000 + 3_600_001;
    const ledger = next();
    expect(ledger.list(clusterId).map((fault) => fault.state)).toEqual(['unknown']);
    ledger.tick();
    expect(store.listFaults(null)).toEqual([]);
  });

  it('of other consoles are found on the nodes and healed with everything; a stopped node holds none', async () => {
    const foreign: ActiveFault = {
      faultId: 'f-99999999',
      fault: { kind: 'partition', links: [{ from: 2, to: 1 }] },
      remainingMs: 5000,
      droppedMessages: 1,
    };
    nodes[1]!.held.set(foreign.faultId, foreign);
    nodes[2]!.behaviour = 'stopped';
    const healing = perform((run) => healEverything(port, run, { clusterId }));
    while (nodes[1]!.calls.length < 3) await new Promise(setImmediate);
    now += 100;
    const steps = (await Promise.race([healing, seenSoon(port, () => now)])).steps;
    expect(steps.filter((step) => step.hostId !== null).map((step) => step.detail)).toEqual([
      'node-1 holds no fault',
      'node-2 holds it no longer',
      'node-3 does not run and holds no fault',
    ]);
    expect(nodes[1]!.held.size).toBe(0);
    expect(port.ledger.get(foreign.faultId)).toMatchObject({ state: 'healed', title: 'node-2 → node-1' });
  });
});

/** Samples until the operation has ended. */
async function seenSoon(port: FaultPort, clock: () => number): Promise<never> {
  for (;;) {
    await new Promise(setImmediate);
    port.observations.take({ hostId: 'h-x', atUnixMs: clock(), clockOffsetMs: 0, sample: emptySample(clock()) });
  }
}

function situationAt(now: number, stopped: readonly number[]) {
  const gone: Change = { service: { state: 'stopped', pid: null }, sample: false };
  const change = Object.fromEntries(stopped.map((slot) => [slot, gone]));
  const { observations } = situationExample({ voters: 3, change });
  return new Map([...observations].map(([nodeId, seen]) => [nodeId, { ...seen, observedAtUnixMs: now + 1 }]));
}

function emptySample(capturedAtUnixMs: number) {
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
  return { capturedAtUnixMs, host, nodes: [] };
}

function seed(store: FleetStore): void {
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
  for (const member of members)
    store.putMember({ ...member, clusterId, nodeId: nodeIdOf(member.memberSlot), dataFolder: null, ...asFounder });
}
