/** Closed loops of callers: operations a second, latency, and CPU per operation of each role and of the client. */
import { type BenchCluster, type BenchNode, leaderOf, revisionAt, statusOf } from './clusters.ts';
import type { LoadClient } from './load-client.ts';
import type { LoadResult } from './load-messages.ts';
import { cpuMsOf } from './process-usage.ts';
import type { Sample } from './figures.ts';
import type { Workload, WorkloadKind } from './workload.ts';

/**
 * Where callers connect. `leader` is the headline: no request takes a detour, so it compares the two programs and not the
 * placement of clients (etcd's own published benchmarks do so too). `all` is what etcd's Go client does with three endpoints.
 */
export type Target = 'leader' | 'all';

export interface Scenario {
  readonly kind: WorkloadKind;
  readonly callers: number;
  readonly target: Target;
}

export interface ThroughputOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly valueBytes: number;
  readonly keys: number;
}

const WARM_UP_MS = 700;
const names: Record<WorkloadKind, string> = {
  put: 'puts',
  linearizableRead: 'linearizable reads',
  serializableRead: 'serializable reads',
  mixed: 'mixed, 80 % reads',
};

export interface Bench {
  readonly clusters: readonly BenchCluster[];
  readonly client: LoadClient;
  readonly progress: (line: string) => void;
}

/** Of both kinds of call before anything is measured, so that compilers have seen what is to come: so often a measurement. */
const FIRST_WARM_UP = 2;

/** Writes every key once, so that reads find something. */
export async function fill({ client }: Bench, cluster: BenchCluster, workload: Workload): Promise<void> {
  const leader = await leaderOf(cluster);
  const job = { ports: [leader.clientPort], callers: 256, workload, seed: 1, warmUpMs: 0, measureMs: 600_000 };
  const { putsAcknowledged } = await client.load({ ...job, total: workload.keys });
  if (putsAcknowledged !== workload.keys)
    throw new Error(`only ${putsAcknowledged} of ${workload.keys} keys were written`);
}

/** Every round goes through all scenarios, and through the clusters turn about: only one is under load at a time. */
export async function measureThroughput(
  bench: Bench,
  scenarios: readonly Scenario[],
  options: ThroughputOptions,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  const { valueBytes, keys } = options;
  for (const cluster of bench.clusters) {
    await fill(bench, cluster, { kind: 'put', valueBytes, keys });
    const job = {
      callers: 64,
      workload: { kind: 'mixed', valueBytes, keys },
      seed: 1,
      total: null,
      warmUpMs: 0,
    } as const;
    const ports = cluster.nodes.map((node) => node.clientPort);
    await bench.client.load({ ...job, ports, measureMs: options.seconds * 1000 * FIRST_WARM_UP });
  }
  for (let round = 0; round < options.rounds; round++)
    for (const [index, scenario] of scenarios.entries()) {
      const inTurn = (round + index) % 2 === 0 ? bench.clusters : bench.clusters.toReversed();
      for (const cluster of inTurn)
        samples.push(...(await measureOnce(bench, cluster, { ...options, scenario, round })));
    }
  return samples;
}

async function measureOnce(
  bench: Bench,
  cluster: BenchCluster,
  options: ThroughputOptions & { readonly scenario: Scenario; readonly round: number },
): Promise<Sample[]> {
  const { kind, callers, target } = options.scenario;
  const leader = await leaderOf(cluster);
  const nodes = target === 'leader' ? [leader] : cluster.nodes;
  const cpu = new Map(
    await Promise.all(cluster.nodes.map(async (node) => [node, new CpuClock(await node.pid())] as const)),
  );
  const termBefore = (await statusOf(leader)).raftTerm;
  const revisionBefore = await revisionAt(leader);
  const { valueBytes, keys } = options;
  const job = {
    ports: nodes.map((node) => node.clientPort),
    callers,
    workload: { kind, valueBytes, keys },
    total: null,
  };
  const result = await bench.client.load(
    { ...job, seed: options.round + 1, warmUpMs: WARM_UP_MS, measureMs: options.seconds * 1000 },
    () => cpu.forEach((clock) => clock.mark()),
  );
  const leaderAfter = await leaderOf(cluster);
  const written = (await revisionAt(leaderAfter)) - revisionBefore;
  checkWritten(written, result);
  const scenario = `${names[kind]}, ${callers} callers${target === 'all' ? ', all nodes' : ''}`;
  const elections = (await statusOf(leaderAfter)).raftTerm === termBefore ? 0 : 1;
  const figures = figuresOf(result, { leader, cpu, elections });
  bench.progress(`${scenario}: ${cluster.name}: ${Math.round(figures['operations a second'])}/s`);
  return Object.entries(figures).map(([figure, value]) => ({ scenario, figure, cluster: cluster.name, value }));
}

/** A put raises the revision by one, so the revision tells whether what was acknowledged is there. */
function checkWritten(written: number, { putsAcknowledged, putsUnknown }: LoadResult): void {
  if (written < putsAcknowledged || written > putsAcknowledged + putsUnknown)
    throw new Error(`${putsAcknowledged} puts were acknowledged (${putsUnknown} unknown) but ${written} were done`);
}

function figuresOf(
  result: LoadResult,
  { leader, cpu, elections }: { leader: BenchNode; cpu: ReadonlyMap<BenchNode, CpuClock>; elections: number },
) {
  const perOperation = (ms: number) => (ms * 1000) / Math.max(1, result.operations);
  const leaderMs = cpu.get(leader)?.usedMs ?? 0;
  const allMs = [...cpu.values()].reduce((total, clock) => total + clock.usedMs, 0);
  return {
    'operations a second': (result.operations * 1000) / result.elapsedMs,
    'p50 ms': result.p50Ms,
    'p99 ms': result.p99Ms,
    'leader CPU µs/op': perOperation(leaderMs),
    'a follower CPU µs/op': perOperation((allMs - leaderMs) / Math.max(1, cpu.size - 1)),
    'client CPU µs/op': perOperation(result.clientCpuMs),
    'all nodes CPU µs/op': perOperation(allMs),
    errors: result.errors,
    // Then what is called the leader's was not the leader's all the time.
    'leader changed': elections,
  };
}

class CpuClock {
  readonly #pid: number;
  #marks: number[] = [];

  constructor(pid: number) {
    this.#pid = pid;
  }

  mark(): void {
    this.#marks.push(cpuMsOf(this.#pid));
  }

  /** Between the first and the last mark. */
  get usedMs(): number {
    return (this.#marks.at(-1) ?? 0) - (this.#marks[0] ?? 0);
  }
}
