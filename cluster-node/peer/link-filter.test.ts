import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { FaultLease, Link } from '../contract/fault.ts';
import { LinkFilter } from './link-filter.ts';

let nowMs = 0;
let ended: string[] = [];
let filter: LinkFilter;

beforeEach(() => {
  vi.useFakeTimers();
  nowMs = 1000;
  ended = [];
  filter = new LinkFilter({ self: 1, nowMs: () => nowMs, onEnd: (id, reason) => ended.push(`${id} ${reason}`) });
});
afterEach(() => {
  filter.close();
  vi.useRealTimers();
});

function pass(ms: number): void {
  nowMs += ms;
  vi.advanceTimersByTime(ms);
}

const cut = (faultId: string, ttlMs: number, ...links: [number, number][]): FaultLease => ({
  faultId,
  fault: { kind: 'partition', links: links.map(([from, to]): Link => ({ from, to })) },
  ttlMs,
});

test('only the named links are cut, in the named direction', () => {
  filter.inject(cut('f-00000001', 1000, [1, 2], [3, 1], [2, 3]));
  expect([filter.dropsTo(2), filter.dropsTo(3)]).toEqual([true, false]);
  expect([filter.dropsFrom(3), filter.dropsFrom(2)]).toEqual([true, false]);
  expect(filter.list()).toMatchObject([{ faultId: 'f-00000001', droppedMessages: 2, remainingMs: 1000 }]);
});

test('a lease ends by itself', () => {
  filter.inject(cut('f-00000001', 1000, [1, 2]));
  pass(999);
  expect(filter.dropsTo(2)).toBe(true);
  pass(1);
  expect(filter.dropsTo(2)).toBe(false);
  expect(ended).toEqual(['f-00000001 expired']);
  expect(filter.list()).toEqual([]);
});

test('a lease is over at its deadline even when its timer is late', () => {
  filter.inject(cut('f-00000001', 1000, [1, 2]));
  nowMs += 1000;
  expect(filter.dropsTo(2)).toBe(false);
});

test('the same id renews the lease, replaces its links and keeps its count', () => {
  filter.inject(cut('f-00000001', 1000, [1, 2]));
  filter.dropsTo(2);
  pass(900);
  expect(filter.inject(cut('f-00000001', 1000, [1, 3]))).toMatchObject({ droppedMessages: 1, remainingMs: 1000 });
  pass(900);
  expect([filter.dropsTo(2), filter.dropsTo(3)]).toEqual([false, true]);
  expect(ended).toEqual([]);
});

test('faults overlay: a link is cut until the last of them ends', () => {
  filter.inject(cut('f-00000001', 500, [1, 2]));
  filter.inject(cut('f-00000002', 1000, [1, 2], [1, 2]));
  expect(filter.dropsTo(2)).toBe(true);
  expect(filter.list().map((fault) => fault.droppedMessages)).toEqual([1, 1]);
  pass(500);
  expect(filter.dropsTo(2)).toBe(true);
  expect(filter.heal('f-00000002')).toBe(true);
  expect(filter.heal('f-00000002')).toBe(false);
  expect(filter.dropsTo(2)).toBe(false);
  expect(ended).toEqual(['f-00000001 expired', 'f-00000002 healed']);
});
