/** `kill -9` again and again under load: one follower, the leader, two at once, all at once. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { measured } from '../fixtures/measured.ts';
import { createTestCluster, type TestCluster, type TestNode } from '../fixtures/test-cluster.ts';
import { Random } from '../simulation/random.ts';
import { crashSeed, eventually, faultSeconds, PATIENCE_MS } from './patience.ts';
import { Load } from './load.ts';
import { expectNothingWrong } from './verdict.ts';

const stormMs = faultSeconds(12) * 1000;
vi.setConfig({ testTimeout: stormMs * 2 + 120_000, hookTimeout: 90_000 });

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await createTestCluster(3);
  cluster.start();
  await cluster.leader(cluster.nodes, PATIENCE_MS);
});
afterAll(() => cluster.close());

test('nothing acknowledged is lost or done twice, however often nodes are killed', async () => {
  const random = new Random(crashSeed);
  const load = new Load(cluster, { seed: crashSeed, clients: 8 });
  const kills = { leader: 0, follower: 0, two: 0, all: 0 };
  const endMs = performance.now() + stormMs;
  do {
    const answered = load.answered;
    await eventually('some answers', () => load.answered > answered + 20);
    await pause(random.between(0, 500));
    const leader = await cluster.leader(cluster.nodes, PATIENCE_MS);
    const followers = random.shuffled(cluster.nodes.filter((node) => node !== leader));
    const kind = random.pick(['leader', 'leader', 'follower', 'two', 'all'] as const);
    const victims: Record<typeof kind, TestNode[]> = {
      leader: [leader],
      follower: followers.slice(0, 1),
      two: [leader, ...followers.slice(0, 1)],
      all: [...cluster.nodes],
    };
    await Promise.all(victims[kind].map((node) => node.kill()));
    kills[kind]++;
    await pause(random.between(0, 500));
    for (const node of victims[kind]) node.start();
  } while (performance.now() < endMs);
  await cluster.leader(cluster.nodes, PATIENCE_MS);
  await load.stop();
  for (const [kind, count] of Object.entries(kills)) measured(`kill -9: ${kind}`, count, 'times');
  measured('kill -9, longest time without an acknowledged change', load.longestGapMs, 'ms');
  expect(kills.leader + kills.two + kills.all).toBeGreaterThan(0);
  await expectNothingWrong(cluster, load);
});
