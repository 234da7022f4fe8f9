import { expect, it } from 'vitest';
import { parseUnitStatus, serviceStateOf } from './unit-status.ts';

const unit = 'synod-n-aaaaaaaa.service';

/** As systemd 252 writes it, with what a test is about. */
function shown(change: Record<string, string | number>): string {
  const healthy = {
    Restart: 'always',
    MainPID: 412,
    Result: 'success',
    ExecMainCode: 0,
    ExecMainStatus: 0,
    NRestarts: 0,
    StatusText: 'it answers',
    LoadState: 'loaded',
    ActiveState: 'active',
    SubState: 'running',
    InvocationID: '5f0c',
  };
  const lines = Object.entries({ ...healthy, ...change }).map(([name, value]) => `${name}=${value}`);
  return `${lines.join('\n')}\n`;
}

const state = (change: Record<string, string | number>) =>
  serviceStateOf('n-aaaaaaaa', unit, parseUnitStatus(shown(change)));

it('shows a node that answers', () => {
  const running = { nodeId: 'n-aaaaaaaa', state: 'running', pid: 412, restarts: 2, reason: null };
  expect(state({ NRestarts: 2 })).toEqual(running);
});

it('shows what a node that starts is at', () => {
  const starting = { ActiveState: 'activating', SubState: 'start', StatusText: 'it executes its log: slot 1 = 1 of 9' };
  expect(state(starting)).toMatchObject({ state: 'running', reason: 'it executes its log: slot 1 = 1 of 9' });
});

it('says why a node is down', () => {
  const down = { ActiveState: 'failed', SubState: 'failed', MainPID: 0 };
  const why = (change: Record<string, string | number>) => state({ ...down, ...change });
  const exit = (status: number) => why({ Result: 'exit-code', ExecMainCode: 1, ExecMainStatus: status }).reason;
  expect(why({ Result: 'exit-code', ExecMainCode: 1, ExecMainStatus: 2 })).toMatchObject({
    state: 'failed',
    pid: null,
  });
  expect(exit(2)).toMatch(/code 2 \(badConfig\), with which it says that starting it again cannot help/);
  expect(exit(3)).toBe('the node exited with code 3 (portUnavailable)');
  expect(exit(226)).toMatch(/data disk/);
  expect(exit(203)).toMatch(/program/);
  expect(why({ Result: 'start-limit-hit' }).reason).toMatch(/too often/);
  expect(why({ Result: 'watchdog', ExecMainCode: 2, ExecMainStatus: 6 }).reason).toMatch(/watchdog/);
  expect(why({ Result: 'signal', ExecMainCode: 2, ExecMainStatus: 9 }).reason).toMatch(/SIGKILL/);
  expect(why({ Result: 'something-new' }).reason).toMatch(/something-new/);
});

it('tells a pause before the next start from a start', () => {
  for (const SubState of ['auto-restart', 'auto-restart-queued'])
    expect(
      state({
        ActiveState: 'activating',
        SubState,
        MainPID: 0,
        Result: 'exit-code',
        ExecMainCode: 1,
        ExecMainStatus: 1,
      }),
    ).toMatchObject({ state: 'restarting', pid: null, reason: 'the node exited with code 1 (crashed)' });
});

it('tells a stopped node from one that systemd does not know', () => {
  const inactive = { ActiveState: 'inactive', SubState: 'dead', MainPID: 0 };
  expect(state(inactive)).toMatchObject({ state: 'stopped', reason: null });
  expect(state({ ...inactive, LoadState: 'not-found' })).toMatchObject({
    state: 'stopped',
    reason: `systemd knows no unit ${unit}`,
  });
});

it('does not take silence for a stopped node', () => {
  expect(() => parseUnitStatus('')).toThrow(/did not say/);
  expect(() => parseUnitStatus('MainPID=0\nLoadState=loaded\n')).toThrow(/did not say/);
});
