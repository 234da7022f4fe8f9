/**
 * `npm run bench -- hosts [--hosts 5] [--runs 1] [--many 100] [--place system|home] [--json]`: provisioning on hosts of the lab
 * (docs/lab.md), through the engine as console and command line use it. All hosts share this machine's cores and disk, so figures are
 * an upper bound of what as many real hosts would take.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildResources, type Client, makeStateDir, startEngine, succeeded } from '../../engine/engine-under-test.ts';
import { type Lab, startLab } from '../../lab/lab.ts';
import { labObstacle } from '../../lab/obstacle.ts';
import { addLogin, addLoginsForMany, type ManyLogins } from './logins.ts';

interface Options {
  readonly hosts: number;
  readonly runs: number;
  readonly many: number;
  readonly place: 'home' | 'system';
}

interface Figure {
  readonly name: string;
  /** Seconds, one a run. */
  readonly seconds: number[];
  /** What is wanted, in seconds. */
  readonly wanted: number | null;
}

/** So many of the steps that took longest on any host are told. */
const STEPS_SHOWN = 5;

export async function benchHosts(args: readonly string[]): Promise<void> {
  const { options, json } = parse(args);
  const obstacle = labObstacle();
  if (obstacle !== null) throw new Error(`The lab cannot run here: ${obstacle}.`);
  const lab = await startLab({ hosts: options.hosts });
  const stateDir = makeStateDir();
  try {
    const resources = await buildResources(join(stateDir, 'dist'));
    const { engine, client } = await startEngine(stateDir, resources);
    try {
      const figures = await measure({ lab, client, options });
      report(figures, { options, json });
    } finally {
      await engine.close();
    }
  } finally {
    await lab.down();
    rmSync(stateDir, { recursive: true, force: true });
  }
}

function parse(args: readonly string[]): { options: Options; json: boolean } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      hosts: { type: 'string', default: '5' },
      runs: { type: 'string', default: '1' },
      many: { type: 'string', default: '100' },
      place: { type: 'string', default: 'system' },
      json: { type: 'boolean', default: false },
    },
  });
  const whole = (name: 'hosts' | 'runs' | 'many', most: number) => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value >= 1 && value <= most) return value;
    throw new RangeError(`--${name} is a whole number from 1 to ${most}, not ${values[name]}`);
  };
  const { place } = values;
  if (place !== 'home' && place !== 'system') throw new RangeError(`--place is system or home, not ${place}`);
  const options = { hosts: whole('hosts', 31), runs: whole('runs', 100), many: whole('many', 100), place } as const;
  if (options.many < options.hosts) throw new RangeError('--many is at least as many as --hosts');
  return { options, json: values.json };
}

async function measure(bench: { lab: Lab; client: Client; options: Options }): Promise<Figure[]> {
  const { lab, client, options } = bench;
  const figures: Figure[] = [];
  const timed = async <T>(about: { name: string; wanted?: number }, work: () => Promise<T>): Promise<T> => {
    const began = performance.now();
    const result = await work();
    const took = (performance.now() - began) / 1000;
    let figure = figures.find(({ name }) => name === about.name);
    if (!figure) figures.push((figure = { name: about.name, seconds: [], wanted: about.wanted ?? null }));
    figure.seconds.push(took);
    process.stderr.write(`${about.name}: ${took.toFixed(2)} s\n`);
    return result;
  };

  const hostIds = await timed({ name: `${lab.hosts.length} hosts added` }, () =>
    Promise.all(lab.hosts.map((host) => addLogin(client, { host, user: 'ops', name: host.name }))),
  );
  for (let run = 0; run < options.runs; run++) {
    const request = (name: string, port: number) => {
      return { name, hostIds, peerPort: port + 1, clientPort: port, place: options.place, dataFolders: {} };
    };
    const create = async (name: string, port: number) => {
      const { operationId, clusterId } = await client.clusters.create(request(name, port));
      showSteps((await succeeded(client, operationId)).steps);
      return clusterId;
    };
    const cold = await timed({ name: 'from nothing to a verified cluster', wanted: 30 }, () => create('cold', 2379));
    await timed({ name: 'a second apply that changes nothing', wanted: 3 }, async () => {
      const { operationId } = await client.clusters.apply({ name: 'cold', plan: null, why: null });
      const { outcome } = await succeeded(client, operationId);
      if (!outcome?.startsWith('Nothing to do')) throw new Error(`a second apply said: ${outcome}`);
    });
    const warm = await timed({ name: 'another one, where the runtime is there', wanted: 10 }, () =>
      create('warm', 2479),
    );
    for (const [clusterId, confirmName] of [
      [warm, 'warm'],
      [cold, 'cold'],
    ] as const)
      await timed({ name: `${confirmName} destroyed, with proof` }, async () => {
        const { operationId } = await client.actions.run({ kind: 'clusterDestroy', clusterId, confirmName });
        await succeeded(client, operationId);
      });
  }
  await measureMany(client, { logins: await addLoginsForMany(client, { lab, count: options.many }), timed });
  return figures;
}

/** Each cluster has a login on every machine; all are planned at the same time. */
async function measureMany(
  client: Client,
  {
    logins,
    timed,
  }: {
    logins: ManyLogins;
    timed: (about: { name: string; wanted?: number }, work: () => Promise<unknown>) => Promise<unknown>;
  },
): Promise<void> {
  const count = logins.clusters.flat().length;
  await timed({ name: `plans over ${count} hosts`, wanted: 5 }, () =>
    Promise.all(
      logins.clusters.map(async (hostIds, index) => {
        const port = 4001 + 2 * index;
        const plan = await client.clusters.plan({
          name: `many-${index}`,
          hostIds: [...hostIds],
          peerPort: port,
          clientPort: port + 1,
        });
        if (plan.hash === null) throw new Error(`plan ${index} was refused: ${plan.refusals.join(' ')}`);
      }),
    ),
  );
  await timed({ name: `${count} hosts checked, with every link` }, () =>
    client.hosts.preflight({
      hostIds: logins.clusters.flat(),
      dataDir: null,
      peerPort: null,
      clientPort: null,
      heartbeatMs: null,
      electionTimeoutMs: null,
    }),
  );
}

function showSteps(
  steps: readonly { host: string | null; step: string; startedAtUnixMs: number | null; endedAtUnixMs: number | null }[],
): void {
  const longest = new Map<string, number>();
  for (const { step, startedAtUnixMs, endedAtUnixMs } of steps)
    if (startedAtUnixMs !== null && endedAtUnixMs !== null)
      longest.set(step, Math.max(longest.get(step) ?? 0, endedAtUnixMs - startedAtUnixMs));
  const shown = [...longest].toSorted((a, b) => b[1] - a[1]).slice(0, STEPS_SHOWN);
  process.stderr.write(
    `  longest steps: ${shown.map(([step, ms]) => `${step} ${(ms / 1000).toFixed(1)} s`).join(', ')}\n`,
  );
}

function report(figures: readonly Figure[], { options, json }: { options: Options; json: boolean }): void {
  const rows = figures.map(({ name, seconds, wanted }) => {
    const sorted = seconds.toSorted((a, b) => a - b);
    return {
      name,
      medianSeconds: sorted[sorted.length >> 1] ?? 0,
      maxSeconds: sorted.at(-1) ?? 0,
      wantedSeconds: wanted,
    };
  });
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...options, figures: rows })}\n`);
    return;
  }
  for (const { name, medianSeconds, maxSeconds, wantedSeconds } of rows) {
    const wanted = wantedSeconds === null ? '' : `  wanted: under ${wantedSeconds}`;
    process.stdout.write(
      `${name.padEnd(44)} median ${medianSeconds.toFixed(2)} s  max ${maxSeconds.toFixed(2)} s${wanted}\n`,
    );
  }
}
