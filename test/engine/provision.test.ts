/** From nothing to a quorum and back to nothing, on real SSH hosts of this computer with the real runtime. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FleetSnapshot } from '../../electron/contract/contract.ts';
import type { EngineResources } from '../../electron/engine/engine.ts';
import { EtcdClient } from '../../electron/engine/etcd/client.ts';
import { labStatus } from '../../electron/engine/lab/lab.ts';
import {
  buildResources,
  cleanUp,
  type EngineUnderTest,
  ended,
  makeStateDir,
  snapshotWhere,
  startEngine,
  succeeded,
} from './engine-under-test.ts';

describe.skipIf(process.platform !== 'linux')('a cluster on three embedded hosts', { timeout: 120_000 }, () => {
  const stateDir = makeStateDir();
  let resources: EngineResources;
  let under: EngineUnderTest;
  let clusterId = '';

  beforeAll(async () => {
    resources = await buildResources(join(stateDir, 'dist'));
    under = await startEngine(stateDir, resources);
  });
  afterAll(async () => {
    await under.engine.close();
    await cleanUp(stateDir);
  });

  it('is provisioned to a leader that a majority agrees on', async () => {
    const { operationId } = await under.client.lab.tryIt({ nodes: 3 });
    await expect(under.client.lab.tryIt({ nodes: 3 })).rejects.toMatchObject({ data: { kind: 'busy' } });
    const operation = await succeeded(under.client, operationId);
    expect(operation.steps.every((step) => ['succeeded', 'unchanged'].includes(step.state))).toBe(true);
    expect(operation.clusterId).toMatch(/^c-/);
    clusterId = operation.clusterId ?? '';
    const fleet = await snapshotWhere(under.client, (one) => one.clusters[0]?.health.level === 'ok');
    expect(fleet.clusters[0]).toMatchObject({
      lifecycle: 'provisioned',
      quorum: { size: 2, working: 3, tolerates: 1 },
    });
    expect(fleet.hosts.map((host) => host.reachability.state)).toEqual(['reachable', 'reachable', 'reachable']);
  });

  it('lets in etcd clients with the operator certificate, whose key nobody else can read', async () => {
    const { endpoints, tls } = await under.client.clusters.access({ clusterId });
    if (tls === null) throw new Error('clients need certificates');
    expect(statSync(tls.key).mode & 0o777).toBe(0o600);
    expect(statSync(join(dirname(tls.key), 'ca.key')).mode & 0o777).toBe(0o600);
    expect(statSync(stateDir).mode & 0o077).toBe(0);
    const pem = {
      ca: readFileSync(tls.ca, 'utf8'),
      cert: readFileSync(tls.cert, 'utf8'),
      key: readFileSync(tls.key, 'utf8'),
    };
    const clients = endpoints.map((endpoint) => new EtcdClient({ endpoint, tls: pem }));
    await clients[0]?.put('greeting', 'hello');
    for (const client of clients)
      expect(String(Buffer.from((await client.get('greeting'))?.value ?? ''))).toBe('hello');
    for (const client of clients) client.close();
  });

  it('finds nothing to do the second time', async () => {
    const operation = await succeeded(under.client, (await under.client.clusters.resume({ clusterId })).operationId);
    const onHosts = operation.steps.filter(
      (step) => step.hostId !== null && !['Connect', 'Check host'].includes(step.step),
    );
    expect(onHosts).toHaveLength(18);
    expect([...new Set(onHosts.map((step) => step.state))]).toEqual(['unchanged']);
  });

  it('outlives the engine, and the next engine finds it again', async () => {
    // Provisioning ends with what clients see; a node's own next sample may still be on its way.
    const isSeen = (one: FleetSnapshot) => one.clusters[0]?.nodes.every((node) => node.sample !== null) === true;
    const before = await snapshotWhere(under.client, isSeen);
    await expect(startEngine(stateDir, resources)).rejects.toThrow(
      new RegExp(`Another engine \\(process ${process.pid}\\)`),
    );
    await under.engine.close();
    under = await startEngine(stateDir, resources);
    const after = await snapshotWhere(under.client, (one) => one.clusters[0]?.health.level === 'ok' && isSeen(one));
    const pids = (fleet: FleetSnapshot) => fleet.clusters[0]?.nodes.map((node) => node.sample?.pid);
    expect(pids(after)).toEqual(pids(before));
    expect(after.operations.length).toBeGreaterThanOrEqual(2);
  });

  it('puts a damaged release right and starts that node again', async () => {
    const fleet = await under.client.fleet.get();
    const lab = await under.client.lab.status();
    const home = lab.hosts[0]?.home ?? '';
    const release = join(home, '.synod/releases', resources.nodeBundleVersion, 'synod-node.cjs');
    writeFileSync(release, readFileSync(release, 'utf8').slice(0, -10));
    const operation = await succeeded(under.client, (await under.client.clusters.resume({ clusterId })).operationId);
    const states = operation.steps.filter((step) => step.step === 'Node program').map((step) => step.state);
    expect(states).toEqual(['succeeded', 'unchanged', 'unchanged']);
    expect(readFileSync(release).equals(readFileSync(resources.nodeBundlePath))).toBe(true);
    const pidOf = (one: FleetSnapshot) => one.clusters[0]?.nodes[0]?.service?.pid;
    const after = await snapshotWhere(
      under.client,
      (one) => one.clusters[0]?.health.level === 'ok' && pidOf(one) !== pidOf(fleet),
    );
    expect(after.clusters[0]?.nodes[1]?.service?.pid).toBe(fleet.clusters[0]?.nodes[1]?.service?.pid);
  });

  it('goes over to another release node by node, when that is what is at hand', async () => {
    const before = await under.client.fleet.get();
    await under.engine.close();
    resources = { ...resources, nodeBundleVersion: `${resources.nodeBundleVersion}-next` };
    under = await startEngine(stateDir, resources);
    const operation = await succeeded(under.client, (await under.client.clusters.resume({ clusterId })).operationId);
    const starts = operation.steps.filter((step) => step.step === 'Start node');
    const times = starts
      .map((step) => [step.startedAtUnixMs ?? 0, step.endedAtUnixMs ?? 0] as const)
      .toSorted(([a], [b]) => a - b);
    expect(times.flat()).toEqual(times.flat().toSorted((a, b) => a - b));
    const pids = (fleet: FleetSnapshot) => fleet.clusters[0]?.nodes.map((node) => node.service?.pid) ?? [];
    const after = await snapshotWhere(under.client, (one) => one.clusters[0]?.health.level === 'ok');
    for (const pid of pids(before)) expect(pids(after)).not.toContain(pid);
  });

  it('says what is left where hosts are down, and goes on with it when they are back', async () => {
    const { serverPid, state } = await labStatus(join(stateDir, 'lab'));
    if (serverPid === null || state === null) throw new Error('the lab runs');
    process.kill(serverPid);
    await snapshotWhere(under.client, (one) => one.hosts.every((host) => host.reachability.state !== 'reachable'));
    const { operationId } = await under.client.actions.run({ kind: 'clusterDestroy', clusterId, confirmName: 'demo' });
    const failed = await ended(under.client, operationId);
    expect(failed.failure).toMatchObject({
      kind: 'incomplete',
      message: expect.stringMatching(/host-1: ~\/\.synod\/nodes\/n-/),
    });
    expect((await under.client.fleet.get()).clusters).toMatchObject([{ lifecycle: 'destroying' }]);
    await succeeded(under.client, (await under.client.lab.up({ hosts: 3 })).operationId);
    const resumed = await succeeded(under.client, (await under.client.clusters.resume({ clusterId })).operationId);
    expect(resumed).toMatchObject({
      kind: 'clusterDestroy',
      outcome: expect.stringContaining('gone from all 3 hosts'),
    });
    const again = await under.client.lab.tryIt({ nodes: 3 });
    clusterId = (await succeeded(under.client, again.operationId)).clusterId ?? '';
  });

  it('is destroyed only by its name, and leaves nothing, damaged configurations or not', async () => {
    await expect(
      under.client.actions.run({ kind: 'clusterDestroy', clusterId, confirmName: 'dem' }),
    ).rejects.toMatchObject({ code: 'FAILED', data: { kind: 'refused', message: expect.stringContaining('demo') } });
    const [cluster] = (await under.client.fleet.get()).clusters;
    const homes = (await under.client.lab.status()).hosts.map((host) => host.home);
    const configs = (cluster?.nodes ?? []).map((node, at) =>
      join(homes[at] ?? '', '.synod/nodes', node.nodeId, 'config.json'),
    );
    writeFileSync(configs[0] ?? '', '{"clusterId": "c-');
    writeFileSync(configs[1] ?? '', JSON.stringify({ clusterId, nodeId: cluster?.nodes[1]?.nodeId }));
    const { operationId } = await under.client.actions.run({ kind: 'clusterDestroy', clusterId, confirmName: 'demo' });
    const destroyed = await succeeded(under.client, operationId);
    expect(destroyed.steps.filter((step) => step.step === 'Stop node').map((step) => step.state)).toEqual(
      Array(3).fill('succeeded'),
    );
    for (const host of (await under.client.lab.status()).hosts) expect(readdirSync(host.home)).toEqual([]);
    expect(readdirSync(join(stateDir, 'clusters'))).toEqual([]);
    expect((await under.client.fleet.get()).clusters).toEqual([]);
    await succeeded(under.client, (await under.client.lab.down({ confirm: 'lab' })).operationId);
    expect(await under.client.lab.status()).toEqual({ running: false, hosts: [], residue: [] });
    expect((await under.client.fleet.get()).hosts).toEqual([]);
  });
});
