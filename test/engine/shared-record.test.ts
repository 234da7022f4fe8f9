/** The record and the lock that a cluster's hosts keep for its consoles: real engines, each with its own state folder, on the same hosts. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineResources } from '../../electron/engine/engine.ts';
import { verifyRecord } from '../../electron/engine/provision/shared/cluster-record.ts';
import { buildResources, ended, succeeded, withSmallRuntime } from './engine-under-test.ts';
import { type Console, Consoles } from './two-consoles.ts';

const ports = { peerPort: 17_480, clientPort: 17_479 };

describe.skipIf(process.platform !== 'linux')(
  'what the hosts of a cluster keep for its consoles',
  {
    timeout: 120_000,
  },
  () => {
    const consoles = new Consoles();
    let resources: EngineResources;
    let first: Console;
    let clusterId = '';

    beforeAll(async () => {
      resources = withSmallRuntime(await buildResources(consoles.dist), consoles.dist);
      await consoles.up(resources, 3);
      first = await consoles.start(resources, ['a-1', 'a-2', 'a-3']);
    });
    afterAll(() => consoles.down());

    const recordFile = () => ['clusters', `${clusterId}.json`];
    const authority = () => readFileSync(join(first.stateDir, 'clusters', clusterId, 'ca.pem'), 'utf8');
    const records = () =>
      consoles.filesAt(...recordFile()).map((text) => verifyRecord(text ?? '', [authority()]).record);
    const restart = async (console: Console) =>
      ended(console.client, (await console.client.clusters.restart({ clusterId, why: null })).operationId);

    it('is a record on each, signed by the authority of the cluster, once it was created', async () => {
      const hostIds = first.hosts.map((host) => host.hostId);
      const created = await first.client.clusters.create({ name: 'orders', hostIds, ...ports });
      clusterId = created.clusterId;
      await succeeded(first.client, created.operationId);
      const [record, ...others] = records();
      expect(others).toEqual([record, record]);
      expect(record).toMatchObject({
        sequence: 2,
        cluster: { clusterId, name: 'orders', place: 'home', releaseVersion: resources.nodeBundleVersion },
        lastOperation: { kind: 'clusterCreate', result: 'succeeded', operationId: created.operationId },
      });
      expect(record?.members.map((member) => [member.name, member.host.name])).toEqual([
        ['node-1', 'a-1'],
        ['node-2', 'a-2'],
        ['node-3', 'a-3'],
      ]);
      for (const text of consoles.filesAt(...recordFile())) expect(text).not.toMatch(/PRIVATE|clientKey|auth"/);
      expect(consoles.namesAt('locks')).toEqual([[], [], []]);
    });

    it('is not written again when nothing was to be done, and is after a restart', async () => {
      await succeeded(first.client, (await first.client.clusters.resume({ clusterId })).operationId);
      expect(records().map((record) => record.sequence)).toEqual([2, 2, 2]);
      expect(await restart(first)).toMatchObject({ state: 'succeeded' });
      expect(records().map((record) => [record.sequence, record.lastOperation.kind])).toEqual(
        Array.from({ length: 3 }, () => [4, 'clusterRestart']),
      );
      expect(consoles.namesAt('locks')).toEqual([[], [], []]);
    });

    it('is refused where its signature is not of its content, and nothing is changed then', async () => {
      const path = consoles.pathAt(1, ...recordFile());
      const text = readFileSync(path, 'utf8');
      writeFileSync(path, text.replace('"name": "orders"', '"name": "others"'));
      const { failure } = await restart(first);
      expect(failure).toMatchObject({ kind: 'recordNotOurs', host: 'a-2' });
      expect(failure?.message).toContain('its signature is not of this content');
      const plan = await first.client.clusters.plan({ clusterId });
      expect(plan).toMatchObject({ hash: null, refusals: [expect.stringContaining('cannot be believed')] });
      expect(consoles.namesAt('locks')).toEqual([[], [], []]);
      expect(readFileSync(consoles.pathAt(0, ...recordFile()), 'utf8')).toBe(text);
      writeFileSync(path, text);
    });

    it('goes with the cluster, and so does the lock', async () => {
      const { operationId } = await first.client.actions.run({
        kind: 'clusterDestroy',
        clusterId,
        confirmName: 'orders',
      });
      const { outcome } = await succeeded(first.client, operationId);
      expect(outcome?.match(/equals what it was/g)).toHaveLength(3);
      for (const { home } of consoles.lab.hosts) expect(existsSync(join(home, '.synod'))).toBe(false);
    });
  },
);
