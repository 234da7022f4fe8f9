import { expect, test } from 'vitest';
import { Sessions } from './sessions.ts';

const envelope = (sequence: number, acknowledgedBelow = 0, boot = 1) => ({
  request: { origin: 1, boot, sequence },
  acknowledgedBelow,
});

test('a request is admitted once, in whatever order requests come', () => {
  const sessions = new Sessions();
  expect([3, 1, 2, 3, 1, 2, 4].map((sequence) => sessions.admit(envelope(sequence)))).toEqual([
    true,
    true,
    true,
    false,
    false,
    false,
    true,
  ]);
});

test('what its origin has finished is never admitted again, even if it was never seen', () => {
  const sessions = new Sessions();
  expect(sessions.admit(envelope(10, 9))).toBe(true);
  expect(sessions.admit(envelope(8, 1))).toBe(false);
  expect(sessions.admit(envelope(9, 1))).toBe(true);
  expect(sessions.admit(envelope(9, 9))).toBe(false);
});

test('another life of the origin counts anew, and a late command of an earlier life does not end it', () => {
  const sessions = new Sessions();
  expect(sessions.admit(envelope(5, 5, 1))).toBe(true);
  expect(sessions.admit(envelope(1, 1, 2))).toBe(true);
  expect(sessions.admit(envelope(6, 5, 1))).toBe(true);
  expect(sessions.admit(envelope(2, 1, 2))).toBe(true);
  expect(sessions.admit(envelope(1, 1, 2))).toBe(false);
});

test('a life in use outlives any number of others', () => {
  const sessions = new Sessions();
  for (let boot = 2; boot < 500; boot++) {
    expect(sessions.admit(envelope(boot, 0, 1))).toBe(true);
    sessions.admit(envelope(1, 0, boot));
  }
  expect(sessions.admit(envelope(2, 0, 1))).toBe(false);
});
