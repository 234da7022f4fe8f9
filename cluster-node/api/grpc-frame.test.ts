import { expect, test } from 'vitest';
import { encodeGrpcMessage, FrameReader, frame, parseGrpcTimeout } from './grpc-frame.ts';

const messages = ['', 'a', 'some more bytes', 'x'.repeat(1000)].map((text) => Buffer.from(text));
const body = Buffer.concat(messages.map((message) => frame(message)));

test.each([1, 2, 3, 4, 5, 6, 7, 100, 2000])(
  'messages come whole however the body is cut (%d bytes a chunk)',
  (size) => {
    const reader = new FrameReader(1000);
    const read: Uint8Array[] = [];
    for (let at = 0; at < body.length; at += size) read.push(...reader.push(body.subarray(at, at + size)));
    expect(read.map((message) => Buffer.from(message))).toEqual(messages);
    expect(reader.isInsideMessage).toBe(false);
  },
);

test('a message past the bound is refused from its length alone', () => {
  expect(() => new FrameReader(999).push(frame(Buffer.alloc(1000)).subarray(0, 5))).toThrow(
    'grpc: received message larger than max (1000 vs. 999)',
  );
});

test('a compressed message is refused', () => {
  expect(() => new FrameReader(10).push(Buffer.from([1, 0, 0, 0, 0]))).toThrow('compressed');
});

test('grpc-message is percent-encoded UTF-8', () => {
  expect(encodeGrpcMessage('100 % für\nalle')).toBe('100 %25 f%C3%BCr%0Aalle');
});

test.each([
  ['5S', 5000],
  ['100m', 100],
  ['2M', 120_000],
  ['1500u', 1.5],
  ['', null],
  ['5', null],
  ['123456789S', null],
])('grpc-timeout %s is %s ms', (header, expected) => {
  expect(parseGrpcTimeout(header)).toBe(expected);
});
