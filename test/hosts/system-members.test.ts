/**
 * Members on real hosts with systemd: a host that loses its power is replaced and comes back, a restored cluster gets one more node, and
 * data go from one disk to another.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MembersChange } from '../../electron/contract/members.ts';
import { EtcdClient } from '../../electron/engine/etcd/client.ts';
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

describe.skipIf(obstacle !== null)(`members on hosts (skipped: ${obstacle})`, { timeout: 300_000 }, () => {
  const stateDir = makeStateDir();
  let lab: Lab;
  let under: EngineUnderTest;
  let hostIds: string[];
  let clusterId = '';

  beforeAll(async () => {
    lab = await startLab({ hosts: 4 });
    under = await startEngine(stateDir, await buildResources(join(stateDir, 'dist')));
    hostIds = await Promise.all(
      lab.hosts.map(async ({ address, sshPort: port, keyPath }, at) => {
        const auth = { kind: 'key' as const, path: keyPath };
        const host = { name: `db${at + 1}`, address, port, user: 'root', auth };
        const { hostId, reachability } = await under.client.hosts.add(host);
        await under.client.hosts.trustKey({ hostId, fingerprint: reachability.offeredKey?.fingerprint ?? '' });
        return hostId;
      }),
    );
    const dataFolders = Object.fromEntries(hostIds.map((hostId) => [hostId, '/srv/data']));
    const request = { name: 'orders', hostIds: hostIds.slice(0, 3), place: 'system' as const, dataFolders };
    const started = await under.client.clusters.create({ ...request, peerPort: null, clientPort: null });
    clusterId = started.clusterId;
    await succeeded(under.client, started.operationId);
    const client = await clientOf(clusterId, 0);
    await client.put('k', 'kept');
    client.close();
  }, 15 * 60_000);
  afterAll(async () => {
    await under.engine.close();
    await lab.down();
    rmSync(stateDir, { recursive: true, force: true });
  });

  const hostId = (number: number) => hostIds[number - 1] ?? '';
  const clusterOf = async (id: string) => {
    const found = (await under.client.fleet.get()).clusters.find((one) => one.clusterId === id);
    if (found === undefined) throw new Error(`there is no cluster ${id}`);
    return found;
  };
  const nodeOn = async (id: string, number: number) => {
    const { nodes, leaving } = await clusterOf(id);
    return [...nodes, ...leaving].find((node) => node.hostId === hostId(number))?.nodeId ?? '';
  };
  const done = async (change: MembersChange) => {
    const request = { change, acceptOutage: false, why: null };
    return succeeded(under.client, (await under.client.clusters.changeMembers(request)).operationId);
  };
  const clientOf = async (id: string, at: number) => {
    const { endpoints, tls } = await under.client.clusters.access({ clusterId: id });
    const read = (file: string | undefined) => readFileSync(file ?? '', 'utf8');
    const files = { ca: read(tls?.ca), cert: read(tls?.cert), key: read(tls?.key) };
    return new EtcdClient({ endpoint: endpoints[at] ?? '', tls: files });
  };
  const valuesOf = async (id: string) => {
    const { endpoints } = await under.client.clusters.access({ clusterId: id });
    return Promise.all(
      endpoints.map(async (_, at) => {
        const client = await clientOf(id, at);
        const pair = await client.get('k');
        client.close();
        return pair && Buffer.from(pair.value).toString();
      }),
    );
  };
  const nothingToDo = async (id: string) =>
    expect(await under.client.clusters.plan({ clusterId: id })).toMatchObject({ changes: 0, refusals: [] });

  it('replace a host without power; when it is back it does no harm, and is cleaned', async () => {
    const host = lab.host(2);
    const nodeId = await nodeOn(clusterId, 2);
    await host.cut();
    await snapshotWhere(under.client, ({ clusters }) => clusters[0]?.quorum.working === 2);
    const change = { clusterId, nodeId, hostId: hostId(4), dataFolder: '/srv/data', peerPort: null, clientPort: null };
    const operation = await done({ kind: 'replace', ...change });
    expect(operation.outcome).toMatch(/node-4 on db4 votes in place of node-2.*db2 is not cleaned/);
    expect((await clusterOf(clusterId)).unfinished.join(' ')).toContain('node-2 on db2 was removed');
    await nothingToDo(clusterId);
    await host.boot();
    // It runs, and is not ready: nobody lets it take part.
    expect(await host.root('systemctl list-units --no-legend "synod-*"')).toMatch(/loaded activating|loaded active/);
    await snapshotWhere(under.client, ({ hosts }) => hosts[1]?.reachability.state === 'reachable');
    expect((await clusterOf(clusterId)).quorum).toMatchObject({ voters: 3, working: 3 });
    expect(await valuesOf(clusterId)).toEqual(['kept', 'kept', 'kept']);
    const cleaned = await done({ kind: 'remove', clusterId, nodeId });
    expect(cleaned.outcome).toMatch(/gone from db2\. db2 equals what it was at/);
    expect((await clusterOf(clusterId)).leaving).toEqual([]);
  });

  it('move data from their disk to that of the system and back, as the same user', async () => {
    const nodeId = await nodeOn(clusterId, 1);
    const host = lab.host(1);
    const before = await host.root('stat -c "%U:%G %a" /srv/data/synod/*/data');
    await done({ kind: 'move', clusterId, nodeId, dataFolder: null });
    expect(await host.root('ls -A /srv/data | grep -v lost+found || true')).toBe('');
    expect(await host.root(`stat -c "%U:%G %a" /var/lib/synod/*/data`)).toBe(before);
    await nothingToDo(clusterId);
    await done({ kind: 'move', clusterId, nodeId, dataFolder: '/srv/data' });
    await nothingToDo(clusterId);
    expect(await valuesOf(clusterId)).toEqual(['kept', 'kept', 'kept']);
  });

  it('come to a restored cluster without its seed', async () => {
    const path = join(stateDir, 'orders.backup');
    const order = { clusterId, path, force: false, why: null };
    await succeeded(under.client, (await under.client.backups.take(order)).operationId);
    const ports = { peerPort: 12_380, clientPort: 12_379 };
    const copy = { name: 'copy', hostIds: hostIds.slice(0, 3), place: 'system' as const, dataFolders: {}, ...ports };
    const started = await under.client.backups.restore({ ...copy, path });
    await succeeded(under.client, started.operationId);
    const id = started.clusterId;
    await done({ kind: 'add', clusterId: id, hostId: hostId(4), dataFolder: null, peerPort: null, clientPort: null });
    expect(await valuesOf(id)).toEqual(['kept', 'kept', 'kept', 'kept']);
    const config = await lab.host(4).root(`cat /etc/synod/nodes/${await nodeOn(id, 4)}/config.json`);
    expect(JSON.parse(config)).toMatchObject({ joining: { peerPort: 12_380 } });
    expect(config).not.toContain('seed');
    await nothingToDo(id);
  });
});
