/**
 * The engine's live side on a real cluster: three nodes on hosts of this computer, provisioned by the engine itself and then
 * failed over, killed, cut in two, healed and stopped through its contract.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Action, ClusterView, Operation, TimelineEvent } from '../../electron/contract/model.ts';
import { type SeriesBatch, seriesKey } from '../../electron/contract/series.ts';
import type { EngineResources } from '../../electron/engine/engine.ts';
import { isolate } from '../../electron/engine/faults/plan/partitions.ts';
import { until } from '../fixtures/until.ts';
import {
  buildResources,
  cleanUp,
  type EngineUnderTest,
  ended,
  makeStateDir,
  startEngine,
  succeeded,
} from './engine-under-test.ts';

const TTL_MS = 60_000;

describe('a running cluster', { timeout: 120_000 }, () => {
  const stateDir = makeStateDir();
  let resources: EngineResources;
  let under: EngineUnderTest;
  let clusterId: string;

  const cluster = async (): Promise<ClusterView> => {
    const view = (await under.client.fleet.get()).clusters.find((one) => one.clusterId === clusterId);
    if (!view) throw new Error('the cluster is gone');
    return view;
  };
  const whole = (): Promise<ClusterView> =>
    until(
      'all three work',
      async () => {
        const view = await cluster();
        return view.leader?.believedBy === 3 && view.quorum.working === 3 ? view : null;
      },
      30_000,
    );
  const run = async (action: Action): Promise<Operation> =>
    succeeded(under.client, (await under.client.actions.run(action)).operationId);
  const follower = (view: ClusterView) => view.nodes.find((node) => node.nodeId !== view.leader?.nodeId)!;
  const eventAbout = (subject: RegExp, text: RegExp): Promise<TimelineEvent> =>
    until(`event ${subject} ${text}`, async () => {
      const events = await under.client.events.list({ clusterId, beforeEventId: null, limit: 200 });
      return events.find((event) => subject.test(event.subject) && text.test(event.text));
    });

  beforeAll(async () => {
    resources = await buildResources(join(stateDir, 'build'));
    under = await startEngine(stateDir, resources);
    await succeeded(under.client, (await under.client.lab.tryIt({ nodes: 3 })).operationId);
    clusterId = (await under.client.fleet.get()).clusters[0]!.clusterId;
  }, 120_000);

  afterAll(async () => {
    await under?.engine.close();
    await cleanUp(stateDir);
  }, 60_000);

  it('is seen whole, with history', async () => {
    const view = await whole();
    expect(view.health).toMatchObject({ level: 'ok', detail: '3 of 3 nodes work, writes need 2; tolerates 1.' });
    expect(view.nodes.map((node) => node.condition).sort()).toEqual(['follower', 'follower', 'leader']);
    const hosts = (await under.client.fleet.get()).hosts;
    expect(hosts.every((host) => host.sample !== null && Math.abs(host.clockOffsetMs ?? 9999) < 1000)).toBe(true);
    const key = seriesKey(view.nodes[0]!.nodeId, 'decidedUpTo');
    let rows = 0;
    for await (const batch of (await under.client.clusters.series({
      clusterId,
      windowMs: 60_000,
    })) as AsyncIterable<SeriesBatch>) {
      rows += batch.series[key]?.filter((value) => value !== null).length ?? 0;
      if (rows >= 3) break;
    }
  });

  it('hands leadership to a chosen node', async () => {
    const before = await whole();
    const target = follower(before);
    const operation = await run({ kind: 'failover', clusterId, target: target.nodeId });
    expect(operation.outcome).toMatch(new RegExp(`handed leadership to ${target.name}, ballot \\d+\\.\\d+(;| within)`));
    const after = await whole();
    expect(after.leader).toMatchObject({ nodeId: target.nodeId });
    expect(after.leader!.ballot).toBeGreaterThan(before.leader!.ballot);
    const again = await run({ kind: 'failover', clusterId, target: target.nodeId });
    expect(again).toMatchObject({ outcome: `${target.name} leads already; nothing to do.`, steps: [] });
    await eventAbout(new RegExp(`^${target.name} leads$`), /under ballot/);
  });

  it('loses its leader to kill -9 and has it back', async () => {
    const before = await whole();
    const leader = before.nodes.find((node) => node.nodeId === before.leader?.nodeId)!;
    const preview = await under.client.actions.preview({ kind: 'nodeKill', clusterId, nodeId: leader.nodeId });
    expect(preview).toMatchObject({ refusals: [], after: { working: 2, writable: true } });
    const operation = await run({ kind: 'nodeKill', clusterId, nodeId: leader.nodeId });
    expect(operation.outcome).toMatch(/was killed and runs again, level with the others after [\d.]+ s\./);
    expect(operation.outcome).toMatch(/leads under ballot \d+\.\d+, after \d+ ms without a leader\./);
    const after = await whole();
    expect(after.leader!.ballot).toBeGreaterThan(before.leader!.ballot);
    expect(after.nodes.find((node) => node.nodeId === leader.nodeId)!.sample!.pid).not.toBe(leader.sample!.pid);
    await eventAbout(/leads$/, /writes were stopped for \d+ ms/);
  });

  it('is cut in two, keeps its quorum, and heals', async () => {
    const before = await whole();
    const leader = before.leader!;
    const links = isolate(leader.memberSlot, [1, 2, 3]);
    const cut = await run({ kind: 'partition', clusterId, links, ttlMs: TTL_MS });
    expect(cut.outcome).toMatch(/^Cut 4 links on 3 nodes \(.*both ways\); \d+ messages dropped already\.$/);
    // Its host is sampled at another moment of the second than the others': they may be seen to lead first.
    const split = await until('the others lead, and the one before knows that it does not', async () => {
      const view = await cluster();
      const { condition } = view.nodes.find((node) => node.nodeId === leader.nodeId)!;
      return view.leader && view.leader.nodeId !== leader.nodeId && condition === 'minority' ? view : null;
    });
    expect(split.health.detail).toMatch(
      /2 of 3 nodes work, writes need 2; tolerates 0 more\. node-\d is cut off by an injected fault\./,
    );
    const fault = split.faults[0]!;
    expect(fault).toMatchObject({ state: 'active', links });
    expect(fault.nodes.every((node) => node.state === 'active' && (node.droppedMessages ?? 0) > 0)).toBe(true);
    const healed = await run({ kind: 'heal', clusterId, faultId: fault.faultId });
    expect(healed.outcome).toMatch(/^Healed on 3 nodes in \d+ ms\. All that was cut is heard again\.$/);
    const after = await whole();
    expect(after.faults[0]).toMatchObject({ state: 'healed' });
    expect(after.health.level).toBe('ok');
    await eventAbout(/^Partition$/, /^is healed/);
  });

  it('heals by itself at the deadline, with nobody to heal it', async () => {
    const view = await whole();
    await run({ kind: 'partition', clusterId, links: [{ from: 1, to: 2 }], ttlMs: 2000 });
    const expired = await until('the fault expires', async () => {
      const fault = (await cluster()).faults.find((one) => one.state === 'expired');
      return fault ?? null;
    });
    expect(expired.nodes.map((node) => node.state)).toEqual(['healed', 'healed']);
    expect(view.clusterId).toBe(clusterId);
  });

  it('is found with its fault by the next engine, which heals everything', async () => {
    const view = await whole();
    const slot = follower(view).memberSlot;
    await run({ kind: 'partition', clusterId, links: isolate(slot, [1, 2, 3]), ttlMs: TTL_MS });
    await under.engine.close();
    under = await startEngine(stateDir, resources);
    const found = await until('the fault is found', async () => {
      const fault = (await cluster()).faults.find((one) => one.state === 'active');
      return fault?.nodes.every((node) => node.state === 'active') ? fault : null;
    });
    expect(found.links).toHaveLength(4);
    const healed = await run({ kind: 'healAll', clusterId });
    expect(healed.outcome).toMatch(/heard again/);
    expect((await whole()).faults.filter((fault) => fault.state === 'active')).toEqual([]);
  });

  it('stops and starts a node, and says where there is nothing to do', async () => {
    const node = follower(await whole());
    const act = (kind: 'nodeStop' | 'nodeStart') => ({ kind, clusterId, nodeId: node.nodeId });
    expect((await run(act('nodeStop'))).outcome).toBe(`${node.name} is stopped.`);
    // At once, not with its host's next sample.
    expect((await cluster()).nodes.find((one) => one.nodeId === node.nodeId)?.condition).toBe('stopped');
    expect((await run(act('nodeStop'))).outcome).toBe(`${node.name} is stopped already; nothing to do.`);
    const started = await ended(under.client, (await under.client.actions.run(act('nodeStart'))).operationId);
    expect(started).toMatchObject({ state: 'succeeded' });
    expect(started.outcome).toMatch(/runs, level with the others/);
    await whole();
  });

  it('starts again from a cluster that is stopped as a whole, node by node', async () => {
    const { nodes } = await whole();
    for (const { nodeId } of nodes) await run({ kind: 'nodeStop', clusterId, nodeId });
    const outcomes: (string | null)[] = [];
    for (const { nodeId } of nodes) outcomes.push((await run({ kind: 'nodeStart', clusterId, nodeId })).outcome);
    expect(outcomes[0]).toBe(`${nodes[0]?.name} runs and waits for a quorum: 1 of 3 nodes run.`);
    expect(outcomes.slice(1).join()).toMatch(/(level with the others after .*){2}/);
    await whole();
  });
});
