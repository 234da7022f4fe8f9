import { expect, it } from 'vitest';
import { freshnessOf, STALE_AFTER_MS, UNKNOWN_AFTER_MS } from './freshness.ts';

it('goes from fresh to stale to unknown', () => {
  const now = 1_000_000;
  expect(freshnessOf(now, now)).toBe('fresh');
  expect(freshnessOf(now - STALE_AFTER_MS, now)).toBe('fresh');
  expect(freshnessOf(now - STALE_AFTER_MS - 1, now)).toBe('stale');
  expect(freshnessOf(now - UNKNOWN_AFTER_MS - 1, now)).toBe('unknown');
});

it('knows nothing of what was never observed', () => {
  expect(freshnessOf(null, 5)).toBe('unknown');
});
