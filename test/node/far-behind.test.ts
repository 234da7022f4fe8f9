import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { measured } from '../fixtures/measured.ts';
import { createTestCluster, type TestCluster } from '../fixtures/test-cluster.ts';
import { until } from '../fixtures/until.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

/** More than the core keeps in memory (4096 slots), so that peers must read their logs. */
const WRITES = 6000;
const IN_FLIGHT = 64;

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await createTestCluster(3);
  cluster.start();
  await cluster.leader();
});
afterAll(() => cluster.close());

test('a node that missed thousands of writes catches up from the log of its peers', async () => {
  const absent = cluster.node(3);
  await absent.kill();
  await cluster.leader([cluster.node(1), cluster.node(2)]);
  const client = cluster.client(cluster.node(1));
  const startedAtMs = performance.now();
  let next = 1;
  const write = async () => {
    while (next <= WRITES) {
      const number = next++;
      await client.put(`key-${number}`, `value-${number}`, 10_000);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, write));
  const tookMs = performance.now() - startedAtMs;
  measured(`writes with ${IN_FLIGHT} in flight`, (WRITES * 1000) / tookMs, 'a second');
  client.close();

  absent.start();
  await absent.ready();
  const restartedAtMs = performance.now();
  await until('the absent node to be level', async () => {
    const [mine, theirs] = await Promise.all([absent.sample(), cluster.node(1).sample()]);
    return mine.appliedUpTo === theirs.appliedUpTo && mine.revision === theirs.revision;
  });
  measured(`catching up ${WRITES} slots`, performance.now() - restartedAtMs, 'ms');
  const own = cluster.client(absent);
  for (const number of [1, 2, WRITES / 2, WRITES])
    expect(await own.get(`key-${number}`, { serializable: true })).toBe(`value-${number}`);
  own.close();

  // And again from its own disk.
  await absent.kill();
  absent.start();
  const sample = await absent.ready();
  expect(sample.appliedUpTo).toBeGreaterThan(WRITES / 2);
  await cluster.level();
});
