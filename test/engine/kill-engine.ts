/** Runs an engine of its own and ends it with SIGKILL. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { EngineResources } from '../../electron/engine/engine.ts';

const program = fileURLToPath(new URL('killed-engine.ts', import.meta.url));

export interface KilledEngine {
  readonly stateDir: string;
  readonly resources: EngineResources;
  /** `tryIt`, `apply NAME`, `destroy NAME`, `rotate NAME` or `restore NAME FILE`. */
  readonly work: readonly string[];
}

/** Until it begins this step. Throws Error when it ends before. */
export async function killAtStep(engine: KilledEngine, step: string): Promise<void> {
  await run(engine, (line, kill) => {
    if (line.startsWith('ended')) throw new Error(`before ${step} it ${line}`);
    if (line === `begun ${step}`) kill();
  });
}

/** So long after it has begun; returns its last line, `ended …` where it was faster. */
export async function killAfter(engine: KilledEngine, milliseconds: number): Promise<string> {
  let last = '';
  await run(engine, (line, kill) => {
    last = line;
    if (line === 'begun') setTimeout(kill, milliseconds);
  });
  return last;
}

async function run(engine: KilledEngine, onLine: (line: string, kill: () => void) => void): Promise<void> {
  const { stateDir, resources, work } = engine;
  const child = spawn(process.execPath, [program, stateDir, JSON.stringify(resources), ...work], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) onLine(line, () => child.kill('SIGKILL'));
  await exited;
}
