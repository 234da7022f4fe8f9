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
  /** `tryIt`, `apply NAME`, `restart NAME`, `destroy NAME`, `rotate NAME`, `restore NAME FILE` or `members NAME CHANGE`. */
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

export interface PausedEngine {
  /** Lets it go on, and returns its last line. */
  wake(): Promise<string>;
  kill(): void;
}

/** Stopped (SIGSTOP), as by a computer that sleeps, when it begins this step. */
export async function pauseAtStep(engine: KilledEngine, step: string): Promise<PausedEngine> {
  const child = start(engine);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let last = '';
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    last = line.value;
    if (last === `begun ${step}` || last.startsWith('ended')) break;
  }
  if (last !== `begun ${step}`) throw new Error(`before ${step} it ${last}`);
  child.kill('SIGSTOP');
  return {
    wake: async () => {
      child.kill('SIGCONT');
      for (let line = await lines.next(); !line.done; line = await lines.next()) last = line.value;
      return last;
    },
    kill: () => void child.kill('SIGKILL'),
  };
}

function start({ stateDir, resources, work }: KilledEngine) {
  return spawn(process.execPath, [program, stateDir, JSON.stringify(resources), ...work], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function run(engine: KilledEngine, onLine: (line: string, kill: () => void) => void): Promise<void> {
  const child = start(engine);
  const exited = once(child, 'exit');
  try {
    for await (const line of createInterface({ input: child.stdout })) onLine(line, () => child.kill('SIGKILL'));
  } finally {
    await exited;
  }
}
