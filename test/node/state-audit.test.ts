/**
 * A node whose memory is damaged: the log is the same on all nodes, its state is not. The damage is in a bundle that flips one bit
 * of a stored value after everything about it was checked and hashed; all else is the product.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { memberIdOf } from '../../cluster-node/api/identity.ts';
import { AlarmType } from '../../cluster-node/contract/etcd/rpc.ts';
import { nodeExitCodes } from '../../cluster-node/contract/exit-codes.ts';
import { buildNodeBundle } from '../fixtures/node-bundle.ts';
import { createTestCluster, type TestCluster } from '../fixtures/test-cluster.ts';
import { until } from '../fixtures/until.ts';
import { Writer } from '../fixtures/writer.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

const SABOTAGE = {
  file: 'cluster-node/machine/store.ts',
  instead: '    this.#noteChange(version, version);\n  }',
  put: `    this.#noteChange(version, version);
    if (Buffer.from(key).toString() === 'poisoned') slab.bytes[offset + key.length] ^= 1;
  }`,
};

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await createTestCluster(3, { snapshotRule: { slotInterval: 1024, minBytes: 0, maxSlots: 1024 } });
});
afterAll(() => cluster.close());

test('a node whose state is not the majority’s stops, and has built it again after a restart', async () => {
  const bad = cluster.node(3);
  const bundle = await buildNodeBundle(cluster.root, { name: 'sabotaged.cjs', sabotage: SABOTAGE });
  cluster.node(1).start();
  cluster.node(2).start();
  bad.start(bad.configPath, bundle);
  await cluster.leader();
  const client = cluster.client(cluster.node(1));
  await client.put('poisoned', 'value');
  const writer = new Writer(cluster, cluster.node(1), 'on');
  const read = async () => {
    const own = cluster.client(bad);
    return own.get('poisoned', { serializable: true }).finally(() => own.close());
  };
  await until('the damage', async () => (await read()) === 'walue');
  expect(await bad.exited()).toBe(nodeExitCodes.stateDiverged);
  expect(bad.log).toMatch(/this node differs from the majority in the whole state at slot \d+/);
  const alarms = await until('the others to say so', async () => {
    const samples = await Promise.all([1, 2].map((slot) => cluster.node(slot).sample()));
    return samples.every((sample) => sample.alarms.length > 0) && samples[0]?.alarms;
  });
  expect(alarms.join()).toMatch(/node-3 differs from the majority in the whole state at slot \d+/);
  const corrupt = { memberID: memberIdOf(bad.member.nodeId), alarm: AlarmType.CORRUPT };
  expect(await client.alarms()).toEqual([corrupt]);

  bad.start();
  await bad.ready();
  await until(
    'the others to take it back',
    async () => {
      const samples = await Promise.all([1, 2].map((slot) => cluster.node(slot).sample()));
      return samples.every((sample) => sample.alarms.length === 0);
    },
    30_000,
  );
  expect(await client.alarms()).toEqual([]);
  await writer.stop();
  await cluster.level();
  expect(await read()).toBe('value');
  client.close();
});

test('a host set up anew with the old certificates does not vote again', async () => {
  const wiped = cluster.node(2);
  await wiped.kill();
  rmSync(join(wiped.dir, 'data'), { recursive: true });
  rmSync(join(wiped.dir, 'born.json'));
  wiped.start();
  await wiped.ready();
  const reason =
    /member 2 comes with another disk \([0-9a-f]{16}\) than it had \([0-9a-f]{16}\): what it promised is lost/;
  for (const other of [1, 3])
    await until(`node ${other} to say so`, async () =>
      (await cluster.node(other).sample()).alarms.some((alarm) => reason.test(alarm)),
    );
  // It is one of two that are left: nothing is decided on its word.
  await cluster.node(3).kill();
  const client = cluster.client(cluster.node(1));
  await expect(client.put('key', 'value', 3000)).rejects.toThrow(/no leader|timed out|DEADLINE|UNAVAILABLE/);
  client.close();
  expect((await wiped.sample()).decidedUpTo).toBe(0);
});
