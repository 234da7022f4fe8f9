/**
 * The simulator's command: `npm run sim -- --seeds 1000`. Exits 0 when no invariant broke (with `--controls`: when every known
 * bug was found), 1 otherwise, 2 on wrong use. A seed that fails is reported with the command that replays it and with as
 * few of its faults as still break the same invariant.
 */
import { type Arguments, parseArguments, USAGE } from './arguments.ts';
import { CONTROLS, type ControlName, CORRECT } from './controls.ts';
import { inWords } from './fault-schedule.ts';
import { minimise } from './minimise.ts';
import { SeedRunner, type SeedResults } from './seeds.ts';
import { faultsOf, type Outcome, simulate } from './simulation.ts';

const DEFAULT_SEEDS = 200;
const MAX_FAILURES = 5;
/** Each known bug must be found within so many seeds. */
const CONTROL_SEEDS = 2000;

process.exitCode = await main();

async function main(): Promise<number> {
  const given = parseArguments(process.argv.slice(2));
  if (typeof given === 'string') {
    process.stderr.write(`${given}\n${USAGE}`);
    return 2;
  }
  if (given.controls) return await findControls(given);
  return await runSeeds(given);
}

async function runSeeds(given: Arguments): Promise<number> {
  const startedMs = performance.now();
  const results = await resultsOf(given);
  const seconds = (performance.now() - startedMs) / 1000;
  const { outcomes, busyMs } = results;
  const total = (of: (outcome: Outcome) => number) => outcomes.reduce((sum, outcome) => sum + of(outcome), 0);
  const faults: Record<string, number> = {};
  for (const outcome of outcomes)
    for (const [kind, count] of Object.entries(outcome.faults)) faults[kind] = (faults[kind] ?? 0) + count;
  const failed = outcomes.filter(({ violation }) => violation !== null).slice(0, MAX_FAILURES);
  const violations = failed.map((outcome) => explain(outcome, given));
  const events = total((outcome) => outcome.events);
  const summary = {
    seeds: outcomes.length,
    seed: given.firstSeed,
    simulatedMs: Math.round(total((outcome) => outcome.virtualMs)),
    seconds: Number(seconds.toFixed(1)),
    events,
    eventsPerSecond: Math.round(events / seconds),
    eventsPerSecondPerCore: Math.round(events / (busyMs / 1000)),
    acknowledged: total((outcome) => outcome.acknowledged),
    readsAnswered: total((outcome) => outcome.readsAnswered),
    faults: Object.fromEntries(Object.entries(faults).sort(([a], [b]) => (a < b ? -1 : 1))),
    violations,
  };
  if (given.json) write(JSON.stringify(summary));
  else print(summary);
  return violations.length === 0 ? 0 : 1;
}

async function resultsOf(given: Arguments): Promise<SeedResults> {
  if (given.only !== null || given.trace) return runHere(given);
  const runner = new SeedRunner();
  try {
    const { firstSeed, minutes, control } = given;
    const count = given.seeds ?? (minutes === null ? DEFAULT_SEEDS : Number.POSITIVE_INFINITY);
    const forMs = minutes === null ? null : minutes * 60_000;
    return await runner.run({ firstSeed, count, forMs, control, maxFailures: MAX_FAILURES });
  } finally {
    await runner.close();
  }
}

/** In this thread, in words if asked for. */
function runHere(given: Arguments): SeedResults {
  const startedMs = performance.now();
  const listener = given.trace ? (line: string) => process.stderr.write(`${line}\n`) : null;
  const control = controlOf(given.control);
  const outcomes = Array.from({ length: given.seeds ?? 1 }, (_, at) =>
    simulate(given.firstSeed + at, { control, only: given.only, listener }),
  );
  return { outcomes, busyMs: performance.now() - startedMs };
}

async function findControls(given: Arguments): Promise<number> {
  const runner = new SeedRunner();
  const controls: { name: string; found: boolean; seeds: number; invariant: string | null }[] = [];
  try {
    for (const name of Object.keys(CONTROLS) as ControlName[]) {
      const count = given.seeds ?? CONTROL_SEEDS;
      const { firstSeed } = given;
      const { outcomes } = await runner.run({ firstSeed, count, forMs: null, control: name, maxFailures: 1 });
      const at = outcomes.findIndex(({ violation }) => violation !== null);
      const invariant = outcomes[at]?.violation?.invariant ?? null;
      controls.push({ name, found: at >= 0, seeds: at < 0 ? outcomes.length : at + 1, invariant });
      if (!given.json)
        write(`${at < 0 ? 'NOT FOUND' : 'found'} ${name}: ${at < 0 ? count : at + 1} seeds (${invariant})`);
    }
  } finally {
    await runner.close();
  }
  if (given.json) write(JSON.stringify({ controls }));
  return controls.every(({ found }) => found) ? 0 : 1;
}

interface Explained {
  readonly seed: number;
  readonly invariant: string;
  readonly detail: string;
  readonly faults: readonly string[];
  readonly replay: string;
}

function explain(failed: Outcome, given: Arguments): Explained {
  const { seed } = failed;
  const drawn = faultsOf(seed);
  const { only, outcome } =
    given.only === null ? minimise(failed, controlOf(given.control)) : { only: given.only, outcome: failed };
  const control = given.control === null ? '' : ` --control "${given.control}"`;
  return {
    seed,
    invariant: outcome.violation?.invariant ?? '',
    detail: outcome.violation?.detail ?? '',
    faults: only.flatMap((index) => (drawn[index] === undefined ? [] : inWords(drawn[index]))),
    replay: `npm run sim -- --seeds 1 --seed ${seed}${control} --only ${only.join(',') || 'none'} --trace`,
  };
}

function controlOf(name: ControlName | null) {
  return name === null ? CORRECT : CONTROLS[name];
}

function print({ violations, ...figures }: { violations: readonly Explained[] } & Record<string, unknown>): void {
  for (const [name, figure] of Object.entries(figures)) write(`${name}: ${JSON.stringify(figure)}`);
  write(`violations: ${violations.length}`);
  for (const { seed, detail, faults, replay } of violations) {
    write(`  seed ${seed}: ${detail}`);
    for (const fault of faults) write(`    ${fault}`);
    write(`    ${replay}`);
  }
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}
