/** Power cuts under load, of one node or of all: killed, and what was not on disk is lost, torn or kept as chance will have it. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { nodeExitCodes } from '../../cluster-node/contract/exit-codes.ts';
import { measured } from '../fixtures/measured.ts';
import { createTestCluster, type TestCluster } from '../fixtures/test-cluster.ts';
import { Random } from '../simulation/random.ts';
import { crashSeed, eventually, faultSeconds, PATIENCE_MS } from './patience.ts';
import { Load } from './load.ts';
import { cutPower, killInWrite, noteWrites } from './power-cut.ts';
import { expectNothingWrong } from './verdict.ts';

const cutsMs = faultSeconds(12) * 1000;
vi.setConfig({ testTimeout: cutsMs * 2 + 120_000, hookTimeout: 90_000 });

let cluster: TestCluster;

beforeEach(async () => {
  cluster = await createTestCluster(3);
  for (const node of cluster.nodes) noteWrites(node);
  cluster.start();
  await cluster.leader(cluster.nodes, PATIENCE_MS);
});
afterEach(() => cluster.close());

test('nothing acknowledged is lost when the power fails again and again', async () => {
  const random = new Random(crashSeed);
  const load = new Load(cluster, { seed: crashSeed, clients: 8 });
  const total = { cuts: 0, writes: 0, sectorsLost: 0, sectorsKept: 0 };
  const endMs = performance.now() + cutsMs;
  do {
    const leader = await cluster.leader(cluster.nodes, PATIENCE_MS);
    const answered = load.answered;
    await eventually('some answers', () => load.answered > answered + 20);
    await pause(random.between(0, 300));
    const one = random.pick([leader, random.pick(cluster.nodes)]);
    const victims = random.chance(0.4) ? [...cluster.nodes] : [one];
    await Promise.all(victims.map((node) => (random.chance(0.7) ? killInWrite(node) : node.kill())));
    for (const node of victims) {
      const { writes, sectorsLost, sectorsKept } = cutPower(node, random);
      total.cuts++;
      total.writes += writes;
      total.sectorsLost += sectorsLost;
      total.sectorsKept += sectorsKept;
      node.start();
    }
  } while (performance.now() < endMs);
  await cluster.leader(cluster.nodes, PATIENCE_MS);
  await load.stop();
  measured('power cuts', total.cuts, 'times');
  measured('writes that were not on disk', total.writes, 'writes');
  measured('sectors of them lost', total.sectorsLost, 'sectors');
  measured('sectors of them kept', total.sectorsKept, 'sectors');
  expect(total.sectorsLost).toBeGreaterThan(0);
  expect(total.sectorsKept).toBeGreaterThan(0);
  await expectNothingWrong(cluster, load);
});

test('disks that forget what they called written are found out', async () => {
  const client = cluster.client(cluster.node(1));
  for (let at = 1; at <= 40; at++) await client.put('key', `value ${at}`, 5000);
  await Promise.all(cluster.nodes.map((node) => node.kill()));
  const random = new Random(crashSeed);
  for (const node of cluster.nodes) {
    expect(cutPower(node, random, { forget: 12 }).sectorsLost).toBeGreaterThan(0);
    node.start();
  }
  const found = await eventually('the nodes to refuse, or to have lost what was acknowledged', async () => {
    const ended = await Promise.race([cluster.node(2).exited(), pause(10)]);
    if (ended === nodeExitCodes.dataRefused) return 'refused';
    return (await client.get('key', { timeoutMs: 500 })) === 'value 40' ? false : 'lost';
  });
  client.close();
  measured(`a lying disk: ${found}`, 1, 'time');
});
