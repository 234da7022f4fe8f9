/** Memory of each node while puts go on for minutes. */
import { leaderOf } from './clusters.ts';
import type { Sample } from './figures.ts';
import { residentBytesOf } from './process-usage.ts';
import type { Bench } from './throughput.ts';

const CALLERS = 64;
const SAMPLE_EVERY_MS = 1000;
const MIB = 2 ** 20;
const workload = { kind: 'put', valueBytes: 256, keys: 10_000 } as const;

/** One cluster after the other, `soakMs` each. */
export async function measureMemory(bench: Bench, soakMs: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const cluster of bench.clusters) {
    const leader = await leaderOf(cluster);
    const nodes = await Promise.all(cluster.nodes.map(async (node) => ({ node, pid: await node.pid() })));
    const seen = nodes.map(({ pid }) => [residentBytesOf(pid)]);
    const timer = setInterval(() => {
      for (const [index, { pid }] of nodes.entries()) seen[index]?.push(residentBytesOf(pid));
    }, SAMPLE_EVERY_MS);
    const job = { ports: [leader.clientPort], callers: CALLERS, workload, seed: 1, total: null };
    const { operations, elapsedMs } = await bench.client
      .load({ ...job, warmUpMs: 0, measureMs: soakMs })
      .finally(() => clearInterval(timer));
    const scenario = `memory over ${Math.round(soakMs / 1000)} s`;
    const rate = (operations * 1000) / elapsedMs;
    samples.push({ scenario, figure: 'puts a second', cluster: cluster.name, value: rate });
    bench.progress(`${scenario}: ${cluster.name}: ${Math.round(rate)} puts/s`);
    for (const [index, { node }] of nodes.entries()) {
      const bytes = seen[index] as number[];
      const role = node === leader ? 'leader' : 'follower';
      const figures = { start: bytes[0], end: bytes.at(-1), highest: Math.max(...bytes) };
      for (const [when, value = 0] of Object.entries(figures))
        samples.push({ scenario, figure: `${role} MiB, ${when}`, cluster: cluster.name, value: value / MIB });
    }
  }
  return samples;
}
