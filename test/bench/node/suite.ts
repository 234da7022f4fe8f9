/**
 * `npm run bench -- node`: three Synod nodes and three of Debian's etcd on this machine, measured by the same client in one
 * run, turn about.
 *
 *   --only PARTS      of puts, reads, mixed, transfer, failover, absence, soak, start; all by default
 *   --callers LIST    levels of concurrent callers
 *   --rounds N, --seconds N     of loads: how often each is measured, and how long each time
 *   --times N         transfers and kills
 *   --absence, --soak DURATION  such as 20s or 10m
 *   --slots N         the length of the log for `start`
 *   --alone           without etcd
 *   --json            for machines
 */
import { cpus, loadavg } from 'node:os';
import { inspect, parseArgs } from 'node:util';
import { type BenchCluster, hasEtcd, startEtcdCluster, startSynodCluster } from './clusters.ts';
import { type Row, rowsOf, type Sample, tableOf } from './figures.ts';
import { LoadClient } from './load-client.ts';
import { measureFailover, measureTransfer } from './outages.ts';
import { measureAbsence, measureStart } from './recovery.ts';
import { measureMemory } from './soak.ts';
import { type Bench, measureThroughput, type Scenario } from './throughput.ts';

const loadParts = ['puts', 'reads', 'mixed'] as const;
const parts = [...loadParts, 'transfer', 'failover', 'absence', 'soak', 'start'] as const;
type LoadPart = (typeof loadParts)[number];
type Part = (typeof parts)[number];

export async function benchNode(args: readonly string[]): Promise<void> {
  const options = parseOptions(args);
  const client = new LoadClient();
  const clusters: BenchCluster[] = [];
  const loads: number[] = [];
  const close = async () => {
    client.close();
    for (const cluster of clusters) await cluster.close();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void close().then(() => process.exit(130)));
  try {
    if (hasEtcd && !options.alone) clusters.push(await startEtcdCluster());
    clusters.push(await startSynodCluster());
    const progress = (line: string) => {
      loads.push(loadavg()[0] as number);
      process.stderr.write(`${line}\n`);
    };
    const { samples, failures } = await measureParts({ clusters, client, progress }, options);
    report(rowsOf(samples), { json: options.json, loads, failures });
    if (failures.length > 0) process.exitCode = 1;
  } finally {
    await close();
  }
}

type Options = ReturnType<typeof parseOptions>;

/** A part that fails is named in `failures`; the others go on. */
async function measureParts(bench: Bench, options: Options): Promise<{ samples: Sample[]; failures: string[] }> {
  const { only, times, slots } = options;
  const scenarios = scenariosOf(options);
  const work: Record<Exclude<Part, LoadPart> | 'loads', () => Promise<Sample[]>> = {
    loads: () => (scenarios.length > 0 ? measureThroughput(bench, scenarios, options) : Promise.resolve([])),
    transfer: () => measureTransfer(bench, times),
    failover: () => measureFailover(bench, times),
    absence: () => measureAbsence(bench, options.absenceMs),
    soak: () => measureMemory(bench, options.soakMs),
    start: () => measureStart(bench, { slots, times: 3 }),
  };
  const samples: Sample[] = [];
  const failures: string[] = [];
  for (const [part, measure] of Object.entries(work)) {
    if (part !== 'loads' && !only.includes(part as Part)) continue;
    try {
      samples.push(...(await measure()));
    } catch (error) {
      failures.push(`${part}: ${(error as Error).message}`);
      process.stderr.write(`${part} failed: ${inspect(error)}\n`);
    }
  }
  return { samples, failures };
}

function scenariosOf({ only, callers }: Options): Scenario[] {
  const some = callers.filter((count) => count === 1 || count === 64 || count === 256);
  const of = (kind: Scenario['kind'], levels: readonly number[], target: Scenario['target'] = 'leader') =>
    levels.map((count) => ({ kind, callers: count, target }));
  const spread = callers.filter((count) => count === 64 || count === 256);
  const byPart: Record<LoadPart, Scenario[]> = {
    puts: [...of('put', callers), ...of('put', spread, 'all')],
    reads: [
      ...of('linearizableRead', some),
      ...of('linearizableRead', spread, 'all'),
      ...of('serializableRead', some),
      ...of('serializableRead', spread, 'all'),
    ],
    mixed: [...of('mixed', some), ...of('mixed', spread, 'all')],
  };
  return loadParts.filter((part) => only.includes(part)).flatMap((part) => byPart[part]);
}

function parseOptions(args: readonly string[]) {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', default: parts.join(',') },
      callers: { type: 'string', default: '1,16,64,256,1000' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      times: { type: 'string', default: '5' },
      absence: { type: 'string', default: '1m' },
      soak: { type: 'string', default: '2m' },
      slots: { type: 'string', default: '1000000' },
      alone: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const only = values.only.split(',').map((part) => {
    if (!parts.includes(part as Part)) throw new Error(`--only ${part}: the parts are ${parts.join(', ')}`);
    return part as Part;
  });
  return {
    only,
    alone: values.alone,
    json: values.json,
    valueBytes: 256,
    keys: 10_000,
    callers: values.callers.split(',').map((text) => parseCount('callers', text)),
    rounds: parseCount('rounds', values.rounds),
    seconds: parseCount('seconds', values.seconds),
    times: parseCount('times', values.times),
    slots: parseCount('slots', values.slots),
    absenceMs: parseDuration('absence', values.absence),
    soakMs: parseDuration('soak', values.soak),
  };
}

function parseCount(option: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`--${option} ${text}: a whole number above zero is expected`);
  return Number(text);
}

function parseDuration(option: string, text: string): number {
  const [, number, unit] = /^(\d+)([sm])$/.exec(text) ?? [];
  if (number === undefined) throw new Error(`--${option} ${text}: a duration such as 20s or 10m is expected`);
  return Number(number) * (unit === 'm' ? 60_000 : 1000);
}

function report(
  rows: readonly Row[],
  { json, loads, failures }: { json: boolean; loads: readonly number[]; failures: readonly string[] },
): void {
  const machine = { cpus: cpus().length, model: cpus()[0]?.model ?? 'unknown', load1: loads };
  if (json) process.stdout.write(`${JSON.stringify({ machine, rows, failures })}\n`);
  else process.stdout.write(`${tableOf(rows)}load average: ${Math.min(...loads)} to ${Math.max(...loads)}\n`);
}
