/**
 * The certificates of a cluster are replaced while clients write, also its authority's, and by an engine that is killed on the way:
 * every acknowledged write is there afterwards, and never is there a second without one.
 */
import { X509Certificate } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DemoCluster } from '../../electron/cli/demo/endpoints.ts';
import { Writer } from '../../electron/cli/demo/writer.ts';
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

describe.skipIf(process.platform !== 'linux')('replacing certificates', { timeout: 240_000 }, () => {
  const stateDir = makeStateDir();
  let resources: EngineResources;
  let under: EngineUnderTest;
  let clusterId = '';
  let name = '';

  beforeAll(async () => {
    const dist = join(stateDir, 'dist');
    resources = withSmallRuntime(await buildResources(dist), dist);
    under = await startEngine(stateDir, resources);
    const { operationId } = await under.client.lab.tryIt({ nodes: 3 });
    clusterId = (await succeeded(under.client, operationId)).clusterId ?? '';
    name = (await under.client.fleet.get()).clusters[0]?.name ?? '';
  });
  afterAll(async () => {
    await under.engine.close();
    await cleanUp(stateDir);
  });

  const keysDir = () => join(stateDir, 'clusters', clusterId);
  const rotate = async ({ authority = false, hold = false }) => {
    const why = 'a test';
    const { operationId } = await under.client.clusters.rotateCertificates({ clusterId, authority, hold, why });
    return operationId;
  };
  /** What each host has at a place of its node's folder. */
  const onHosts = async (file: string) =>
    (await under.client.lab.status()).hosts.map(({ home }) => {
      const nodes = join(home, '.synod/nodes');
      return readFileSync(join(nodes, readdirSync(nodes)[0] ?? '', file), 'utf8');
    });
  const serialOf = (text: string) => new X509Certificate(text).serialNumber;

  /** Clients with the files of now write during the work, and read everything from every node after it. */
  const underLoad = async (work: () => Promise<void>) => {
    const demo = await DemoCluster.connect(under.client);
    const writer = new Writer(demo.nodes.map((node) => node.client));
    writer.start(3);
    await writer.progress(50, 20_000);
    const beganAtMs = performance.now();
    await work();
    await writer.progress(50, 20_000);
    const gapMs = writer.longestGapMs(beganAtMs);
    await writer.stop();
    for (const { probe, name: node } of demo.nodes)
      for (const [key, value] of writer.acknowledged)
        expect(Buffer.from((await probe.get(key))?.value ?? '').toString('utf8'), `${key} at ${node}`).toBe(value);
    demo.close();
    expect(gapMs).toBeLessThan(1000);
  };

  /** Tries the files of an earlier time at every node. */
  const refusals = async (files: { ca: string; cert: string; key: string }) => {
    const { endpoints } = await under.client.clusters.access({ clusterId });
    return Promise.all(
      endpoints.map(async (endpoint) => {
        const client = new EtcdClient({ endpoint, tls: files });
        const outcome = await client.get('a').then(
          () => 'answered',
          (error: Error) => error.message,
        );
        client.close();
        return outcome;
      }),
    );
  };
  const filesNow = async () => {
    const { tls } = await under.client.clusters.access({ clusterId });
    if (tls === null) throw new Error('it has no certificates');
    const read = (path: string) => readFileSync(path, 'utf8');
    return { ca: read(tls.ca), cert: read(tls.cert), key: read(tls.key) };
  };

  it('gives every node and the clients new ones of the same authority', async () => {
    const before = { ...(await filesNow()), peers: await onHosts('tls/peer.pem') };
    await underLoad(async () => {
      const operation = await succeeded(under.client, await rotate({}));
      expect(operation.steps.filter(({ step }) => step === 'New certificates: Level again')).toHaveLength(3);
    });
    const after = { ...(await filesNow()), peers: await onHosts('tls/peer.pem') };
    expect(after.ca).toBe(before.ca);
    expect(serialOf(after.cert)).not.toBe(serialOf(before.cert));
    for (const old of before.peers) expect(after.peers.map(serialOf)).not.toContain(serialOf(old));
    expect(readdirSync(keysDir()).filter((file) => /^(next|rotation.json)$/.test(file))).toEqual([]);
    expect(await under.client.clusters.plan({ clusterId })).toMatchObject({ changes: 0, refusals: [] });
    expect(await under.client.audit.list({ limit: 1 })).toMatchObject([{ kind: 'certificatesRotate', why: 'a test' }]);
  });

  it('replaces the authority in phases, holds until clients have their files, and refuses the old ones at the end', async () => {
    const old = await filesNow();
    await underLoad(async () => {
      const held = await succeeded(under.client, await rotate({ authority: true, hold: true }));
      expect(held.outcome).toContain('Give clients their new files now');
    });
    expect(await refusals(old)).toEqual(['answered', 'answered', 'answered']);
    const plan = await under.client.clusters.plan({ clusterId });
    expect(plan).toMatchObject({ changes: 0, warnings: [expect.stringContaining('rotate-certificates')] });
    await underLoad(async () => {
      await succeeded(under.client, await rotate({ authority: true }));
    });
    const now = await filesNow();
    expect(now.ca.match(/BEGIN/g)).toHaveLength(1);
    expect(serialOf(now.ca)).not.toBe(serialOf(old.ca));
    expect(await refusals({ ...now, cert: old.cert, key: old.key })).not.toContain('answered');
    expect(await refusals(old)).not.toContain('answered');
    expect(await onHosts('tls/ca.pem')).toEqual([now.ca, now.ca, now.ca]);
  });

  it('goes on where an engine was killed, in each phase', async () => {
    const held = await succeeded(under.client, await rotate({ authority: true, hold: true }));
    expect(held.outcome).toContain('Give clients');
    const old = await filesNow();
    await underLoad(async () => {
      await under.engine.close();
      const killed = { stateDir, resources, work: ['rotate', name] };
      await killAtStep(killed, 'New certificates: Certificates');
      await killAtStep(killed, 'New certificates: Level again');
      await killAtStep(killed, 'Trust the new authority only: Connect');
      await killAtStep(killed, 'Trust the new authority only: Level again');
      under = await startEngine(stateDir, resources);
      await succeeded(under.client, await rotate({ authority: false }));
    });
    expect(existsSync(join(keysDir(), 'next'))).toBe(false);
    const now = await filesNow();
    expect(serialOf(now.cert)).toBe(serialOf(old.cert));
    expect(now.ca.match(/BEGIN/g)).toHaveLength(1);
    expect(await under.client.clusters.plan({ clusterId })).toMatchObject({ changes: 0, warnings: [] });
  });

  it('stops at the first node that does not come up, while the others serve, and goes on once it does', async () => {
    const { clusters } = await under.client.fleet.get();
    const follower = clusters[0]?.nodes.find((node) => node.condition === 'follower')?.nodeId ?? '';
    const homes = (await under.client.lab.status()).hosts.map(({ home }) => join(home, '.synod/nodes', follower));
    const superblock = join(homes.find((folder) => existsSync(folder)) ?? '', 'data/superblock');
    await underLoad(async () => {
      renameSync(superblock, `${superblock}.away`);
      const stopped = await ended(under.client, await rotate({}));
      expect(stopped).toMatchObject({ state: 'failed' });
      expect(stopped.failure?.message).toContain('stopped in "New certificates"');
      renameSync(`${superblock}.away`, superblock);
      await succeeded(under.client, await rotate({}));
    });
    expect(await under.client.clusters.plan({ clusterId })).toMatchObject({ changes: 0, warnings: [] });
  });

  it('changes nothing while other changes are pending', async () => {
    await under.client.clusters.configure({ clusterId, heartbeatMs: 60, electionTimeoutMs: 400 });
    const operation = await ended(under.client, await rotate({}));
    expect(operation).toMatchObject({ state: 'failed', failure: { kind: 'pendingChanges' } });
    expect(existsSync(join(keysDir(), 'rotation.json'))).toBe(false);
  });
});
