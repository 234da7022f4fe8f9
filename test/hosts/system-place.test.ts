/**
 * The system place on real hosts with systemd: by sudo without a password, by sudo that asks, as root, and refused. Put there, found to
 * be as planned, mended, and taken off until the hosts are what they were.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineResources } from '../../electron/engine/engine.ts';
import {
  buildResources,
  type Client,
  type EngineUnderTest,
  ended,
  makeStateDir,
  startEngine,
  succeeded,
} from '../engine/engine-under-test.ts';
import { killAfter } from '../engine/kill-engine.ts';
import { PASSWORD } from '../lab/host-options.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import { labObstacle } from '../lab/obstacle.ts';
import { Random } from '../simulation/random.ts';

const obstacle = labObstacle();
const kills = Number(process.env['SYNOD_KILLS'] ?? 3);
const seed = Number(process.env['SYNOD_KILL_SEED'] ?? 20_261_125);

/** Everything that a capture is about, seen without Synod. */
const CAPTURE = `find /etc /opt /srv /usr /var/lib /root /home -xdev ! -path '/etc/*-' ! -path '/etc/.pwd.lock' ! -path '/var/lib/systemd/*' \\
  -printf '%p %y %m %u:%g\\n' | sort; cat /etc/passwd /etc/group; systemctl list-unit-files --no-legend --plain | grep -v transient; nft list ruleset`;

describe.skipIf(obstacle !== null)(`the system place (skipped: ${obstacle})`, { timeout: 400_000 }, () => {
  const stateDir = makeStateDir();
  const users = ['ops', 'deploy', 'root'];
  let lab: Lab;
  let resources: EngineResources;
  let under: EngineUnderTest;
  let hostIds: string[];
  let before: string[];

  const captures = () => Promise.all(lab.hosts.map((host) => host.root(CAPTURE, { timeoutMs: 60_000 })));
  const request = () => ({
    name: 'orders',
    hostIds,
    peerPort: null,
    clientPort: null,
    place: 'system' as const,
    dataFolders: Object.fromEntries(hostIds.map((hostId) => [hostId, '/srv/data'])),
  });
  const addHost = async (name: string, at: number, user: string) => {
    const { address, sshPort: port, keyPath } = lab.host(at);
    const { client } = under;
    const added = await client.hosts.add({ name, address, port, user, auth: { kind: 'key', path: keyPath } });
    const offered = added.reachability.offeredKey;
    // Trusted already where another login of the same host came before.
    if (offered === null) return added.hostId;
    expect(lab.host(at).fingerprints).toContain(offered.fingerprint);
    return (await client.hosts.trustKey({ hostId: added.hostId, fingerprint: offered.fingerprint })).hostId;
  };
  /** What became of it; empty where the killed engine was faster. */
  const destroyTheRest = async (client: Client): Promise<string> => {
    const [cluster] = (await client.fleet.get()).clusters;
    if (!cluster) return '';
    const { clusterId } = cluster;
    const { operationId } =
      cluster.lifecycle === 'destroying'
        ? await client.clusters.resume({ clusterId })
        : await client.actions.run({ kind: 'clusterDestroy', clusterId, confirmName: 'orders' });
    return (await succeeded(client, operationId)).outcome ?? '';
  };
  const renew = async () => {
    await under.engine.close();
    under = await startEngine(stateDir, resources);
  };

  beforeAll(async () => {
    lab = await startLab({ hosts: 3 });
    resources = await buildResources(join(stateDir, 'dist'));
    under = await startEngine(stateDir, resources);
    hostIds = [];
    for (const [index, user] of users.entries()) hostIds.push(await addHost(`db${index + 1}`, index + 1, user));
    before = await captures();
  }, 15 * 60_000);
  afterAll(async () => {
    await under.engine.close();
    await lab.down();
    rmSync(stateDir, { recursive: true, force: true });
  });

  it('is refused to a login without rights, with what to do', async () => {
    const plain = await addHost('plain', 1, 'plain');
    const refusals = async () =>
      (await under.client.clusters.plan({ ...request(), hostIds: [plain], dataFolders: {} })).refusals;
    // sudo tells who is not in sudoers only once it has the right password.
    expect(await refusals()).toEqual([expect.stringMatching(/sudo asks for the password of plain/)]);
    await under.client.hosts.provideSecret({ hostId: plain, secret: PASSWORD, purpose: 'sudo' });
    expect(await refusals()).toEqual([expect.stringMatching(/^plain may not become root on plain: .*home place/)]);
    await under.client.hosts.remove({ hostId: plain });
  });

  it('asks for the password that sudo asks for, and refuses a wrong one', async () => {
    const deploy = hostIds[1] ?? '';
    const refusals = async () => (await under.client.clusters.plan(request())).refusals;
    expect(await refusals()).toEqual([expect.stringMatching(/^On db2, sudo asks for the password of deploy/)]);
    await under.client.hosts.provideSecret({ hostId: deploy, secret: 'wrong', purpose: 'sudo' });
    expect(await refusals()).toEqual([expect.stringMatching(/^On db2, sudo does not take the given password/)]);
    await under.client.hosts.provideSecret({ hostId: deploy, secret: PASSWORD, purpose: 'sudo' });
    expect(await refusals()).toEqual([]);
  });

  it('does exactly what was planned, and then has nothing to do', async () => {
    const { client } = under;
    const plan = await client.clusters.plan(request());
    expect((await client.clusters.plan(request())).hash).toBe(plan.hash);
    const { operationId, clusterId } = await client.clusters.apply({ name: 'orders', plan: plan.hash, why: 'a test' });
    const operation = await succeeded(client, operationId);
    expect(operation.steps.filter((step) => step.state !== 'succeeded')).toEqual([]);
    expect(await client.clusters.plan({ clusterId })).toMatchObject({ changes: 0, refusals: [] });
    for (const host of lab.hosts) {
      const unit = (await host.root('cd /etc/systemd/system && echo synod-*.service')).trim();
      expect(await host.root(`systemctl is-active ${unit}; systemctl is-enabled ${unit}`)).toBe('active\nenabled\n');
      expect(await host.root(`ps -o user= -p "$(systemctl show --property MainPID --value ${unit})"`)).toBe('synod\n');
      expect(await host.root('ls /srv/data/synod/*/data')).not.toBe('');
    }
    const [entry] = await client.audit.list({ limit: 1 });
    expect(entry).toMatchObject({ result: 'succeeded', why: 'a test', plan: plan.hash, cluster: 'orders' });
    expect(entry?.commands.length).toBeGreaterThan(10);
    expect(JSON.stringify(entry)).not.toContain(PASSWORD);
  });

  it('is found with its record by another console, by sudo, and taken over with the certificates of its nodes', async () => {
    const elsewhere = makeStateDir();
    const other = await startEngine(elsewhere, resources);
    const first = under;
    try {
      under = other;
      const asked = [await addHost('x1', 1, 'ops'), await addHost('x3', 3, 'root')];
      const request = { hostIds: asked, cluster: 'orders', authority: null };
      const found = await other.client.clusters.lookToAdopt(request);
      expect(found).toMatchObject({ place: 'system', differences: [], standing: 'new' });
      expect(found.members.map(({ host, state }) => `${host} ${state}`)).toEqual(['x1 seen', 'db2 unknown', 'x3 seen']);
      expect(await other.client.clusters.adopt({ ...request, digest: found.digest })).toMatchObject({
        standing: 'same',
        differences: [expect.stringContaining('db2')],
      });
      const { clusters } = await other.client.fleet.get();
      expect(clusters).toMatchObject([{ name: 'orders', lifecycle: 'provisioned', nodes: [{}, {}, {}] }]);
    } finally {
      under = first;
      await other.engine.close();
      rmSync(elsewhere, { recursive: true, force: true });
    }
  });

  it('says what changed where a plan is stale, mends what was changed by hand, and restarts only that node', async () => {
    const { client } = under;
    const clusterId = (await client.fleet.get()).clusters[0]?.clusterId ?? '';
    const pids = () => Promise.all(lab.hosts.map((host) => host.root("systemctl show -p MainPID 'synod-*'")));
    const was = await pids();
    await lab
      .host(1)
      .root("chmod 0777 /etc/synod/nodes/*; sed -i '/electionTimeoutMs/s/300/301/' /etc/synod/nodes/*/config.json");
    const plan = await client.clusters.plan({ clusterId });
    expect(plan.refusals).toEqual([]);
    expect(plan.hosts.map((host) => host.steps.length)).toEqual([3, 0, 0]);
    await lab.host(1).root("sed -i '/electionTimeoutMs/s/301/302/' /etc/synod/nodes/*/config.json");
    const stale = await client.clusters.apply({ name: 'orders', plan: plan.hash, why: null });
    expect((await ended(client, stale.operationId)).failure).toMatchObject({
      kind: 'stalePlan',
      message: expect.stringMatching(/db1: .*config\.json was/),
    });
    await succeeded(client, (await client.clusters.apply({ name: 'orders', plan: null, why: null })).operationId);
    expect(await client.clusters.plan({ clusterId })).toMatchObject({ changes: 0 });
    const now = await pids();
    expect(now.map((pid, at) => pid === was[at])).toEqual([false, true, true]);
  });

  it('is taken off until the hosts are what they were, wherever the engine is killed, and put back likewise', async () => {
    const random = new Random(seed);
    // The password lives in the engine that is killed.
    await lab.host(2).root("sed -i 's/^deploy .*/deploy ALL=(ALL) NOPASSWD: ALL/' /etc/sudoers.d/*");
    await under.engine.close();
    const work = (...words: string[]) => ({ stateDir, resources, work: words });
    for (let kill = 0; kill < kills; kill++)
      if ((await killAfter(work('destroy', 'orders'), random.integer(0, 6000))).startsWith('ended succeeded')) break;
    under = await startEngine(stateDir, resources);
    const outcome = await destroyTheRest(under.client);
    expect(outcome).not.toMatch(/differs/);
    expect(await captures()).toEqual(before);
    await renew();
  });
});
