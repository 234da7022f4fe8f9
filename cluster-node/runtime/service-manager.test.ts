import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { systemd } from './service-manager.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it('asks for patience with what it is at, until it is ready', () => {
  const sent: string[] = [];
  const manager = systemd((message) => sent.push(message), null);
  manager.starting(() => 'it executes its log');
  vi.advanceTimersByTime(5_000);
  expect(sent).toEqual(['EXTEND_TIMEOUT_USEC=30000000', 'STATUS=it executes its log']);
  manager.ready();
  vi.advanceTimersByTime(60_000);
  expect(sent.slice(2)).toEqual(['STATUS=it answers', 'READY=1']);
});

it('gives signs of life no more often than is needed', () => {
  const sent: string[] = [];
  const manager = systemd((message) => sent.push(message), 10_000);
  for (let nowMs = 0; nowMs < 30_000; nowMs += 10) manager.alive(nowMs);
  expect(sent).toEqual(['WATCHDOG=1', 'WATCHDOG=1', 'WATCHDOG=1']);
});

it('gives none where nobody waits for them', () => {
  const sent: string[] = [];
  systemd((message) => sent.push(message), null).alive(1);
  expect(sent).toEqual([]);
});
