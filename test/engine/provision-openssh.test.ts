/** The same over OpenSSH's own sshd: an operator's host, with a home of its own for the test. */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, hasSshd, type Place, startOpenSsh } from '../ssh/places.ts';
import {
  buildResources,
  type EngineUnderTest,
  makeStateDir,
  startEngine,
  succeeded,
  withSmallRuntime,
} from './engine-under-test.ts';

describe.skipIf(!hasSshd)('a cluster of one over sshd', { timeout: 60_000 }, () => {
  const stateDir = makeStateDir();
  const home = join(tmpdir(), `sy-home-${process.pid}`);
  let place: Place;
  let under: EngineUnderTest;

  beforeAll(async () => {
    mkdirSync(home);
    place = await startOpenSsh(`SetEnv HOME=${home} SHLVL=1`);
    const dist = join(stateDir, 'dist');
    under = await startEngine(stateDir, withSmallRuntime(await buildResources(dist), dist));
  });
  afterAll(async () => {
    await under.engine.close();
    await place.stop();
    for (const folder of [home, stateDir]) rmSync(folder, { recursive: true });
  });

  it('is provisioned, logs, and is destroyed without residue', async () => {
    const { client } = under;
    const { address, port, user } = place.target;
    const key = join(place.folder, 'client');
    const added = await client.hosts.add({ name: 'alpha', address, port, user, auth: { kind: 'key', path: key } });
    const fingerprint = added.reachability.offeredKey?.fingerprint ?? '';
    const host = await client.hosts.trustKey({ hostId: added.hostId, fingerprint });
    expect(host.facts).toMatchObject({ home });
    const request = { name: 'solo', hostIds: [host.hostId], peerPort: await freePort(), clientPort: await freePort() };
    const plan = await client.clusters.plan(request);
    expect(plan).toMatchObject({ refusals: [], warnings: [expect.stringContaining('tolerates no failure')] });
    const { operationId, clusterId } = await client.clusters.create(request);
    await succeeded(client, operationId);
    const { nodeId } = (await client.fleet.get()).clusters[0]?.nodes[0] ?? { nodeId: '' };
    expect((await client.nodes.log({ nodeId, lines: 50 })).lines.length).toBeGreaterThan(0);
    const events = await client.events.list({ clusterId, beforeEventId: null, limit: 50 });
    expect(events.map((event) => event.subject)).toContain('solo');
    const destroyed = await client.actions.run({ kind: 'clusterDestroy', clusterId, confirmName: 'solo' });
    await succeeded(client, destroyed.operationId);
    expect(readdirSync(home)).toEqual([]);
    expect(await client.hosts.remove({ hostId: host.hostId })).toEqual({ removed: true });
  });
});
