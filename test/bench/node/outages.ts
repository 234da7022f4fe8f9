/**
 * How long nobody's writes are acknowledged: after kill -9 of the leader and after a planned transfer. A put leaves every few
 * milliseconds to the nodes in turn, whether or not earlier ones were answered; the figure is the longest time between two
 * answers that ends after the event, so it includes what a client would feel.
 */
import { type BenchCluster, type BenchNode, leaderOf, statusOf } from './clusters.ts';
import type { Sample } from './figures.ts';
import { until } from '../../fixtures/until.ts';
import type { Bench } from './throughput.ts';

const PROBE_EVERY_MS = 5;
const BEFORE_MS = 1000;
/** So many acknowledged after the event, and it is over. */
const STEADY_PUTS = 300;
const DEADLINE_MS = 30_000;
const workload = { kind: 'put', valueBytes: 256, keys: 10_000 } as const;

type Event = (cluster: BenchCluster, leader: BenchNode) => Promise<void>;

/** Turn about, `times` times each. */
export async function measureFailover(bench: Bench, times: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (let time = 0; time < times; time++)
    for (const cluster of bench.clusters) {
      const leader = await leaderOf(cluster);
      const others = cluster.nodes.filter((node) => node !== leader);
      const gapMs = await longestGap(bench, others, () => leader.kill());
      samples.push({
        scenario: 'kill -9 of the leader',
        figure: 'no writes for ms',
        cluster: cluster.name,
        value: gapMs,
      });
      bench.progress(`kill -9: ${cluster.name}: ${Math.round(gapMs)} ms`);
      leader.start();
      await leaderOf(cluster, DEADLINE_MS);
      await levelWithOthers(cluster, leader);
    }
  return samples;
}

/** Turn about, `times` times each; the cluster is otherwise idle. */
export async function measureTransfer(bench: Bench, times: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  const move: Event = async (cluster, leader) => {
    const target = cluster.nodes.find((node) => node !== leader) as BenchNode;
    await cluster.transfer(leader, target);
  };
  for (let time = 0; time < times; time++)
    for (const cluster of bench.clusters) {
      const leader = await leaderOf(cluster);
      let tookMs = 0;
      const gapMs = await longestGap(bench, cluster.nodes, async () => {
        const startedMs = performance.now();
        await move(cluster, leader);
        tookMs = performance.now() - startedMs;
      });
      const scenario = 'transfer of leadership';
      samples.push({ scenario, figure: 'no writes for ms', cluster: cluster.name, value: gapMs });
      samples.push({ scenario, figure: 'answered after ms', cluster: cluster.name, value: tookMs });
      bench.progress(`transfer: ${cluster.name}: ${gapMs.toFixed(1)} ms`);
      await leaderOf(cluster, DEADLINE_MS);
    }
  return samples;
}

/** Waits until `node` has applied what the others had applied when this was called. Resolves with that slot. */
export async function levelWithOthers(cluster: BenchCluster, node: BenchNode, deadlineMs = 120_000): Promise<number> {
  const others = cluster.nodes.filter((other) => other !== node);
  const applied = await Promise.all(others.map(async (other) => Number((await statusOf(other)).raftAppliedIndex)));
  const goal = Math.max(...applied);
  await until(
    `${node.name} to be level`,
    async () => Number((await statusOf(node)).raftAppliedIndex) >= goal,
    deadlineMs,
  );
  return goal;
}

async function longestGap({ client }: Bench, nodes: readonly BenchNode[], event: () => Promise<void>): Promise<number> {
  const probe = await client.probe({ ports: nodes.map((node) => node.clientPort), everyMs: PROBE_EVERY_MS, workload });
  await pause(BEFORE_MS);
  const eventAtMs = unixMs();
  await event();
  const { acknowledgedAtMs } = await probe.stop(STEADY_PUTS);
  return longestGapAfter(acknowledgedAtMs, eventAtMs);
}

/** Of the times between neighbours of which the later one lies after `fromMs`. Throws when nothing followed. */
export function longestGapAfter(timesMs: readonly number[], fromMs: number): number {
  let longest = -1;
  for (const [index, atMs] of timesMs.entries()) {
    const before = timesMs[index - 1];
    if (before !== undefined && atMs >= fromMs) longest = Math.max(longest, atMs - before);
  }
  if (longest < 0) throw new Error('no write was acknowledged after the event');
  return longest;
}

function unixMs(): number {
  return performance.timeOrigin + performance.now();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
