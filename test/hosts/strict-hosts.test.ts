/**
 * Servers of a strict security team: one session a connection, no SFTP, no forwarding, no root login, sudo that wants a terminal, umask
 * 0077, /tmp without exec, slow logins. A cluster goes there and away again, over both transports.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  buildResources,
  type EngineUnderTest,
  makeStateDir,
  startEngine,
  succeeded,
} from '../engine/engine-under-test.ts';
import { STRICT } from '../lab/host-options.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import { labObstacle } from '../lab/obstacle.ts';

const obstacle = labObstacle();

describe.skipIf(obstacle !== null)(`strict hosts (skipped: ${obstacle})`, { timeout: 240_000 }, () => {
  const stateDir = makeStateDir();
  let lab: Lab;
  let under: EngineUnderTest;

  beforeAll(async () => {
    lab = await startLab({ hosts: [STRICT, STRICT, STRICT] });
    under = await startEngine(stateDir, await buildResources(join(stateDir, 'dist')));
  }, 15 * 60_000);
  afterAll(async () => {
    await under.engine.close();
    await lab.down();
    rmSync(stateDir, { recursive: true, force: true });
  });

  it('carry a cluster in the home place, and equal what they were afterwards', async () => {
    const capture = `find /home/ops /tmp -xdev -printf '%p %y %m %u:%g\\n' | sort`;
    const captures = () => Promise.all(lab.hosts.map((host) => host.root(capture)));
    const before = await captures();
    const hostIds: string[] = [];
    for (const [at, { address, sshPort: port, keyPath }] of lab.hosts.entries()) {
      const auth = { kind: 'key' as const, path: keyPath };
      const transport = at === 1 ? ('openssh' as const) : ('builtin' as const);
      const added = await under.client.hosts.add({ name: `s${at + 1}`, address, port, user: 'ops', auth, transport });
      const { hostId } = added;
      const fingerprint = added.reachability.offeredKey?.fingerprint ?? '';
      hostIds.push((await under.client.hosts.trustKey({ hostId, fingerprint })).hostId);
    }
    const started = await under.client.clusters.create({ name: 'vault', hostIds, peerPort: null, clientPort: null });
    const { outcome } = await succeeded(under.client, started.operationId);
    expect(outcome).toMatch(/vault serves on 3 nodes/);
    const { clusterId } = started;
    expect(await under.client.clusters.plan({ clusterId })).toMatchObject({ changes: 0, refusals: [] });
    const destroy = { kind: 'clusterDestroy', clusterId, confirmName: 'vault' } as const;
    const gone = await succeeded(under.client, (await under.client.actions.run(destroy)).operationId);
    expect(gone.outcome?.match(/equals what it was/g)).toHaveLength(3);
    expect(await captures()).toEqual(before);
  });
});
