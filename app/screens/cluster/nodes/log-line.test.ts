import { expect, it } from 'vitest';
import { readLogLine } from './log-line.ts';

it('reads a record: time, level, message, and what else it says', () => {
  const raw =
    '{"level":30,"time":"2026-11-23T13:23:38.672Z","nodeId":"n-j206o2nq","node":"node-3","event":"electionStarted","sequence":3,"ballot":1027,"memberSlot":null,"msg":"started an election"}';
  expect(readLogLine(raw).read).toEqual({
    atUnixMs: Date.parse('2026-11-23T13:23:38.672Z'),
    level: 'info',
    message: 'started an election',
    fields: [
      ['event', 'electionStarted'],
      ['ballot', '1.3'],
    ],
  });
});

it('says what an error said, without its stack', () => {
  const raw = '{"level":50,"time":1,"err":{"type":"Error","message":"disk full","stack":"…"},"msg":"stalled"}';
  expect(readLogLine(raw).read?.fields).toEqual([['err', 'disk full']]);
});

it.each(['Killed', '{"level":30', '{"a":1}', ''])('leaves %j as it is', (raw) => {
  expect(readLogLine(raw)).toEqual({ raw, read: null });
});
