/** A cluster on three hosts that are reached with the system's ssh, from nothing and back to nothing. */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, hasSsh, hasSshd, type Place, startOpenSsh } from '../ssh/places.ts';
import {
  buildResources,
  type EngineUnderTest,
  makeStateDir,
  snapshotWhere,
  startEngine,
  succeeded,
  withSmallRuntime,
} from './engine-under-test.ts';

const canRun = hasSshd && hasSsh;
it.for(canRun ? [] : ['skipped: no sshd or no ssh here'])('%s', (_reason, { skip }) => skip());

describe.skipIf(!canRun)("a cluster over the system's ssh", { timeout: 120_000 }, () => {
  const stateDir = makeStateDir();
  const homes = [1, 2, 3].map((number) => join(stateDir, `home-${number}`));
  let places: Place[];
  let under: EngineUnderTest;

  beforeAll(async () => {
    for (const home of homes) mkdirSync(home);
    places = await Promise.all(
      homes.map(async (home, index) => await startOpenSsh(`SetEnv HOME=${home} SHLVL=1`, `127.0.2.${31 + index}`)),
    );
    const dist = join(stateDir, 'dist');
    // No configuration of whoever runs the test.
    const sshWorld = { files: [] };
    under = await startEngine(stateDir, withSmallRuntime(await buildResources(dist), dist), { sshWorld });
  });
  afterAll(async () => {
    await under.engine.close();
    await Promise.all(places.map((place) => place.stop()));
    rmSync(stateDir, { recursive: true });
  });

  /** The last one by way of the builtin transport. */
  async function addHost(place: Place, index: number): Promise<string> {
    const { client } = under;
    const { address, port, user } = place.target;
    const auth = { kind: 'key', path: join(place.folder, 'client') } as const;
    const transport = index === 2 ? 'builtin' : 'openssh';
    const { hostId, reachability } = await client.hosts.add({
      name: `h${index}`,
      address,
      port,
      user,
      auth,
      transport,
    });
    expect(reachability.state).toBe('hostKeyUnknown');
    await client.hosts.trustKey({ hostId, fingerprint: reachability.offeredKey?.fingerprint ?? '' });
    const view = await client.hosts.setTransport({ hostId, transport: 'openssh' });
    expect(view).toMatchObject({ transport: 'openssh', reachability: { state: 'reachable' } });
    return hostId;
  }

  it('is provisioned, survives lost connections, and is destroyed without residue', async () => {
    const { client } = under;
    const hostIds = await Promise.all(places.map(addHost));
    const request = { name: 'trio', hostIds, peerPort: await freePort(), clientPort: await freePort() };
    const { operationId, clusterId } = await client.clusters.create(request);
    await succeeded(client, operationId);
    const isFine = await snapshotWhere(client, (one) => one.clusters[0]?.health.level === 'ok');
    expect(isFine.clusters[0]?.quorum).toMatchObject({ size: 2, working: 3 });

    const clients = ownClients();
    expect(clients).toHaveLength(3);
    for (const pid of clients) process.kill(pid, 'SIGKILL');
    const lost = await snapshotWhere(client, (one) =>
      one.hosts.some((host) => host.reachability.state !== 'reachable'),
    );
    // Each host's agent is asked anew once its connection stands again.
    await snapshotWhere(client, (one) => one.hosts.every((host) => (host.sampledAtUnixMs ?? 0) > lost.atUnixMs));
    const { nodeId } = isFine.clusters[0]?.nodes[0] ?? { nodeId: '' };
    expect((await client.nodes.log({ nodeId, lines: 50 })).lines.length).toBeGreaterThan(0);

    const destroyed = await client.actions.run({ kind: 'clusterDestroy', clusterId, confirmName: 'trio' });
    await succeeded(client, destroyed.operationId);
    expect(homes.map((home) => readdirSync(home))).toEqual([[], [], []]);
  });
});

/** The ssh processes that this process started. */
function ownClients(): number[] {
  const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ');
  return children.map(Number).filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('/synod-ssh-'));
}
