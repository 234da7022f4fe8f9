import { type ChildProcess, spawn } from 'node:child_process';
import { afterEach, expect, it } from 'vitest';
import { isStillWorking } from './still-working.ts';

let child: ChildProcess | null = null;
afterEach(() => child?.kill('SIGKILL'));

function start(script: string): number {
  child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
  return child.pid as number;
}

async function turnsOut(pid: number, wanted: boolean): Promise<boolean> {
  for (let tries = 0; tries < 50; tries++) if ((await isStillWorking(pid, 200)) === wanted) return true;
  return false;
}

it('sees that a process works', async () => expect(await turnsOut(start('for (;;);'), true)).toBe(true));

it('sees that a process stands still, or is gone', async () => {
  expect(await turnsOut(start('setInterval(() => {}, 100_000)'), false)).toBe(true);
  expect(await isStillWorking(2 ** 22 + 1, 1)).toBe(false);
});
