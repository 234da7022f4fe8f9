/**
 * The engine is killed at a seeded moment of applying, of upgrading and of decommissioning a cluster on hosts with systemd; the same
 * asked for again ends in what was wanted, each time. SYNOD_KILLS: at how many moments each (20 take a quarter of an hour; without
 * it the fewer ones of `system-place.test.ts` and `../engine/killed-anywhere.test.ts` are enough); SYNOD_KILL_SEED replays a run.
 */
import { createHash } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineResources } from '../../electron/engine/engine.ts';
import { buildResources, type Client, makeStateDir, startEngine, succeeded } from '../engine/engine-under-test.ts';
import { killAfter } from '../engine/kill-engine.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import { labObstacle } from '../lab/obstacle.ts';
import { Random } from '../simulation/random.ts';

const obstacle = labObstacle();
const kills = Number(process.env['SYNOD_KILLS'] ?? 0);
const seed = Number(process.env['SYNOD_KILL_SEED'] ?? 20_261_126);
/** About how long each takes where nobody kills it. */
const WITHIN_MS = { apply: 9000, upgrade: 12_000, destroy: 5000 };

/** Everything that a capture is about, seen without Synod. */
const CAPTURE = `find /etc /opt /srv /usr /var/lib /root /home -xdev ! -path '/etc/*-' ! -path '/etc/.pwd.lock' ! -path '/var/lib/systemd/*' \\
  -printf '%p %y %m %u:%g\\n' | sort; cat /etc/passwd /etc/group; systemctl list-unit-files --no-legend --plain | grep -v transient; nft list ruleset`;

describe.skipIf(obstacle !== null || kills === 0)(
  `hosts of an engine that is killed anywhere (seed ${seed}; skipped: ${obstacle})`,
  { timeout: 120_000 + 120_000 * kills },
  () => {
    const stateDir = makeStateDir();
    const random = new Random(seed);
    let lab: Lab;
    let first: EngineResources;
    let second: EngineResources;

    beforeAll(async () => {
      lab = await startLab({ hosts: 3 });
      first = await buildResources(join(stateDir, 'dist'));
      second = anotherVersion(first);
    }, 15 * 60_000);
    afterAll(async () => {
      await lab.down();
      rmSync(stateDir, { recursive: true, force: true });
    });

    const anotherVersion = (resources: EngineResources): EngineResources => {
      const content = `// another version\n${readFileSync(resources.nodeBundlePath, 'utf8')}`;
      const nodeBundleVersion = `0.0.1-${createHash('sha256').update(content).digest('hex').slice(0, 12)}`;
      const nodeBundlePath = join(stateDir, 'dist', 'another.cjs');
      writeFileSync(nodeBundlePath, content);
      return { ...resources, nodeBundlePath, nodeBundleVersion };
    };
    const inEngine = async <T>(resources: EngineResources, work: (client: Client) => Promise<T>): Promise<T> => {
      const { client, engine } = await startEngine(stateDir, resources);
      return work(client).finally(() => engine.close());
    };
    const captures = () => Promise.all(lab.hosts.map((host) => host.root(CAPTURE, { timeoutMs: 60_000 })));
    const plan = (client: Client) =>
      client.fleet.get().then(async ({ hosts, clusters: [cluster] }) => {
        if (cluster) return client.clusters.plan({ clusterId: cluster.clusterId });
        const hostIds = hosts.map((host) => host.hostId);
        const dataFolders = Object.fromEntries(hostIds.map((hostId) => [hostId, '/srv/data']));
        const ports = { peerPort: null, clientPort: null };
        return client.clusters.plan({ name: 'orders', hostIds, ...ports, place: 'system', dataFolders });
      });
    /** Asked for again, and seen to be done. */
    const applied = (resources: EngineResources) =>
      inEngine(resources, async (client) => {
        const { operationId } = await client.clusters.apply({ name: 'orders', plan: null, why: null });
        await succeeded(client, operationId);
        expect(await plan(client)).toMatchObject({ changes: 0, refusals: [] });
      });
    const destroyed = () =>
      inEngine(second, async (client) => {
        const [cluster] = (await client.fleet.get()).clusters;
        if (!cluster) return;
        const { clusterId, lifecycle } = cluster;
        const destroy = { kind: 'clusterDestroy', clusterId, confirmName: 'orders' } as const;
        const isBegun = lifecycle === 'destroying';
        const begun = isBegun ? client.clusters.resume({ clusterId }) : client.actions.run(destroy);
        const { outcome } = await succeeded(client, (await begun).operationId);
        expect(outcome).not.toMatch(/differs/);
      });
    const killed = (resources: EngineResources, work: 'apply' | 'destroy', withinMs: number) =>
      killAfter({ stateDir, resources, work: [work, 'orders'] }, random.integer(0, withinMs));

    it('end in what was wanted, and at last as they were', async () => {
      await inEngine(first, async (client) => {
        for (const [at, { address, sshPort: port, keyPath }] of lab.hosts.entries()) {
          const auth = { kind: 'key' as const, path: keyPath };
          const host = { name: `db${at + 1}`, address, port, user: 'root', auth };
          const { hostId, reachability } = await client.hosts.add(host);
          await client.hosts.trustKey({ hostId, fingerprint: reachability.offeredKey?.fingerprint ?? '' });
        }
      });
      const before = await captures();
      for (let kill = 0; kill < kills; kill++) {
        expect(await inEngine(first, plan)).toMatchObject({ refusals: [] });
        await killed(first, 'apply', WITHIN_MS.apply);
        await applied(first);
        await killed(second, 'apply', WITHIN_MS.upgrade);
        await applied(second);
        await killed(second, 'destroy', WITHIN_MS.destroy);
        await destroyed();
        expect(await captures()).toEqual(before);
      }
    });
  },
);
