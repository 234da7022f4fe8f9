import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { OperationResult } from '../machine/machine.ts';
import { PendingCalls } from './pending.ts';

const result = { kind: 'error' } as OperationResult;
let abandoned: number[] = [];
let started: number[] = [];
let pending: PendingCalls;

beforeEach(() => {
  vi.useFakeTimers();
  abandoned = [];
  started = [];
  pending = new PendingCalls({
    abandon: (sequence) => abandoned.push(sequence),
    startRead: (sequence) => started.push(sequence),
  });
});
afterEach(() => vi.useRealTimers());

test('below the acknowledged sequence nothing is waited for', async () => {
  const first = pending.next();
  expect(first).toEqual({ sequence: 1, acknowledgedBelow: 1 });
  const answer = pending.proposal(1, 1000);
  expect(pending.next()).toEqual({ sequence: 2, acknowledgedBelow: 1 });
  const second = pending.proposal(2, 1000);
  pending.applied(1, result);
  await expect(answer).resolves.toBe(result);
  expect(pending.next()).toEqual({ sequence: 3, acknowledgedBelow: 2 });
  pending.applied(2, result);
  await second;
  expect(pending.next()).toEqual({ sequence: 4, acknowledgedBelow: 4 });
});

test('a proposal that timed out may have happened; a refused one has not', async () => {
  const late = pending.proposal(pending.next().sequence, 100);
  const refused = pending.proposal(pending.next().sequence, 1000);
  const outcomes = Promise.allSettled([late, refused]);
  vi.advanceTimersByTime(100);
  pending.refused(2, 'busy');
  pending.applied(1, result);
  expect(await outcomes).toMatchObject([
    { reason: { reason: 'timeout', mayHaveHappened: true } },
    { reason: { reason: 'busy', mayHaveHappened: false } },
  ]);
  expect(abandoned).toEqual([1]);
});

test('reads ask once until the core takes the question, and are answered when their slot is applied', async () => {
  const reads = Promise.all([pending.read(1000), pending.read(1000)]);
  expect(started).toEqual([1]);
  pending.readTaken();
  const later = pending.read(1000);
  expect(started).toEqual([1, 3]);
  pending.readReady(1, 7);
  pending.appliedUpTo(6);
  expect(pending.size).toBe(3);
  pending.appliedUpTo(7);
  await reads;
  pending.refused(3, 'noLeader');
  await expect(later).rejects.toMatchObject({ reason: 'noLeader', mayHaveHappened: false });
  expect(pending.size).toBe(0);
});

test('stopping answers everyone', async () => {
  const outcomes = Promise.allSettled([pending.proposal(pending.next().sequence, 1000), pending.read(1000)]);
  pending.stop();
  expect(await outcomes).toMatchObject([{ reason: { reason: 'stopping' } }, { reason: { reason: 'stopping' } }]);
});
