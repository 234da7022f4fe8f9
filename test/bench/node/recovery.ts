/** How a node comes back: after an absence while the others worked on, and at a start with a long log. */
import { type BenchCluster, type BenchNode, leaderOf, revisionAt, statusOf } from './clusters.ts';
import type { Sample } from './figures.ts';
import { levelWithOthers } from './outages.ts';
import type { Bench } from './throughput.ts';
import { until } from '../../fixtures/until.ts';

const ABSENCE_CALLERS = 16;
const FILL_CALLERS = 512;
const START_DEADLINE_MS = 120_000;
const absenceWorkload = { kind: 'put', valueBytes: 256, keys: 10_000 } as const;
const smallWorkload = { kind: 'put', valueBytes: 16, keys: 10_000 } as const;

/** A follower is killed, misses `absenceMs` of puts to the leader, and is started while they go on. */
export async function measureAbsence(bench: Bench, absenceMs: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const cluster of bench.clusters) {
    const { leader, follower } = await rolesOf(cluster);
    const loading = bench.client.load({
      ports: [leader.clientPort],
      callers: ABSENCE_CALLERS,
      workload: absenceWorkload,
      seed: 1,
      total: null,
      warmUpMs: 0,
      measureMs: absenceMs + START_DEADLINE_MS,
    });
    await pause(1000);
    const had = Number((await statusOf(follower)).raftAppliedIndex);
    await follower.kill();
    await pause(absenceMs);
    follower.start();
    const startedMs = performance.now();
    const goal = await levelWithOthers(cluster, follower, START_DEADLINE_MS);
    const tookMs = performance.now() - startedMs;
    bench.client.stop();
    const { operations, elapsedMs } = await loading;
    const figures = {
      'entries missed': goal - had,
      'level after ms': tookMs,
      'entries caught up a second': ((goal - had) * 1000) / tookMs,
      'puts a second meanwhile': (operations * 1000) / elapsedMs,
    };
    bench.progress(`absence: ${cluster.name}: ${Math.round(figures['entries caught up a second'])} entries/s`);
    samples.push(...samplesOf(`absent for ${absenceMs / 1000} s`, cluster, figures));
  }
  return samples;
}

/** Puts until `slots` were decided, then kills and starts a follower, `times` times; the others stay up and idle. */
export async function measureStart(
  bench: Bench,
  { slots, times }: { slots: number; times: number },
): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const cluster of bench.clusters) {
    const { leader } = await rolesOf(cluster);
    const has = Number((await statusOf(leader)).raftAppliedIndex);
    const load = { ports: [leader.clientPort], callers: FILL_CALLERS, workload: smallWorkload, seed: 1 };
    await bench.client.load({ ...load, total: Math.max(1, slots - has), warmUpMs: 0, measureMs: 3_600_000 });
    // Leadership may have moved under so much load.
    const { follower } = await rolesOf(cluster);
    await levelWithOthers(cluster, follower);
    for (let time = 0; time < times; time++) {
      await follower.kill();
      const startedMs = performance.now();
      follower.start();
      await until(`${follower.name} to answer`, () => statusOf(follower), START_DEADLINE_MS);
      const answeredMs = performance.now() - startedMs;
      await until(`${follower.name} to read`, () => revisionAt(follower), START_DEADLINE_MS);
      const readMs = performance.now() - startedMs;
      const figures = {
        slots: Number((await statusOf(follower)).raftAppliedIndex),
        'first answer of its own after ms': answeredMs,
        'first linearizable read after ms': readMs,
      };
      bench.progress(`start: ${cluster.name}: ${Math.round(answeredMs)} ms, read after ${Math.round(readMs)} ms`);
      samples.push(...samplesOf('start with a long log', cluster, figures));
    }
  }
  return samples;
}

async function rolesOf(cluster: BenchCluster): Promise<{ leader: BenchNode; follower: BenchNode }> {
  const leader = await leaderOf(cluster);
  return { leader, follower: cluster.nodes.find((node) => node !== leader) as BenchNode };
}

function samplesOf(scenario: string, cluster: BenchCluster, figures: Readonly<Record<string, number>>): Sample[] {
  return Object.entries(figures).map(([figure, value]) => ({ scenario, figure, cluster: cluster.name, value }));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
