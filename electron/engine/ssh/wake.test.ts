import { expect, it } from 'vitest';
import { WAKE_LOOK_MS, WakeWatch } from './wake.ts';

function watched() {
  const world = { monotonic: 1000, wall: 50_000, addresses: ['10.0.0.1', 'fe80::1'] };
  const watch = new WakeWatch({
    monotonicMs: () => world.monotonic,
    wallMs: () => world.wall,
    addresses: () => [...world.addresses],
  });
  const pass = (monotonicMs: number, wallMs = monotonicMs): boolean => {
    world.monotonic += monotonicMs;
    world.wall += wallMs;
    return watch.look();
  };
  return { world, pass };
}

it('sees nothing in looks that come in time or a little late', () => {
  const { pass, world } = watched();
  expect([pass(WAKE_LOOK_MS), pass(WAKE_LOOK_MS * 2), pass(WAKE_LOOK_MS)]).toEqual([false, false, false]);
  world.addresses.reverse();
  expect(pass(WAKE_LOOK_MS)).toBe(false);
});

it('sees sleep by a clock that ran on and by one that did not, and a clock set back is none', () => {
  const { pass } = watched();
  expect(pass(WAKE_LOOK_MS, 600_000)).toBe(true);
  expect(pass(600_000)).toBe(true);
  expect(pass(WAKE_LOOK_MS, -600_000)).toBe(false);
});

it('sees another network once', () => {
  const { pass, world } = watched();
  world.addresses = ['192.168.1.7'];
  expect([pass(WAKE_LOOK_MS), pass(WAKE_LOOK_MS)]).toEqual([true, false]);
});
