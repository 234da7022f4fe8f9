import { expect, test } from 'vitest';
import { MAX_QUEUED_BYTES, OutboundQueue } from './outbound-queue.ts';

test('past its bound the queue drops heartbeats first, then the oldest', () => {
  const queue = new OutboundQueue();
  const frame = (mark: number, isEssential: boolean) => ({
    bytes: Buffer.alloc(MAX_QUEUED_BYTES / 8, mark),
    isEssential,
  });
  for (let mark = 1; mark <= 8; mark++) queue.push(frame(mark, mark % 2 === 0));
  expect(queue.droppedFrames).toBe(0);
  queue.push(frame(9, true));
  const kept = queue.take(MAX_QUEUED_BYTES);
  const marks = new Set(kept);
  expect([...marks]).toEqual([4, 6, 8, 9]);
  expect(queue.droppedFrames).toBe(5);
  expect(queue.isEmpty).toBe(true);
});

test('frames leave in order, in pieces no larger than asked for unless one frame alone is', () => {
  const queue = new OutboundQueue();
  for (const size of [3, 3, 10, 1]) queue.push({ bytes: Buffer.alloc(size, size), isEssential: true });
  const pieces: number[] = [];
  while (!queue.isEmpty) pieces.push(queue.take(6).length);
  expect(pieces).toEqual([6, 10, 1]);
});
