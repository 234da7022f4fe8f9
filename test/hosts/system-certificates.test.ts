/**
 * On real hosts with systemd, where files are root's and nodes run as another user: a new authority, a backup, and a cluster restored
 * from it beside the one that it came from.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineResources } from '../../electron/engine/engine.ts';
import { EtcdClient } from '../../electron/engine/etcd/client.ts';
import {
  buildResources,
  type EngineUnderTest,
  makeStateDir,
  startEngine,
  succeeded,
} from '../engine/engine-under-test.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import { labObstacle } from '../lab/obstacle.ts';

const obstacle = labObstacle();

describe.skipIf(obstacle !== null)(`certificates and backups (skipped: ${obstacle})`, { timeout: 400_000 }, () => {
  const stateDir = makeStateDir();
  const path = join(stateDir, 'orders.backup');
  let lab: Lab;
  let resources: EngineResources;
  let under: EngineUnderTest;
  let hostIds: string[];
  let clusterId = '';

  beforeAll(async () => {
    lab = await startLab({ hosts: 3 });
    resources = await buildResources(join(stateDir, 'dist'));
    under = await startEngine(stateDir, resources);
    hostIds = await Promise.all(
      lab.hosts.map(async ({ address, sshPort: port, keyPath }, at) => {
        const auth = { kind: 'key' as const, path: keyPath };
        const { hostId, reachability } = await under.client.hosts.add({
          name: `db${at + 1}`,
          address,
          port,
          user: 'root',
          auth,
        });
        await under.client.hosts.trustKey({ hostId, fingerprint: reachability.offeredKey?.fingerprint ?? '' });
        return hostId;
      }),
    );
    const started = await under.client.clusters.create({ ...place('orders'), peerPort: null, clientPort: null });
    clusterId = started.clusterId;
    await succeeded(under.client, started.operationId);
  }, 15 * 60_000);
  afterAll(async () => {
    await under.engine.close();
    await lab.down();
    rmSync(stateDir, { recursive: true, force: true });
  });

  const place = (name: string) => ({
    name,
    hostIds,
    place: 'system' as const,
    dataFolders: Object.fromEntries(hostIds.map((hostId) => [hostId, '/srv/data'])),
  });
  const clientOf = async (id: string, at = 0) => {
    const { endpoints, tls } = await under.client.clusters.access({ clusterId: id });
    const read = (file: string | undefined) => readFileSync(file ?? '', 'utf8');
    return new EtcdClient({
      endpoint: endpoints[at] ?? '',
      tls: { ca: read(tls?.ca), cert: read(tls?.cert), key: read(tls?.key) },
    });
  };
  const valueOf = async (id: string, at: number) => {
    const client = await clientOf(id, at);
    const pair = await client.get('k');
    client.close();
    return pair && [Buffer.from(pair.value).toString(), pair.modRevision];
  };

  it('are replaced with their authority, and stay readable for the node alone', async () => {
    const client = await clientOf(clusterId);
    await client.put('k', 'kept');
    const order = { clusterId, authority: true, hold: false, why: null };
    await succeeded(under.client, (await under.client.clusters.rotateCertificates(order)).operationId);
    await expect(client.get('k')).rejects.toThrow('cannot connect');
    client.close();
    for (const at of [0, 1, 2]) expect(await valueOf(clusterId, at)).toEqual(['kept', expect.anything()]);
    for (const host of lab.hosts)
      expect(await host.root('stat -c "%U:%G %a" /etc/synod/nodes/*/tls/peer.key')).toBe('root:synod 640\n');
    expect(await under.client.clusters.plan({ clusterId })).toMatchObject({ changes: 0, warnings: [] });
  });

  it('are backed up, and restored into a cluster beside it', async () => {
    const kept = await valueOf(clusterId, 0);
    await succeeded(
      under.client,
      (await under.client.backups.take({ clusterId, path, force: false, why: null })).operationId,
    );
    // The data disks of the lab's hosts have no room for two.
    const elsewhere = { peerPort: 12_380, clientPort: 12_379, dataFolders: {} };
    const started = await under.client.backups.restore({ ...place('copy'), ...elsewhere, path });
    await succeeded(under.client, started.operationId);
    for (const at of [0, 1, 2]) expect(await valueOf(started.clusterId, at)).toEqual(kept);
    expect(await under.client.clusters.plan({ clusterId: started.clusterId })).toMatchObject({ changes: 0 });
    for (const host of lab.hosts) expect(await host.root('find /var/lib/synod /srv/data -name "seed*"')).toBe('');
  });
});
