/** Disks that change bytes of the log while a node is down: said, repaired from whoever has an intact copy, and nothing is lost. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { nodeExitCodes } from '../../cluster-node/contract/exit-codes.ts';
import { flip, inspect, rot } from '../fixtures/data-folder.ts';
import { createTestCluster, type TestCluster, type TestNode } from '../fixtures/test-cluster.ts';
import { until } from '../fixtures/until.ts';
import { missingWrites } from '../fixtures/writer.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

const WRITES = 120;
const RULE = { slotInterval: 1024, minBytes: 0, maxSlots: 1024 };
const IN_FLIGHT = 16;
const acknowledged = new Map<string, string>();
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await createTestCluster(3, { snapshotRule: RULE });
  cluster.start();
  await cluster.leader();
  await write(WRITES);
  await cluster.level();
});
afterAll(() => cluster.close());

async function write(count: number): Promise<void> {
  const client = cluster.client(cluster.node(1));
  let next = acknowledged.size + 1;
  const upTo = acknowledged.size + count;
  const one = async () => {
    while (next <= upTo) {
      const key = `key-${next++}`;
      await client.put(key, `value of ${key}`, 10_000);
      acknowledged.set(key, `value of ${key}`);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
  client.close();
}

async function stop(node: TestNode): Promise<void> {
  node.signal('SIGTERM');
  expect(await node.exited()).toBe(nodeExitCodes.stopped);
}

/** Damages what this stopped node accepted in these slots; what `inspect` makes of it before and after. */
function damage(node: TestNode, slots: { readonly value: readonly number[]; readonly header: readonly number[] }) {
  const before = inspect(cluster, node);
  expect(before).toMatchObject({ exitCode: 0, report: { verdict: 'sound', damages: [], faulty: [] } });
  expect(before.text).toMatch(/verdict +sound: would start/);
  rot(node, before.report, { slots: slots.value, part: 'value' });
  rot(node, before.report, { slots: slots.header, part: 'header' });
  const after = inspect(cluster, node);
  const damaged = [...slots.value, ...slots.header].sort((left, right) => left - right);
  expect(after).toMatchObject({ exitCode: 1, report: { verdict: 'faulty' } });
  expect(after.report.faulty.map(({ slot }) => slot)).toEqual(damaged);
  expect(after.text).toContain(`slot ${damaged[0]} is faulty, accepted under`);
  expect(after.text).toMatch(/0000000000000001\.log, offset \d+ to \d+, record \d+: bitRot: /);
  expect(after.text).toContain(`verdict       faulty: would start with ${damaged.length} faulty slots to repair`);
}

test('two disks lose values in different slots, and in one slot both: all are repaired', async () => {
  const [whole, second, third] = [cluster.node(1), cluster.node(2), cluster.node(3)];
  for (const node of [third, second, whole]) await stop(node);
  damage(second, { value: [20, 21, 60], header: [70] });
  damage(third, { value: [10, 11, 50, 60], header: [80, WRITES] });

  // Each one starts and says what it lacks; alone it can do nothing about it.
  third.log = '';
  third.start();
  const alone = await third.ready();
  expect(alone.faultySlots).toBe(6);
  expect(alone.alarms.join('\n')).toMatch(
    /the disk damaged the log: bitRot in log\/0+1\.log, offset \d+: the value of slot 10/,
  );
  expect(third.log).toMatch(/"faulty":6/);

  // The two give each other what they have. Slot 60 neither has, so nobody may lead.
  second.start();
  await until('them to say what is missing', async () => {
    const samples = await Promise.all([second.sample(), third.sample()]);
    return samples.some(({ behind }) => behind?.includes('a value may have been chosen in slot 60'));
  });
  expect((await third.sample()).believedLeader).toBe(0);

  whole.start();
  await cluster.leader();
  await write(20);
  await until('the repair', async () => {
    const samples = await Promise.all([second.sample(), third.sample()]);
    return samples.every(({ faultySlots }) => faultySlots === 0);
  });
  await cluster.level();
  for (const node of [second, third]) expect(await missingWrites(cluster, node, acknowledged)).toEqual([]);

  // What was lost stands in the log again, further behind: a restart finds nothing to repair.
  for (const node of [second, third]) {
    await stop(node);
    const { exitCode, report, text } = inspect(cluster, node);
    expect(report.faulty).toEqual([]);
    expect(exitCode).toBe(1);
    expect(text).toContain('would start: nothing that counts is lost, but the disk has damaged the log');
    node.start();
    expect((await node.ready()).faultySlots).toBe(0);
  }
  await cluster.level();
  for (const node of [second, third]) expect(await missingWrites(cluster, node, acknowledged)).toEqual([]);
});

test('damage below a snapshot counts when the snapshot is gone: one comes from a peer', async () => {
  const [peer, node] = [cluster.node(1), cluster.node(2)];
  await write(2 * RULE.slotInterval);
  await until('two snapshots', async () => (await node.sample()).snapshotSlot >= 2 * RULE.slotInterval);
  await until('two snapshots there', async () => (await peer.sample()).snapshotSlot >= 2 * RULE.slotInterval);
  await stop(node);
  rot(node, inspect(cluster, node).report, { slots: [500], part: 'value' });
  expect(inspect(cluster, node).report.faulty).toEqual([]);
  rmSync(join(node.dir, 'data/snapshots'), { recursive: true });
  node.log = '';
  node.start();
  await node.ready();
  expect(node.log).toMatch(
    /fetching a snapshot from a peer, because the snapshot above it is gone: .*slot 500 is damaged/,
  );
  await cluster.level();
  expect(await missingWrites(cluster, node, new Map([...acknowledged].slice(0, 600)))).toEqual([]);
});

test('damage that may hide a promise keeps the node down, and inspect says why', async () => {
  const node = cluster.node(3);
  await stop(node);
  const { report } = inspect(cluster, node);
  // The head that vouches for the last records, and the last record itself: nothing behind them says what they were.
  const last = report.records.slice(-3);
  for (const { segment, offset } of last)
    flip(join(node.dir, `data/log/${String(segment).padStart(16, '0')}.log`), offset);
  const refused = inspect(cluster, node);
  expect(refused).toMatchObject({ exitCode: 2, report: { verdict: 'refuses', state: null } });
  expect(refused.text).toMatch(/verdict +refuses: .*record \d+/);
  expect(refused.text).toContain('replace the node: the other nodes have its data');
  node.log = '';
  node.start();
  expect(await node.exited()).toBe(nodeExitCodes.dataRefused);
  expect(node.log).toMatch(/has lost what this node promised: .*replace it, the other nodes have its data/);
  await write(1);
});
