import { describe, expect, it } from 'vitest';
import {
  encodeFrame,
  encodeSettings,
  encodeWindowUpdate,
  FrameCutter,
  frameFlags,
  frameTypes,
  HeaderEncoder,
  settingIn,
} from './http2-frames.ts';

interface Seen {
  type: number;
  flags: number;
  streamId: number;
  payload: string;
}

function cut(chunks: readonly Buffer[]): Seen[] {
  const cutter = new FrameCutter();
  const seen: Seen[] = [];
  for (const chunk of chunks)
    cutter.push(chunk, ({ type, flags, streamId, bytes, start, end }) =>
      seen.push({ type, flags, streamId, payload: bytes.toString('latin1', start, end) }),
    );
  return seen;
}

describe('FrameCutter', () => {
  const bytes = Buffer.concat([
    encodeFrame({ type: frameTypes.data, flags: frameFlags.endStream, streamId: 5 }, Buffer.from('hello')),
    encodeFrame({ type: frameTypes.ping, flags: 0, streamId: 0 }, Buffer.from('12345678')),
    encodeFrame({ type: frameTypes.headers, flags: 5, streamId: 0x7fffffff }, Buffer.alloc(0)),
  ]);
  const frames = [
    { type: 0, flags: 1, streamId: 5, payload: 'hello' },
    { type: 6, flags: 0, streamId: 0, payload: '12345678' },
    { type: 1, flags: 5, streamId: 0x7fffffff, payload: '' },
  ];

  it('finds the same frames wherever the stream was cut in two', () => {
    for (let at = 0; at <= bytes.length; at++) expect(cut([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(frames);
  });

  it('finds them byte by byte', () => {
    expect(cut([...bytes].map((byte) => Buffer.from([byte])))).toEqual(frames);
  });

  it('ignores the reserved bit of a stream id', () => {
    const reserved = Buffer.from(encodeFrame({ type: 0, flags: 0, streamId: 9 }, Buffer.alloc(0)));
    reserved[5] = 0x80;
    expect(cut([reserved])[0]?.streamId).toBe(9);
  });
});

describe('settings and windows', () => {
  it('reads a setting back, the last one given', () => {
    const bytes = encodeSettings([
      [4, 100],
      [3, 7],
      [4, 1 << 20],
    ]);
    const view = { type: 4, flags: 0, streamId: 0, bytes, start: 9, end: bytes.length };
    expect([settingIn(view, 4), settingIn(view, 3), settingIn(view, 1)]).toEqual([1 << 20, 7, undefined]);
  });

  it('writes a window update as RFC 9113 lays it out', () => {
    expect(encodeWindowUpdate(3, 0x10000).toString('hex')).toBe('00000408000000000300010000');
  });
});

describe('HeaderEncoder', () => {
  it('sends a header in full once and by its place afterwards', () => {
    const encoder = new HeaderEncoder();
    const headers = [
      [':method', 'POST'],
      ['te', 'trailers'],
      ['a', 'b'],
    ] as const;
    // RFC 7541, 6.1 and 6.2.1: 0x83 is :method POST of the static table.
    expect(encoder.encode(headers).toString('latin1')).toBe('\x83\x40\x02te\x08trailers\x40\x01a\x01b');
    // The newest entry of the dynamic table has index 62.
    expect(encoder.encode(headers).toString('hex')).toBe('83bfbe');
  });

  it('moves older headers back as new ones enter', () => {
    const encoder = new HeaderEncoder();
    encoder.encode([['a', 'b']]);
    encoder.encode([['c', 'd']]);
    expect(encoder.encode([['a', 'b']]).toString('hex')).toBe('bf');
  });
});
