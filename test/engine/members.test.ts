/**
 * Members of a cluster come, go, replace a dead one and move to another folder while clients write, also by an engine that is killed on
 * the way: every acknowledged write is there afterwards.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DemoCluster } from '../../electron/cli/demo/endpoints.ts';
import { Writer } from '../../electron/cli/demo/writer.ts';
import type { MembersChange } from '../../electron/contract/members.ts';
import type { ClusterView } from '../../electron/contract/model.ts';
import type { EngineResources } from '../../electron/engine/engine.ts';
import { buildResources, ended, succeeded, withSmallRuntime } from './engine-under-test.ts';
import { killAtStep } from './kill-engine.ts';
import { type Console, Consoles } from './two-consoles.ts';

const ports = { peerPort: 17_780, clientPort: 17_779 };
const anyPorts = { peerPort: null, clientPort: null, dataFolder: null };

describe.skipIf(process.platform !== 'linux')('the members of a cluster', { timeout: 180_000 }, () => {
  const consoles = new Consoles();
  let resources: EngineResources;
  let at: Console;
  let clusterId = '';

  beforeAll(async () => {
    resources = withSmallRuntime(await buildResources(consoles.dist), consoles.dist);
    await consoles.up(resources, 6);
    at = await consoles.start(resources, ['d-1', 'd-2', 'd-3', 'd-4', 'd-5', 'd-6']);
    const created = await at.client.clusters.create({ name: 'orders', hostIds: hostIds(1, 2, 3), ...ports });
    await succeeded(at.client, created.operationId);
    clusterId = created.clusterId;
  }, 180_000);
  afterAll(() => consoles.down());

  const hostIds = (...numbers: number[]) => numbers.map((number) => at.hosts[number - 1]?.hostId ?? '');
  const hostId = (number: number) => hostIds(number)[0] ?? '';
  const cluster = async (): Promise<ClusterView> => {
    const { clusters } = await at.client.fleet.get();
    if (clusters[0] === undefined) throw new Error('there is no cluster');
    return clusters[0];
  };
  const nodeOn = async (number: number) => {
    const { nodes, leaving } = await cluster();
    return [...nodes, ...leaving].find((node) => node.hostId === hostId(number))?.nodeId ?? '';
  };
  const add = (number: number): MembersChange => ({ kind: 'add', clusterId, hostId: hostId(number), ...anyPorts });
  const remove = async (number: number): Promise<MembersChange> => ({
    kind: 'remove',
    clusterId,
    nodeId: await nodeOn(number),
  });
  const begin = async (change: MembersChange) =>
    (await at.client.clusters.changeMembers({ change, acceptOutage: false, why: 'a test' })).operationId;
  const done = async (change: MembersChange) => succeeded(at.client, await begin(change));
  const refusals = async (change: MembersChange) => (await at.client.clusters.previewMembers(change)).refusals;
  const standings = async () => {
    const { nodes, quorum } = await cluster();
    return {
      hosts: nodes.map((node) => at.hosts.find((one) => one.hostId === node.hostId)?.name),
      voters: quorum.voters,
    };
  };
  const nothingToDo = async () => {
    const plan = await at.client.clusters.plan({ clusterId });
    expect(plan).toMatchObject({ changes: 0, refusals: [] });
  };
  const namesOn = (number: number) => consoles.namesAt('nodes')[number - 1] ?? [];

  /** Clients of the nodes of now write during the work; afterwards every node of then has everything. */
  const underLoad = async (work: () => Promise<void>) => {
    const before = await DemoCluster.connect(at.client);
    const writer = new Writer(before.nodes.map((node) => node.client));
    writer.start(3);
    await writer.progress(50, 20_000);
    const beganAtMs = performance.now();
    await work();
    await writer.progress(50, 20_000);
    const gapMs = writer.longestGapMs(beganAtMs);
    await writer.stop();
    before.close();
    const after = await DemoCluster.connect(at.client);
    for (const { probe, name } of after.nodes)
      for (const [key, value] of writer.acknowledged)
        expect(Buffer.from((await probe.get(key))?.value ?? '').toString('utf8'), `${key} at ${name}`).toBe(value);
    after.close();
    return gapMs;
  };

  it('tells what a change means for the quorum, and refuses what makes no sense', async () => {
    const preview = await at.client.clusters.previewMembers(add(4));
    expect(preview).toMatchObject({ refusals: [], stopsWrites: false });
    expect(preview.quorums).toEqual([
      { when: 'now', voters: 3, size: 2, working: 3, tolerates: 1 },
      { when: 'after', voters: 4, size: 3, working: 4, tolerates: 1 },
    ]);
    expect(preview.warnings.join(' ')).toContain('use an odd number');
    const self: MembersChange = { ...add(1), kind: 'replace', nodeId: await nodeOn(1), ...anyPorts, hostId: hostId(1) };
    expect((await refusals(self)).join(' ')).toContain('name another host');
    const stay: MembersChange = { kind: 'move', clusterId, nodeId: await nodeOn(1), dataFolder: null };
    expect((await refusals(stay)).join(' ')).toContain('already');
    await expect(begin({ kind: 'remove', clusterId, nodeId: 'n-00000000' })).rejects.toThrow(/has no node/);
  });

  it('grow from three to five, and shrink to three again', async () => {
    const gapMs = await underLoad(async () => {
      const operation = await done(add(4));
      expect(operation.outcome).toMatch(/node-4 on d-4 votes\. orders has 4 voters, and 4 of them work/);
      await done(add(5));
      expect(await standings()).toEqual({ hosts: ['d-1', 'd-2', 'd-3', 'd-4', 'd-5'], voters: 5 });
      await nothingToDo();
      const leader = (await cluster()).leader?.nodeId ?? '';
      const removed = await done({ kind: 'remove', clusterId, nodeId: leader });
      expect(removed.steps.map(({ step }) => step)).toContain('Hand over');
      expect(removed.outcome).toContain('equals what it was at');
      const { nodes } = await cluster();
      await done({ kind: 'remove', clusterId, nodeId: nodes[0]?.nodeId ?? '' });
    });
    expect(gapMs).toBeLessThan(1000);
    expect((await cluster()).quorum).toMatchObject({ voters: 3, size: 2, working: 3, tolerates: 1 });
    expect((await standings()).hosts).toHaveLength(3);
    await nothingToDo();
    expect(await at.client.audit.list({ limit: 1 })).toMatchObject([{ kind: 'membersChange', why: 'a test' }]);
  });

  it('go on where an engine was killed that added one, and one that removed one', async () => {
    const free = [1, 2, 3, 4, 5, 6].find((number) => namesOn(number).length === 0) ?? 0;
    await underLoad(async () => {
      await consoles.close(at.stateDir);
      const killed = (change: MembersChange) => ({
        stateDir: at.stateDir,
        resources,
        work: ['members', 'orders', JSON.stringify(change)],
      });
      for (const step of ['Configuration', 'Take in as a learner', 'Catch up', 'Make it a voter'])
        await killAtStep(killed(add(free)), step);
      at = await consoles.again(at, resources);
      await done(add(free));
      expect(await standings()).toMatchObject({ voters: 4 });
      const change: MembersChange = await remove(free);
      await consoles.close(at.stateDir);
      for (const step of ['Remove from the cluster', 'Stop node', 'Remove programs'])
        await killAtStep(killed(change), step);
      at = await consoles.again(at, resources);
      const { unfinished } = await cluster();
      expect(unfinished.join(' ')).toMatch(/was removed, and its host not cleaned: remove-node goes on/);
      await done(change);
    });
    expect(await standings()).toMatchObject({ voters: 3 });
    expect(namesOn(free)).toEqual([]);
    await nothingToDo();
  });

  it('replace one whose node is dead, and know what its host still carries', async () => {
    const { nodes } = await cluster();
    const dead = nodes.find((node) => node.condition === 'follower') ?? nodes[0];
    const deadAt = at.hosts.findIndex((host) => host.hostId === dead?.hostId) + 1;
    const free = [1, 2, 3, 4, 5, 6].find((number) => namesOn(number).length === 0) ?? 0;
    const stop = { kind: 'nodeStop', clusterId, nodeId: dead?.nodeId ?? '' } as const;
    await succeeded(at.client, (await at.client.actions.run(stop)).operationId);
    const other = nodes.find((node) => node.nodeId !== dead?.nodeId)?.nodeId ?? '';
    expect((await refusals({ kind: 'remove', clusterId, nodeId: other })).join(' ')).toMatch(
      /1 of 2 voters working.*out/,
    );
    const change = { ...add(free), kind: 'replace', nodeId: dead?.nodeId ?? '' } as MembersChange;
    const gapMs = await underLoad(async () => {
      const operation = await done(change);
      expect(operation.outcome).toMatch(/votes in place of/);
    });
    expect(gapMs).toBeLessThan(1000);
    expect(await standings()).toMatchObject({ voters: 3 });
    expect(namesOn(deadAt)).toEqual([]);
    await nothingToDo();
  });

  it('move to another folder, and leave nothing in the old one', async () => {
    const { nodes, leader } = await cluster();
    const node = nodes.find(({ nodeId }) => nodeId === leader?.nodeId) ?? nodes[0];
    const number = at.hosts.findIndex((host) => host.hostId === node?.hostId) + 1;
    const dataFolder = join(consoles.lab.hosts[number - 1]?.home ?? '', 'other-disk');
    mkdirSync(dataFolder);
    const nodeId = node?.nodeId ?? '';
    await underLoad(async () => {
      const operation = await done({ kind: 'move', clusterId, nodeId, dataFolder });
      expect(operation.outcome).toContain(`level on ${dataFolder}/synod/${nodeId}/data`);
      expect(operation.steps.find(({ step }) => step === 'Copy the data')?.detail).toMatch(/files, equal by SHA-256/);
    });
    expect(readdirSync(join(dataFolder, 'synod', nodeId, 'data'))).toContain('log');
    expect(readdirSync(consoles.pathAt(number - 1, 'nodes', nodeId))).not.toContain('data.moved');
    expect(existsSync(consoles.pathAt(number - 1, 'nodes', nodeId, 'data'))).toBe(false);
    expect(readFileSync(consoles.pathAt(number - 1, 'nodes', nodeId, 'config.json'), 'utf8')).toContain(dataFolder);
    await nothingToDo();
    await underLoad(async () => {
      await done({ kind: 'move', clusterId, nodeId, dataFolder: null });
    });
    expect(readdirSync(dataFolder)).toEqual([]);
    await nothingToDo();
  });

  it('are all taken down by the cluster, with nothing left on any host', async () => {
    const destroy = { kind: 'clusterDestroy', clusterId, confirmName: 'orders' } as const;
    const { state } = await ended(at.client, (await at.client.actions.run(destroy)).operationId);
    expect(state).toBe('succeeded');
    expect(consoles.namesAt('.').flat()).toEqual([]);
  });
});
