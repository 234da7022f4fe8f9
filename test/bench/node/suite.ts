/**
 * `npm run bench -- node`: three Synod nodes and three of Debian's etcd on this machine, measured by the same client in one
 * run, turn about. Parts: puts, reads, mixed.
 */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { hasEtcd, startEtcdCluster, startSynodCluster } from './clusters.ts';
import { type Row, rowsOf, type Sample, tableOf } from './figures.ts';
import { LoadClient } from './load-client.ts';
import { type Bench, measureThroughput, type Scenario } from './throughput.ts';

const parts = ['puts', 'reads', 'mixed'] as const;
type Part = (typeof parts)[number];

export async function benchNode(args: readonly string[]): Promise<void> {
  const options = parseOptions(args);
  const client = new LoadClient();
  const clusters = [];
  const loads: number[] = [];
  try {
    if (hasEtcd && !options.alone) clusters.push(await startEtcdCluster());
    clusters.push(await startSynodCluster());
    const progress = (line: string) => {
      loads.push(loadavg()[0] as number);
      process.stderr.write(`${line}\n`);
    };
    const samples = await measureParts({ clusters, client, progress }, options);
    report(rowsOf(samples), { json: options.json, loads });
  } finally {
    client.close();
    for (const cluster of clusters) await cluster.close();
  }
}

type Options = ReturnType<typeof parseOptions>;

async function measureParts(bench: Bench, options: Options): Promise<Sample[]> {
  const scenarios = scenariosOf(options);
  return measureThroughput(bench, scenarios, options);
}

function scenariosOf({ only, callers }: Options): Scenario[] {
  const some = callers.filter((count) => count === 1 || count === 64 || count === 256);
  const of = (kind: Scenario['kind'], levels: readonly number[], target: Scenario['target'] = 'leader') =>
    levels.map((count) => ({ kind, callers: count, target }));
  const spread = callers.filter((count) => count === 64 || count === 256);
  const byPart: Record<Part, Scenario[]> = {
    puts: [...of('put', callers), ...of('put', spread, 'all')],
    reads: [
      ...of('linearizableRead', some),
      ...of('linearizableRead', spread, 'all'),
      ...of('serializableRead', some),
      ...of('serializableRead', spread, 'all'),
    ],
    mixed: [...of('mixed', some), ...of('mixed', spread, 'all')],
  };
  return only.flatMap((part) => byPart[part]);
}

function parseOptions(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', default: parts.join(',') },
      callers: { type: 'string', default: '1,16,64,256,1000' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '3' },
      alone: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const only = values.only.split(',').map((part) => {
    if (!parts.includes(part as Part)) throw new Error(`--only ${part}: the parts are ${parts.join(', ')}`);
    return part as Part;
  });
  const callers = values.callers.split(',').map(Number);
  const { alone, json } = values;
  return {
    ...{ only, callers, alone, json, valueBytes: 256, keys: 10_000 },
    rounds: Number(values.rounds),
    seconds: Number(values.seconds),
  };
}

function report(rows: readonly Row[], { json, loads }: { json: boolean; loads: readonly number[] }): void {
  const machine = { cpus: cpus().length, model: cpus()[0]?.model ?? 'unknown', load1: loads };
  if (json) process.stdout.write(`${JSON.stringify({ machine, rows })}\n`);
  else process.stdout.write(`${tableOf(rows)}load average: ${Math.min(...loads)} to ${Math.max(...loads)}\n`);
}
