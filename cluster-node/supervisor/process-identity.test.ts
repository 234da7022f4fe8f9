import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { identify, isAlive, parseProcessStat, signalProcess } from './process-identity.ts';

// `cat /proc/self/stat`, Linux 6.18.44.
const captured =
  '11001 (cat) R 10988 10988 6195 0 -1 4194304 103 0 0 0 0 0 0 0 20 0 1 0 181549 3133440 416 18446744073709551615 ' +
  '94035898855424 94035898875305 140733837258656 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0';

it('reads state and start time of a captured stat line', () => {
  expect(parseProcessStat(captured)).toEqual({ state: 'R', startTime: '181549' });
});

it('is not misled by brackets and spaces in the command', () => {
  expect(parseProcessStat(captured.replace('(cat)', '(a) S 1 (b)'))).toEqual({ state: 'R', startTime: '181549' });
});

it('refuses what is no stat line', () => {
  expect(parseProcessStat('')).toBeNull();
  expect(parseProcessStat('1 (init) S 0')).toBeNull();
});

it('never signals a process that merely has the pid', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  try {
    const identity = identify(child.pid ?? 0);
    if (!identity) throw new Error('the child is not alive');
    expect(isAlive(identity)).toBe(true);
    expect(signalProcess({ ...identity, startTime: '1' }, 'SIGKILL')).toBe(false);
    expect(signalProcess({ ...identity, bootId: 'an earlier boot' }, 'SIGKILL')).toBe(false);
    expect(isAlive(identity)).toBe(true);
    expect(signalProcess(identity, 'SIGKILL')).toBe(true);
    await once(child, 'exit');
    expect(isAlive(identity)).toBe(false);
  } finally {
    child.kill('SIGKILL');
  }
});
