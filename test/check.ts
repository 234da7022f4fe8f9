/**
 * `npm run check`: types, lint, format, layers, dead code; all at once, in well under a minute. Each failure prints what its
 * tool said; the exit code is 1 when any failed.
 */
import { spawn } from 'node:child_process';
import { cpus } from 'node:os';

interface Check {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** A tool that silently looked at nothing has not passed. */
  readonly mustSay?: RegExp;
}

const checks: readonly Check[] = [
  { name: 'types', command: ['tsc', '-b', '--force'] },
  { name: 'lint', command: ['oxlint', '--type-aware', '--deny-warnings'], mustSay: /on [1-9]\d* files/ },
  { name: 'format', command: ['biome', 'format', '.'], mustSay: /Checked [1-9]\d* files/ },
  {
    name: 'layers',
    command: ['depcruise', '--config', '.dependency-cruiser.cjs', 'app', 'electron', 'cluster-node'],
    mustSay: /\([1-9]\d* modules/,
  },
  { name: 'dead code', command: ['knip'] },
];

interface Result {
  readonly check: Check;
  readonly passed: boolean;
  readonly output: string;
  readonly tookMs: number;
}

function run(check: Check): Promise<Result> {
  const startedAtMs = performance.now();
  const [program, ...args] = check.command;
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk));
  return new Promise((resolve) => {
    const end = (passed: boolean) =>
      resolve({ check, passed, output, tookMs: Math.round(performance.now() - startedAtMs) });
    child.on('error', (error) => {
      output += error.message;
      end(false);
    });
    child.on('close', (code) => end(code === 0 && (check.mustSay?.test(output) ?? true)));
  });
}

const queue = [...checks];
const results: Result[] = [];
const worker = async () => {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) results.push(await run(next));
};
await Promise.all(Array.from({ length: Math.min(cpus().length, checks.length) }, worker));

for (const { check, passed, output, tookMs } of results) {
  process.stdout.write(`${passed ? 'ok  ' : 'FAIL'} ${check.name} (${(tookMs / 1000).toFixed(1)} s)\n`);
  if (!passed) process.stdout.write(`${output}\n`);
}
if (results.some((result) => !result.passed)) process.exitCode = 1;
