import { expect, it } from 'vitest';
import { decideRestart, defaultRestartPolicy, type NodeExit } from './restart-policy.ts';

const crash: NodeExit = { code: 1, signal: null, livedMs: 300, onRequest: false };

function pausesUntilGivenUp(policy = defaultRestartPolicy): { pauses: number[]; why: string } {
  const pauses: number[] = [];
  for (let fastExits = 0; ; ) {
    const decision = decideRestart(policy, fastExits, crash);
    if (decision.kind === 'giveUp') return { pauses, why: decision.why };
    pauses.push(decision.afterMs);
    fastExits = decision.fastExits;
  }
}

it('starts again at once, then with doubling pauses, then leaves the node down with the reason', () => {
  const { pauses, why } = pausesUntilGivenUp();
  expect(pauses).toEqual([0, 200, 400, 800, 1600]);
  expect(why).toBe('the node exited with code 1 (crashed); it ended within 10 s of its start 6 times in a row');
});

it('never pauses longer than the longest pause', () => {
  expect(Math.max(...pausesUntilGivenUp({ ...defaultRestartPolicy, fastExitsAtMost: 20 }).pauses)).toBe(5000);
});

it('forgets fast exits after a long life or an exit on request', () => {
  const again = { kind: 'restart', afterMs: 0, fastExits: 0 };
  expect(decideRestart(defaultRestartPolicy, 4, { ...crash, livedMs: 10_000 })).toEqual(again);
  expect(decideRestart(defaultRestartPolicy, 4, { ...crash, onRequest: true })).toEqual(again);
});

it('gives up at once when the node says that its configuration is bad', () => {
  expect(decideRestart(defaultRestartPolicy, 0, { ...crash, code: 2, livedMs: 60_000 }).kind).toBe('giveUp');
});
