/** A leader's disk becomes slow while clients write. */
import { closeSync, openSync, rmSync } from 'node:fs';
import { afterEach, expect, test, vi } from 'vitest';
import { measured } from '../fixtures/measured.ts';
import { canBeSlow } from '../fixtures/slow-disk.ts';
import { createTestCluster, type TestCluster, type TestNode } from '../fixtures/test-cluster.ts';
import { until } from '../fixtures/until.ts';
import { Writer } from '../fixtures/writer.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

const SLOWER_BY_MS = 250;
/** Longer than it would take leadership to come back if it did. */
const WATCHED_MS = 3000;
let cluster: TestCluster;
afterEach(() => cluster.close());

async function eventsOf(node: TestNode): Promise<string[]> {
  const { events } = await node.admin('events', { boot: null, afterSequence: 0 });
  return events.filter(({ kind }) => kind === 'handingOver').map(({ text }) => text);
}

test('a leader whose disk is slow hands over, says why, and leadership stays where it went', async () => {
  cluster = await createTestCluster(3);
  const slowWhile = new Map(cluster.nodes.map((node) => [node, canBeSlow(node, SLOWER_BY_MS)]));
  cluster.start();
  const leader = await cluster.leader();
  const others = cluster.nodes.filter((node) => node !== leader);
  const writers = others.map((node) => new Writer(cluster, node, `through-${node.member.name}`));
  await until('first writes', () => writers.every(({ acknowledged }) => acknowledged.size > 20));
  expect(await eventsOf(leader)).toEqual([]);

  closeSync(openSync(slowWhile.get(leader) as string, 'w'));
  const startedMs = performance.now();
  await until('another leader', () => cluster.leader(others), 15_000);
  measured('from a slow disk to the next leader', performance.now() - startedMs, 'ms');
  expect(await eventsOf(leader)).toEqual([expect.stringMatching(/disk/)]);
  // Leadership may move for other reasons on a busy machine, but not back to the slow disk.
  const endMs = performance.now() + WATCHED_MS;
  await until(
    'the end of the watch',
    async () => {
      expect((await leader.sample()).role).not.toBe('leader');
      return performance.now() > endMs;
    },
    WATCHED_MS * 2,
  );
  rmSync(slowWhile.get(leader) as string);
  for (const writer of writers) await writer.stop();
  await cluster.level();
});
