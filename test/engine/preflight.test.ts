/** A preflight of several hosts, over real SSH servers on this computer: figures of each, and who reaches whom. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labUp } from '../../electron/engine/lab/lab.ts';
import type { LabState } from '../../electron/engine/lab/lab-state.ts';
import {
  buildResources,
  cleanUp,
  type EngineUnderTest,
  makeStateDir,
  startEngine,
  ended,
} from './engine-under-test.ts';

describe.skipIf(process.platform !== 'linux')('preflight', { timeout: 120_000 }, () => {
  const stateDir = makeStateDir();
  const ports = { peerPort: 17_580, clientPort: 17_579 };
  let lab: LabState;
  let under: EngineUnderTest;
  let hostIds: string[];

  beforeAll(async () => {
    const resources = await buildResources(join(stateDir, 'dist'));
    const script = resources.labServerPath ?? '';
    lab = await labUp({ root: join(stateDir, 'lab'), hosts: 3, server: { execPath: process.execPath, script } });
    under = await startEngine(stateDir, resources);
    const added = await Promise.all(
      lab.hosts.map(async (host, at) => {
        const address = { name: `op-${at + 1}`, address: host.address, port: host.sshPort, user: lab.user };
        const auth = { kind: 'key', path: lab.clientKeyPath } as const;
        const view = await under.client.hosts.add({ ...address, auth });
        const fingerprint = view.reachability.offeredKey?.fingerprint ?? '';
        return under.client.hosts.trustKey({ hostId: view.hostId, fingerprint });
      }),
    );
    hostIds = added.map((host) => host.hostId);
  });
  afterAll(async () => {
    await under.engine.close();
    await cleanUp(stateDir);
  });

  const check = () =>
    under.client.hosts.preflight({ hostIds, dataDir: null, heartbeatMs: null, electionTimeoutMs: null, ...ports });

  it('tells of each host what a node would find there, and leaves nothing', async () => {
    const { hosts } = await check();
    expect(hosts).toHaveLength(3);
    for (const { items } of hosts) {
      const found = (check: string) => items.find((item) => item.check === check);
      expect(found('disk sync')?.found).toMatch(/^fdatasync p50 [\d.]+ ms, p99 [\d.]+ ms of \d+/);
      expect(found('clock')?.found).toMatch(/from the median of 3 hosts$/);
      expect(found('memory')?.found).toMatch(/MiB of \d+ MiB available$/);
    }
    for (const host of lab.hosts) expect(readdirSync(host.home)).toEqual([]);
  });

  it('every host calls every other on both ports, and a port that is taken is not blamed on the way', async () => {
    const free = (await check()).links;
    expect(free).toHaveLength(3 * 2 * 2);
    for (const link of free) expect(link).toMatchObject({ verdict: 'pass', roundTripMs: expect.any(Number) });

    const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    server.listen(ports.peerPort, lab.hosts[1]?.address);
    await once(server, 'listening');
    const taken = (await check()).links.filter((link) => link.found.includes('another program'));
    server.close();
    expect(taken.map((link) => [link.toHostId, link.port])).toEqual([
      [hostIds[1], ports.peerPort],
      [hostIds[1], ports.peerPort],
    ]);
  });

  it('runs no fix but the one that was shown', async () => {
    const request = { hostId: hostIds[0] ?? '', check: 'swap', fixId: 'swappiness', commands: ['touch ~/oops'] };
    const { operationId } = await under.client.hosts.fix(request);
    const operation = await ended(under.client, operationId);
    expect(operation).toMatchObject({ state: 'failed', failure: { kind: 'stale', host: 'op-1' } });
    expect(readdirSync(lab.hosts[0]?.home ?? '')).toEqual([]);
  });
});
