/** A disk that changes decided entries while their node runs, which a peer that was away needs. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { nodeExitCodes } from '../../cluster-node/contract/exit-codes.ts';
import { inspect, rot } from '../fixtures/data-folder.ts';
import { createTestCluster, type TestCluster, type TestNode } from '../fixtures/test-cluster.ts';
import { missingWrites } from '../fixtures/writer.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await createTestCluster(3);
  cluster.start();
  await cluster.leader();
});
afterAll(() => cluster.close());

test('ends the node with its own exit code, is repaired at the next start, and nothing is lost', async () => {
  const [first, second, away] = [cluster.node(1), cluster.node(2), cluster.node(3)];
  away.signal('SIGTERM');
  await away.exited();
  await cluster.leader([first, second]);
  const client = cluster.client(first);
  const written = new Map(Array.from({ length: 60 }, (_, index) => [`key-${index}`, `value ${index}`]));
  for (const [key, value] of written) await client.put(key, value, 10_000);
  client.close();

  // Once started again they have the decided entries on disk only. Each loses another one while it runs.
  const reports = [];
  for (const node of [first, second]) {
    node.signal('SIGTERM');
    await node.exited();
    reports.push(inspect(cluster, node).report);
  }
  for (const node of [first, second]) node.start();
  await cluster.leader([first, second]);
  rot(first, reports[0] as (typeof reports)[0], { slots: [20], part: 'value' });
  rot(second, reports[1] as (typeof reports)[0], { slots: [40], part: 'value' });

  const exits: (number | null)[] = [];
  const level = new AbortController();
  const keep = async (node: TestNode) => {
    for (;;) {
      const code = await node.exited();
      if (level.signal.aborted) return;
      exits.push(code);
      node.start();
    }
  };
  const kept = [keep(first), keep(second)];
  away.start();
  await cluster.level(cluster.nodes, 40_000);
  level.abort();
  expect(exits.length).toBeGreaterThan(0);
  expect(new Set(exits)).toEqual(new Set([nodeExitCodes.entryDamaged]));
  for (const node of cluster.nodes) expect(await missingWrites(cluster, node, written)).toEqual([]);
  await cluster.close();
  await Promise.all(kept);
});
