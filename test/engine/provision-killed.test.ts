/** The engine is killed with SIGKILL in the middle of provisioning, at one step after the other; each time the next goes on. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineResources } from '../../electron/engine/engine.ts';
import { buildResources, cleanUp, makeStateDir, startEngine, succeeded } from './engine-under-test.ts';
import { killAtStep } from './kill-engine.ts';

describe.skipIf(process.platform !== 'linux')('an engine that is killed', { timeout: 180_000 }, () => {
  const stateDir = makeStateDir();
  let resources: EngineResources;

  beforeAll(async () => {
    // The real runtime: its upload takes long enough to be killed in.
    resources = await buildResources(join(stateDir, 'dist'));
  });
  afterAll(() => cleanUp(stateDir));

  it('is followed by one that finishes the work with the same nodes', async () => {
    await killAtStep({ stateDir, resources, work: ['tryIt'] }, 'Runtime');
    const first = await startEngine(stateDir, resources);
    const fleet = await first.client.fleet.get();
    const cluster = fleet.clusters[0];
    expect(cluster).toMatchObject({ lifecycle: 'incomplete' });
    expect(fleet.operations).toMatchObject([{ state: 'unknown', outcome: expect.stringContaining('not seen') }]);
    expect(await first.client.audit.list({ limit: 1 })).toMatchObject([{ result: 'unknown', endedAtUnixMs: null }]);
    const clusterId = cluster?.clusterId ?? '';
    const nodeIds = cluster?.nodes.map((node) => node.nodeId);
    await first.engine.close();

    const work = ['apply', cluster?.name ?? ''];
    for (const step of ['Node program', 'Certificates', 'Start node', 'Quorum'])
      await killAtStep({ stateDir, resources, work }, step);

    const last = await startEngine(stateDir, resources);
    await succeeded(last.client, (await last.client.clusters.resume({ clusterId })).operationId);
    const after = await last.client.fleet.get();
    expect(after.clusters).toMatchObject([{ lifecycle: 'provisioned' }]);
    expect(after.clusters[0]?.nodes.map((node) => node.nodeId)).toEqual(nodeIds);
    for (const host of (await last.client.lab.status()).hosts)
      expect(readdirSync(join(host.home, '.synod/nodes'))).toHaveLength(1);
    await succeeded(last.client, (await last.client.lab.down({ confirm: 'lab' })).operationId);
    await last.engine.close();
  });
});
