import { expect, it } from 'vitest';
import { bootClock } from './boot-clock.ts';

const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

it('runs on while the machine sleeps, and only then differs from the monotonic clock', async () => {
  let monotonicMs = 1000;
  let sleptMs = 0;
  const now = bootClock({ monotonicMs: () => monotonicMs, sinceBootMs: () => 500_000 + monotonicMs + sleptMs });
  expect(now()).toBe(1000);
  monotonicMs = 1200;
  sleptMs = 9;
  await turn();
  expect(now()).toBe(1200);
  sleptMs = 60_000;
  await turn();
  expect(now()).toBe(61_200);
  monotonicMs = 1300;
  await turn();
  expect(now()).toBe(61_300);
});

it('never goes back', async () => {
  let monotonicMs = 0;
  let sinceBootMs = 5_000;
  const now = bootClock({ monotonicMs: () => monotonicMs, sinceBootMs: () => sinceBootMs });
  sinceBootMs = 8_000;
  await turn();
  expect(now()).toBe(3_000);
  sinceBootMs = 5_100;
  monotonicMs = 10;
  await turn();
  expect(now()).toBe(3_010);
});

it('reads the clocks of this machine', () => {
  const now = bootClock();
  expect(Math.abs(now() - performance.now())).toBeLessThan(1000);
});
