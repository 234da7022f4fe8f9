/**
 * The engine is killed at seeded moments of applying and of decommissioning, on a host with OpenSSH's own sshd: a second run always
 * ends in what is wanted. SYNOD_KILLS: at how many moments each; SYNOD_KILL_SEED replays a run.
 */
import { randomInt } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineResources } from '../../electron/engine/engine.ts';
import { Random } from '../simulation/random.ts';
import { freePort, hasSshd, type Place, startOpenSsh } from '../ssh/places.ts';
import {
  buildResources,
  type Client,
  makeStateDir,
  startEngine,
  succeeded,
  withSmallRuntime,
} from './engine-under-test.ts';
import { killAfter } from './kill-engine.ts';

const kills = Number(process.env['SYNOD_KILLS'] ?? 4);
const seed = Number(process.env['SYNOD_KILL_SEED'] ?? randomInt(1, 2 ** 31));

describe.skipIf(!hasSshd)(
  `an engine that is killed anywhere (seed ${seed})`,
  { timeout: 60_000 + 20_000 * kills },
  () => {
    const stateDir = makeStateDir();
    const home = join(tmpdir(), `sy-home-${process.pid}`);
    const random = new Random(seed);
    let place: Place;
    let resources: EngineResources;

    beforeAll(async () => {
      mkdirSync(home);
      place = await startOpenSsh(`SetEnv HOME=${home} SHLVL=1`);
      const dist = join(stateDir, 'dist');
      resources = withSmallRuntime(await buildResources(dist), dist);
    });
    afterAll(async () => {
      await place.stop();
      for (const folder of [home, stateDir]) rmSync(folder, { recursive: true, force: true });
    });

    const inEngine = async <T>(work: (client: Client) => Promise<T>): Promise<T> => {
      const { client, engine } = await startEngine(stateDir, resources);
      return work(client).finally(() => engine.close());
    };

    it('leaves nothing that the next run does not put right', async () => {
      const plan = await inEngine(async (client) => {
        const { address, port, user } = place.target;
        const key = join(place.folder, 'client');
        const added = await client.hosts.add({ name: 'alpha', address, port, user, auth: { kind: 'key', path: key } });
        const fingerprint = added.reachability.offeredKey?.fingerprint ?? '';
        const { hostId } = await client.hosts.trustKey({ hostId: added.hostId, fingerprint });
        const ports = { peerPort: await freePort(), clientPort: await freePort() };
        return client.clusters.plan({ name: 'solo', hostIds: [hostId], ...ports });
      });
      expect(plan).toMatchObject({ refusals: [], changes: expect.any(Number) });
      const clusterId = async (client: Client) => (await client.fleet.get()).clusters[0]?.clusterId ?? '';

      const apply = { stateDir, resources, work: ['apply', 'solo'] };
      for (let kill = 0; kill < kills; kill++) await killAfter(apply, random.integer(0, 1500));
      await inEngine(async (client) => {
        const { operationId } = await client.clusters.apply({ name: 'solo', plan: null, why: null });
        await succeeded(client, operationId);
        const again = await client.clusters.plan({ clusterId: await clusterId(client) });
        expect(again).toMatchObject({ changes: 0, refusals: [] });
        expect(readdirSync(join(home, '.synod/nodes'))).toHaveLength(1);
      });

      const destroy = { stateDir, resources, work: ['destroy', 'solo'] };
      for (let kill = 0; kill < kills; kill++) {
        if ((await killAfter(destroy, random.integer(0, 1200))).startsWith('ended succeeded')) break;
      }
      await inEngine(async (client) => {
        const [cluster] = (await client.fleet.get()).clusters;
        if (!cluster) return;
        const { operationId } =
          cluster.lifecycle === 'destroying'
            ? await client.clusters.resume({ clusterId: cluster.clusterId })
            : await client.actions.run({ kind: 'clusterDestroy', clusterId: cluster.clusterId, confirmName: 'solo' });
        const { outcome } = await succeeded(client, operationId);
        expect(outcome).toContain('alpha equals what it was');
      });
      expect(readdirSync(home)).toEqual([]);
    });
  },
);
