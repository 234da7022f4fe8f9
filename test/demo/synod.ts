/** Starts the built `synod` command as a person would, and reads its one JSON object. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const isBuilt = existsSync(join(root, 'dist/build.json'));

export interface RunningCommand {
  readonly process: ChildProcess;
  /** The first line on stdout, parsed; rejects with what was said on stderr when there is none. */
  readonly firstObject: Promise<Record<string, unknown>>;
  /** Resolves with the exit code. */
  readonly exited: Promise<number>;
  readonly said: () => string;
}

export function startSynod(args: readonly string[], env: NodeJS.ProcessEnv = {}): RunningCommand {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', join(root, 'dist/cli/synod.js'), ...args],
    {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk));
  const exited = new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? -1)));
  const lines = createInterface({ input: child.stdout });
  const firstObject = new Promise<Record<string, unknown>>((resolve, reject) => {
    lines.once('line', (line) => resolve(JSON.parse(line) as Record<string, unknown>));
    void exited.then((code) => reject(new Error(`synod ${args.join(' ')} ended with ${code} and said:\n${said}`)));
  });
  firstObject.catch(() => {});
  return { process: child, firstObject, exited, said: () => said };
}
