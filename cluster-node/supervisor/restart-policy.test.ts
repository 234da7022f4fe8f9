import { expect, it } from 'vitest';
import { decideRestart, defaultRestartPolicy, type NodeExit, type RestartDecision } from './restart-policy.ts';

const crash: NodeExit = { code: 1, signal: null, livedMs: 300, onRequest: false };

type Restart = Extract<RestartDecision, { kind: 'restart' }>;

function afterFastExits(count: number, exit = crash): Restart[] {
  const decisions: Restart[] = [];
  while (decisions.length < count) {
    const decision = decideRestart(defaultRestartPolicy, decisions.at(-1)?.fastExits ?? 0, exit);
    if (decision.kind === 'giveUp') throw new Error(`given up: ${decision.why}`);
    decisions.push(decision);
  }
  return decisions;
}

it('starts again at once, then with doubling pauses up to the longest, and never gives up', () => {
  const pauses = afterFastExits(2000).map(({ afterMs }) => afterMs);
  expect(pauses.slice(0, 11)).toEqual([0, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
  expect(new Set(pauses.slice(9))).toEqual(new Set([30_000]));
});

it('does not give up a node that is killed from outside again and again', () => {
  const last = afterFastExits(50, { ...crash, code: null, signal: 'SIGKILL' }).at(-1);
  expect(last?.why).toBe(
    'the node was ended by SIGKILL; it has failed within 10 s of its start 50 times in a row and is started again in 30 s',
  );
});

it('tells a node that keeps failing from one that has crashed a few times', () => {
  const decisions = afterFastExits(6);
  expect(decisions.map(({ isFailing }) => isFailing)).toEqual([false, false, false, false, false, true]);
  expect(decisions[4]?.why).toBe('the node exited with code 1 (crashed)');
  expect(decisions[5]?.why).toMatch(/; it has failed within 10 s of its start 6 times in a row/);
});

it('forgets fast exits after a long life or an exit on request', () => {
  const again = { kind: 'restart', afterMs: 0, fastExits: 0, isFailing: false };
  expect(decideRestart(defaultRestartPolicy, 9, { ...crash, livedMs: 10_000 })).toMatchObject(again);
  expect(decideRestart(defaultRestartPolicy, 9, { ...crash, onRequest: true })).toMatchObject(again);
});

it('gives up at once when the node says that its configuration is bad or its data is refused', () => {
  for (const code of [2, 5])
    expect(decideRestart(defaultRestartPolicy, 0, { ...crash, code, livedMs: 60_000 }).kind).toBe('giveUp');
});
