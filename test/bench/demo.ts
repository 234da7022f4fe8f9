/** `npm run bench -- demo`: the whole main job, N times: provisioning, unavailability after failover, kill and partition. */
import { parseArgs } from 'node:util';
import { startSynod } from '../demo/synod.ts';

interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly of: (result: DemoResult) => number;
}

interface DemoResult {
  readonly ok: boolean;
  readonly provisionMs: number;
  readonly writesAcknowledged: number;
  readonly writesLost: number;
  readonly failover: { readonly unavailableMs: number };
  readonly kill: { readonly unavailableMs: number; readonly caughtUpMs: number };
  readonly partition: { readonly unavailableMs: number; readonly healedMs: number };
  readonly residue: readonly unknown[];
}

const figures: readonly Figure[] = [
  { name: 'provision', unit: 'ms', of: (result) => result.provisionMs },
  { name: 'failover, no writes', unit: 'ms', of: (result) => result.failover.unavailableMs },
  { name: 'kill -9 of the leader, no writes', unit: 'ms', of: (result) => result.kill.unavailableMs },
  { name: 'killed node caught up', unit: 'ms', of: (result) => result.kill.caughtUpMs },
  { name: 'leader cut off, no writes', unit: 'ms', of: (result) => result.partition.unavailableMs },
  { name: 'healed and level', unit: 'ms', of: (result) => result.partition.healedMs },
  { name: 'writes acknowledged', unit: '', of: (result) => result.writesAcknowledged },
];

export async function benchDemo(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { runs: { type: 'string', default: '5' }, json: { type: 'boolean', default: false } },
  });
  const results: DemoResult[] = [];
  for (let run = 1; run <= Number(values.runs); run += 1) {
    const command = startSynod(['demo', '--headless', '--once', '--json']);
    const result = (await command.firstObject) as unknown as DemoResult;
    await command.exited;
    results.push(result);
    process.stderr.write(`run ${run}: ${JSON.stringify(result)}\n`);
  }

  const rows = figures.map((figure) => {
    const sorted = results.map(figure.of).toSorted((a, b) => a - b);
    return {
      name: figure.name,
      unit: figure.unit,
      min: sorted[0],
      median: sorted[sorted.length >> 1],
      max: sorted.at(-1),
    };
  });
  const ok = results.every((result) => result.ok && result.writesLost === 0 && result.residue.length === 0);
  if (values.json) process.stdout.write(`${JSON.stringify({ ok, runs: results.length, figures: rows })}\n`);
  else
    for (const row of rows)
      process.stdout.write(`${row.name.padEnd(34)} min ${row.min}  median ${row.median}  max ${row.max} ${row.unit}\n`);
  if (!ok) process.exitCode = 1;
}
