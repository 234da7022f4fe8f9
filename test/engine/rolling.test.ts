/**
 * A cluster that serves is restarted, configured, upgraded, and refuses an upgrade that does not come up, while clients write: every
 * acknowledged write is there afterwards, and never is there a second without one.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DemoCluster } from '../../electron/cli/demo/endpoints.ts';
import { Writer } from '../../electron/cli/demo/writer.ts';
import type { EngineResources } from '../../electron/engine/engine.ts';
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

/** The same program in another version; `prologue` runs first in it. */
function anotherVersion(resources: EngineResources, outDir: string, prologue: string): EngineResources {
  const content = `${prologue}\n${readFileSync(resources.nodeBundlePath, 'utf8')}`;
  const version = `0.0.1-${createHash('sha256').update(content).digest('hex').slice(0, 12)}`;
  const nodeBundlePath = join(outDir, `synod-node-${version}.cjs`);
  writeFileSync(nodeBundlePath, content);
  return { ...resources, nodeBundlePath, nodeBundleVersion: version };
}

describe.skipIf(process.platform !== 'linux')('changing a cluster that serves', { timeout: 180_000 }, () => {
  const stateDir = makeStateDir();
  const dist = join(stateDir, 'dist');
  let resources: EngineResources;
  let under: EngineUnderTest;
  let clusterId = '';
  let demo: DemoCluster;
  let writer: Writer;
  let beganAtMs = 0;

  beforeAll(async () => {
    resources = withSmallRuntime(await buildResources(dist), dist);
    under = await startEngine(stateDir, resources);
    const { operationId } = await under.client.lab.tryIt({ nodes: 3 });
    clusterId = (await succeeded(under.client, operationId)).clusterId ?? '';
    demo = await DemoCluster.connect(under.client);
  });
  afterAll(async () => {
    demo?.close();
    await under.engine.close();
    await cleanUp(stateDir);
  });

  beforeEach(async () => {
    writer = new Writer(demo.nodes.map((node) => node.client));
    writer.start(3);
    await writer.progress(50, 20_000);
    beganAtMs = performance.now();
  });
  afterEach(async () => {
    await writer.progress(50, 20_000);
    const gapMs = writer.longestGapMs(beganAtMs);
    await writer.stop();
    for (const { probe, name } of demo.nodes)
      for (const [key, value] of writer.acknowledged)
        expect(Buffer.from((await probe.get(key))?.value ?? '').toString('utf8'), `${key} at ${name}`).toBe(value);
    expect(gapMs).toBeLessThan(1000);
  });

  /** Node ids in the order in which they were restarted. */
  const turnsOf = (steps: readonly { step: string; hostId: string | null; endedAtUnixMs: number | null }[]) =>
    steps
      .filter((step) => step.step === 'Level again' && step.endedAtUnixMs !== null)
      .toSorted((a, b) => (a.endedAtUnixMs ?? 0) - (b.endedAtUnixMs ?? 0))
      .map((step) => step.hostId);
  const leader = async () => {
    const { clusters } = await under.client.fleet.get();
    return clusters[0]?.nodes.find((node) => node.condition === 'leader')?.hostId;
  };

  it('restarts the leader last, after it has handed over', async () => {
    const led = await leader();
    const operation = await succeeded(
      under.client,
      (await under.client.clusters.restart({ clusterId, why: 'a test' })).operationId,
    );
    const turns = turnsOf(operation.steps);
    expect(turns).toHaveLength(3);
    expect(turns.at(-1)).toBe(led);
    expect(operation.steps.find((step) => step.step === 'Hand over')?.state).toBe('succeeded');
    const [entry] = await under.client.audit.list({ limit: 1 });
    expect(entry).toMatchObject({ kind: 'clusterRestart', why: 'a test' });
  });

  it('plans a change of the timeouts as diffs, and applies it one node after the other', async () => {
    await under.client.clusters.configure({ clusterId, heartbeatMs: 60, electionTimeoutMs: 400 });
    const plan = await under.client.clusters.plan({ clusterId });
    expect(plan.changes).toBeGreaterThan(0);
    expect(JSON.stringify(plan.hosts)).toContain('electionTimeoutMs');
    const { operationId } = await under.client.clusters.apply({ name: plan.name, plan: plan.hash, why: null });
    expect(turnsOf((await succeeded(under.client, operationId)).steps)).toHaveLength(3);
    expect(await under.client.clusters.plan({ clusterId })).toMatchObject({ changes: 0 });
  });

  const asVersion = async (other: EngineResources) => {
    await under.engine.close();
    under = await startEngine(stateDir, other);
    const plan = await under.client.clusters.plan({ clusterId });
    const { operationId } = await under.client.clusters.apply({ name: plan.name, plan: plan.hash, why: null });
    return ended(under.client, operationId);
  };

  it('upgrades one node after the other', async () => {
    const operation = await asVersion(anotherVersion(resources, dist, '// another version'));
    expect(operation).toMatchObject({ state: 'succeeded' });
    expect(turnsOf(operation.steps)).toHaveLength(3);
  });

  it('goes back from a version that does not come up, after the first node, and no node stays on it', async () => {
    const broken = "if (process.argv[2] === 'run') { console.error('this version is broken'); process.exit(1); }";
    const operation = await asVersion(anotherVersion(resources, dist, broken));
    expect(operation).toMatchObject({ state: 'failed' });
    expect(operation.failure?.message).toMatch(/What (node-\d(, )?){3} ran on before was put back/);
    expect(operation.steps.filter((step) => step.step === 'Start node' && step.state === 'failed')).toHaveLength(1);
    const { clusters } = await under.client.fleet.get();
    expect(clusters[0]?.nodes.map((node) => node.condition).toSorted()).toEqual(['follower', 'follower', 'leader']);
  });
});
