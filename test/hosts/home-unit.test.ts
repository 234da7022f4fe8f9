/** A cluster below a login's home, on a host where the login has a systemd of its own: it comes back with the host. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  buildResources,
  type EngineUnderTest,
  makeStateDir,
  snapshotWhere,
  startEngine,
  succeeded,
} from '../engine/engine-under-test.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import { labObstacle } from '../lab/obstacle.ts';

const obstacle = labObstacle();

describe.skipIf(obstacle !== null)(`units of a login (skipped: ${obstacle})`, { timeout: 240_000 }, () => {
  const stateDir = makeStateDir();
  let lab: Lab;
  let under: EngineUnderTest;

  beforeAll(async () => {
    lab = await startLab({ hosts: 1 });
    under = await startEngine(stateDir, await buildResources(join(stateDir, 'dist')));
  }, 15 * 60_000);
  afterAll(async () => {
    await under.engine.close();
    await lab.down();
    rmSync(stateDir, { recursive: true, force: true });
  });

  it('start a node with its host, and go with it', async () => {
    const host = lab.host(1);
    await host.root('loginctl enable-linger ops; until [ -S /run/user/$(id -u ops)/bus ]; do sleep 0.1; done');
    const { client } = under;
    const { address, sshPort: port, keyPath } = host;
    const auth = { kind: 'key' as const, path: keyPath };
    const added = await client.hosts.add({ name: 'alpha', address, port, user: 'ops', auth });
    const fingerprint = added.reachability.offeredKey?.fingerprint ?? '';
    const { hostId } = await client.hosts.trustKey({ hostId: added.hostId, fingerprint });
    const capture = () => host.root(`find /home/ops -printf '%p %y %m %u:%g\\n' | sort`);
    const before = await capture();
    const request = { name: 'solo', hostIds: [hostId], peerPort: null, clientPort: null };
    const plan = await client.clusters.plan(request);
    const unit = /^\/home\/ops\/\.config\/systemd\/user\/synod-n-\w{8}\.service$/;
    expect(plan.hosts[0]?.steps.map((step) => step.target)).toContainEqual(expect.stringMatching(unit));
    const { operationId, clusterId } = await client.clusters.create(request);
    await succeeded(client, operationId);
    expect(await client.clusters.plan({ clusterId })).toMatchObject({ changes: 0, refusals: [] });
    const asOps = 'runuser -u ops -- env XDG_RUNTIME_DIR=/run/user/$(id -u ops) systemctl --user';
    expect(await host.root(`${asOps} is-active 'synod-*'`)).toBe('active\n');

    await host.kill();
    await snapshotWhere(client, ({ clusters }) => clusters[0]?.nodes[0]?.condition === 'unknown');
    await host.boot();
    await snapshotWhere(client, ({ clusters }) => clusters[0]?.health.level === 'ok');

    const destroy = { kind: 'clusterDestroy', clusterId, confirmName: 'solo' } as const;
    const { outcome } = await succeeded(client, (await client.actions.run(destroy)).operationId);
    expect(outcome).toContain('alpha equals what it was');
    expect(await capture()).toBe(before);
  });
});
