/**
 * Runs seeds of the simulator: `npm run sim -- --seeds 1000 [--seed 1] [--control NAME] [--json] [--trace]`. Exits 0 when
 * no invariant broke, 1 when one did (with the command that replays it), 2 on wrong use.
 */
import { parseArgs } from 'node:util';
import { CONTROLS, CORRECT, type Control, type ControlName } from './controls.ts';
import { type Outcome, simulate } from './simulation.ts';

const MAX_FAILURES = 5;

interface Arguments {
  readonly seeds: number;
  readonly firstSeed: number;
  readonly control: Control;
  readonly controlName: string | null;
  readonly json: boolean;
  /** Protocol events and faults in words, on stderr. */
  readonly trace: boolean;
}

process.exitCode = main();

function main(): number {
  const given = parse();
  if (typeof given === 'string') {
    process.stderr.write(
      `${given}\nuse: --seeds N [--seed FIRST] [--control NAME] [--json] [--trace]; controls: ${Object.keys(CONTROLS).join(', ')}`,
    );
    return 2;
  }
  const startedMs = performance.now();
  const totals = { seeds: 0, steps: 0, virtualMs: 0, acknowledged: 0, readsAnswered: 0 };
  const faults: Record<string, number> = {};
  const failures: Outcome[] = [];
  for (let at = 0; at < given.seeds && failures.length < MAX_FAILURES; at++) {
    const outcome = simulate(
      given.firstSeed + at,
      given.control,
      given.trace ? (line) => process.stderr.write(`${line}\n`) : null,
    );
    totals.seeds += 1;
    totals.steps += outcome.steps;
    totals.virtualMs += outcome.virtualMs;
    totals.acknowledged += outcome.acknowledged;
    totals.readsAnswered += outcome.readsAnswered;
    for (const [kind, count] of Object.entries(outcome.faults)) faults[kind] = (faults[kind] ?? 0) + count;
    if (outcome.violation !== null) failures.push(outcome);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  const violations = failures.map(({ seed, violation }) => ({
    seed,
    ...violation,
    replay: replayOf(seed, given.controlName),
  }));
  const summary = {
    ...totals,
    virtualMs: Math.round(totals.virtualMs),
    stepsPerSecond: Math.round(totals.steps / seconds),
    faults,
    violations,
  };
  if (given.json) write(JSON.stringify(summary));
  else print(summary);
  return violations.length === 0 ? 0 : 1;
}

function print(
  summary: { violations: readonly { seed: number; detail?: string; replay: string }[] } & Record<string, unknown>,
): void {
  const { violations, ...figures } = summary;
  for (const [name, figure] of Object.entries(figures)) write(`${name}: ${JSON.stringify(figure)}`);
  write(`violations: ${violations.length}`);
  for (const { seed, detail, replay } of violations) write(`  seed ${seed}: ${detail}\n    ${replay}`);
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}

function replayOf(seed: number, control: string | null): string {
  return `npm run sim -- --seeds 1 --seed ${seed}${control === null ? '' : ` --control "${control}"`}`;
}

/** The arguments, or what is wrong with them. */
function parse(): Arguments | string {
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: 'string', default: '200' },
        seed: { type: 'string', default: '1' },
        control: { type: 'string' },
        json: { type: 'boolean', default: false },
        trace: { type: 'boolean', default: false },
      },
    });
    const seeds = Number(values.seeds);
    const firstSeed = Number(values.seed);
    if (!Number.isSafeInteger(seeds) || seeds < 1 || !Number.isSafeInteger(firstSeed))
      return '--seeds must be a positive integer and --seed an integer';
    const controlName = values.control ?? null;
    if (controlName !== null && !isControl(controlName)) return `there is no control "${controlName}"`;
    const control = controlName === null ? CORRECT : CONTROLS[controlName];
    return { seeds, firstSeed, control, controlName, json: values.json, trace: values.trace };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function isControl(name: string): name is ControlName {
  return Object.hasOwn(CONTROLS, name);
}
