/** A cluster that is written to is backed up into a file, and a new one begins with it: the same keys with the same revisions. */
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DemoCluster } from '../../electron/cli/demo/endpoints.ts';
import { Writer } from '../../electron/cli/demo/writer.ts';
import type { BackupManifest } from '../../electron/contract/backup.ts';
import type { EngineResources } from '../../electron/engine/engine.ts';
import { EtcdClient } from '../../electron/engine/etcd/client.ts';
import {
  buildResources,
  cleanUp,
  type EngineUnderTest,
  ended,
  makeStateDir,
  startEngine,
  succeeded,
  withSmallRuntime,
} from './engine-under-test.ts';
import { killAtStep } from './kill-engine.ts';

const everything = { key: Uint8Array.of(0), rangeEnd: Uint8Array.of(0) };

describe.skipIf(process.platform !== 'linux')('backup and restore', { timeout: 240_000 }, () => {
  const stateDir = makeStateDir();
  const file = join(stateDir, 'orders.backup');
  const clients: EtcdClient[] = [];
  let resources: EngineResources;
  let under: EngineUnderTest;
  let clusterId = '';
  let hostIds: string[] = [];
  let manifest: BackupManifest;

  beforeAll(async () => {
    const dist = join(stateDir, 'dist');
    resources = withSmallRuntime(await buildResources(dist), dist);
    under = await startEngine(stateDir, resources);
    const { operationId } = await under.client.lab.tryIt({ nodes: 3 });
    clusterId = (await succeeded(under.client, operationId)).clusterId ?? '';
    hostIds = (await under.client.fleet.get()).hosts.map((host) => host.hostId);
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await under.engine.close();
    await cleanUp(stateDir);
  });

  /** One client a node. */
  const clientsOf = async (id: string) => {
    const { endpoints, tls } = await under.client.clusters.access({ clusterId: id });
    const read = (path: string | undefined) => readFileSync(path ?? '', 'utf8');
    const keys = { ca: read(tls?.ca), cert: read(tls?.cert), key: read(tls?.key) };
    const made = endpoints.map((endpoint) => new EtcdClient({ endpoint, tls: keys }));
    clients.push(...made);
    return made;
  };
  const take = (force = false) => under.client.backups.take({ clusterId, path: file, force, why: 'a test' });
  const restore = (path: string, name: string) =>
    under.client.backups.restore({ path, name, hostIds, peerPort: null, clientPort: null });
  /** All pairs as they were at a revision, with create and mod revision, version and lease. */
  const pairsAt = async (client: EtcdClient, revision: number) =>
    (await client.range({ ...everything, revision: BigInt(revision) })).kvs.map((pair) => ({
      ...pair,
      key: Buffer.from(pair.key).toString('utf8'),
      value: Buffer.from(pair.value).toString('utf8'),
    }));
  const damaged = (at: number) => {
    const path = join(stateDir, 'damaged.backup');
    const bytes = readFileSync(file);
    const place = at < 0 ? bytes.length + at : at;
    bytes[place] = (bytes[place] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    return path;
  };

  it('takes everything that was acknowledged before, while clients write', async () => {
    const [client] = await clientsOf(clusterId);
    if (!client) throw new Error('there is no client');
    for (let round = 0; round < 3; round++)
      for (let key = 0; key < 40; key++) await client.put(`a/${key}`, `${round}-${'x'.repeat(2000)}`);
    await client.deleteRange({ key: Buffer.from('a/7') });
    await client.put('a/7', 'again');
    const demo = await DemoCluster.connect(under.client);
    const writer = new Writer(demo.nodes.map((node) => node.client));
    writer.start(3);
    await writer.progress(100, 20_000);
    const before = new Map(writer.acknowledged);
    const operation = await succeeded(under.client, (await take()).operationId);
    await writer.progress(20, 20_000);
    await writer.stop();
    demo.close();
    manifest = await under.client.backups.verify({ path: file });
    expect(operation.outcome).toContain(`revision ${manifest.revision} (slot ${manifest.slot})`);
    expect(manifest).toMatchObject({ clusterId, clusterName: 'demo' });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const pairs = new Map((await pairsAt(client, manifest.revision)).map(({ key, value }) => [key, value]));
    for (const [key, value] of before) expect(pairs.get(key)).toBe(value);
    expect(await under.client.audit.list({ limit: 1 })).toMatchObject([{ kind: 'clusterBackup', why: 'a test' }]);
  });

  it('replaces no file unless it is told to, and leaves nothing beside it', async () => {
    await expect(take()).rejects.toMatchObject({ data: { kind: 'fileExists' } });
    const was = readFileSync(file);
    copyFileSync(file, `${file}.kept`);
    await succeeded(under.client, (await take(true)).operationId);
    expect(readFileSync(file).equals(was)).toBe(false);
    copyFileSync(`${file}.kept`, file);
    expect(readdirSync(stateDir).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('refuses a file with one wrong bit before any host is touched', async () => {
    for (const at of [0, 100, 70_000, -100, -20, -1]) {
      const path = damaged(at);
      await expect(under.client.backups.verify({ path }), `bit at ${at}`).rejects.toMatchObject({
        data: { kind: 'badBackup' },
      });
      await expect(restore(path, 'copy')).rejects.toMatchObject({ data: { kind: 'badBackup' } });
    }
    expect((await under.client.fleet.get()).clusters.map((cluster) => cluster.name)).toEqual(['demo']);
  });

  it('begins a new cluster with it, which goes on from there', async () => {
    const started = await restore(file, 'copy');
    expect(started.manifest).toEqual(manifest);
    const operation = await succeeded(under.client, started.operationId);
    expect(operation.outcome).toMatch(/copy serves on 3 nodes/);
    const [from] = await clientsOf(clusterId);
    const restored = await clientsOf(started.clusterId);
    if (!from) throw new Error('there is no client');
    const wanted = await pairsAt(from, manifest.revision);
    const earlier = await pairsAt(from, 60);
    expect(wanted.length).toBeGreaterThan(140);
    for (const to of restored) {
      expect(await pairsAt(to, manifest.revision)).toEqual(wanted);
      expect(await pairsAt(to, 60)).toEqual(earlier);
    }
    const put = await restored[0]?.put('a/new', 'x');
    expect(Number(put?.header?.revision)).toBeGreaterThan(manifest.revision);
    expect(put?.header?.clusterId).not.toBe((await from.put('a/other', 'y')).header?.clusterId);
    expect(await under.client.clusters.plan({ clusterId: started.clusterId })).toMatchObject({
      changes: 0,
      warnings: [],
    });
    expect(existsSync(join(stateDir, 'clusters', started.clusterId, 'seed.snapshot'))).toBe(false);
    for (const { home } of (await under.client.lab.status()).hosts)
      for (const node of readdirSync(join(home, '.synod/nodes')))
        expect(readdirSync(join(home, '.synod/nodes', node))).not.toContain('seed.snapshot');
    const again = await ended(
      under.client,
      (await under.client.clusters.restart({ clusterId: started.clusterId, why: null })).operationId,
    );
    expect(again.state).toBe('succeeded');
    expect(await pairsAt(restored[1] as EtcdClient, manifest.revision)).toEqual(wanted);
  });

  it('goes on without the file where an engine was killed on the way', async () => {
    await under.engine.close();
    const moved = join(stateDir, 'moved.backup');
    copyFileSync(file, moved);
    await killAtStep({ stateDir, resources, work: ['restore', 'late', moved] }, 'Start node');
    writeFileSync(moved, 'gone');
    under = await startEngine(stateDir, resources);
    const late = (await under.client.fleet.get()).clusters.find((cluster) => cluster.name === 'late');
    await succeeded(
      under.client,
      (await under.client.clusters.resume({ clusterId: late?.clusterId ?? '' })).operationId,
    );
    const [from] = await clientsOf(clusterId);
    const wanted = await pairsAt(from as EtcdClient, manifest.revision);
    for (const to of await clientsOf(late?.clusterId ?? ''))
      expect(await pairsAt(to, manifest.revision)).toEqual(wanted);
  });
});
