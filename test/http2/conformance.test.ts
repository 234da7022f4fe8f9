/** What RFC 9113 says of a server, asked with single frames; and what a hostile client cannot do. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { errorCode, flag, frameType, PREFACE } from '../../cluster-node/api/http2/wire.ts';
import { until } from '../fixtures/until.ts';
import { EchoServer } from './echo-server.ts';
import { data, frame, open, RawClient, requestBlock, settings, uint32s } from './raw-client.ts';

let server: EchoServer;
let port: number;
let clients: RawClient[] = [];

beforeEach(async () => {
  server = new EchoServer();
  port = await server.listen();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server.close();
});

function connect(): RawClient {
  const client = new RawClient(port);
  clients.push(client);
  return client;
}

const { protocolError, flowControlError, streamClosed, frameSizeError, refusedStream, compressionError } = errorCode;
const half = requestBlock.subarray(0, 3);
const otherHalf = requestBlock.subarray(3);
const unended = frame(frameType.headers, 1, { payload: half });
const padded = (payload: number[], flags = 0) => ({ flags: flag.padded | flags, payload: Buffer.from(payload) });

test.each<[string, number, Buffer[]]>([
  ['a first frame that is not SETTINGS', protocolError, []],
  ['a frame larger than 16 kB', frameSizeError, [settings(), data(1, Buffer.alloc(16_385))]],
  ['SETTINGS of a stream', protocolError, [settings(), frame(frameType.settings, 1)]],
  ['SETTINGS of 5 bytes', frameSizeError, [frame(frameType.settings, 0, { payload: Buffer.alloc(5) })]],
  [
    'an acknowledgement with settings',
    frameSizeError,
    [settings(), frame(4, 0, { flags: 1, payload: Buffer.alloc(6) })],
  ],
  ['ENABLE_PUSH of 2', protocolError, [settings([2, 2])]],
  ['a window of 2^31', flowControlError, [settings([4, 2 ** 31])]],
  ['frames of at most 16 383 bytes', protocolError, [settings([5, 16_383])]],
  ['DATA of no stream', protocolError, [settings(), data(0, 'x')]],
  ['DATA of a stream that was not opened', protocolError, [settings(), data(1, 'x')]],
  ['DATA that is all padding', protocolError, [settings(), open(1), frame(frameType.data, 1, padded([3, 0, 0]))]],
  [
    'DATA without the length of its padding',
    protocolError,
    [settings(), open(1), frame(frameType.data, 1, padded([]))],
  ],
  ['HEADERS of no stream', protocolError, [settings(), open(0)]],
  ['HEADERS of an even stream', protocolError, [settings(), open(2)]],
  ['HEADERS of a stream that is over', streamClosed, [settings(), open(3, true), open(3, true)]],
  ['HEADERS of a stream that was skipped', streamClosed, [settings(), open(3, true), open(1)]],
  ['a block that is not HPACK', compressionError, [settings(), open(1, false, Buffer.from([0x80]))]],
  ['a priority that is cut off', frameSizeError, [settings(), frame(1, 1, { flags: 0x24, payload: Buffer.alloc(4) })]],
  ['PRIORITY of no stream', protocolError, [settings(), frame(frameType.priority, 0, { payload: Buffer.alloc(5) })]],
  ['RST_STREAM of no stream', protocolError, [settings(), frame(frameType.rstStream, 0, { payload: uint32s(8) })]],
  ['RST_STREAM before HEADERS', protocolError, [settings(), frame(frameType.rstStream, 1, { payload: uint32s(8) })]],
  ['RST_STREAM of 3 bytes', frameSizeError, [settings(), open(1), frame(3, 1, { payload: Buffer.alloc(3) })]],
  ['PUSH_PROMISE', protocolError, [settings(), open(1), frame(frameType.pushPromise, 1, { payload: uint32s(2) })]],
  ['PING of a stream', protocolError, [settings(), open(1), frame(frameType.ping, 1, { payload: Buffer.alloc(8) })]],
  ['PING of 7 bytes', frameSizeError, [settings(), frame(frameType.ping, 0, { payload: Buffer.alloc(7) })]],
  ['GOAWAY of a stream', protocolError, [settings(), frame(frameType.goaway, 1, { payload: Buffer.alloc(8) })]],
  ['GOAWAY of 4 bytes', frameSizeError, [settings(), frame(frameType.goaway, 0, { payload: Buffer.alloc(4) })]],
  ['WINDOW_UPDATE by nothing', protocolError, [settings(), frame(frameType.windowUpdate, 0, { payload: uint32s(0) })]],
  ['WINDOW_UPDATE before HEADERS', protocolError, [settings(), frame(8, 1, { payload: uint32s(1) })]],
  ['WINDOW_UPDATE of 3 bytes', frameSizeError, [settings(), frame(8, 0, { payload: Buffer.alloc(3) })]],
  ['a window beyond 2^31 - 1', flowControlError, [settings(), frame(8, 0, { payload: uint32s(2 ** 31 - 1) })]],
  ['CONTINUATION of nothing', protocolError, [settings(), frame(frameType.continuation, 1, { flags: 4 })]],
  ['CONTINUATION of another stream', protocolError, [settings(), unended, frame(frameType.continuation, 3)]],
  ['PING within a block', protocolError, [settings(), unended, frame(frameType.ping, 0, { payload: Buffer.alloc(8) })]],
])('closes the connection for %s', async (_, code, frames) => {
  const client = connect().send(PREFACE, ...(frames.length > 0 ? frames : [open(1)]));
  expect(await client.goaway()).toBe(code);
  expect(server.closed).toBe(server.opened);
});

test.each<[string, number, Buffer[]]>([
  ['DATA after the end', streamClosed, [open(1, true), data(1, 'x')]],
  ['a window that grows by nothing', protocolError, [open(1), frame(8, 1, { payload: uint32s(0) })]],
  ['a window beyond 2^31 - 1', flowControlError, [open(1), frame(8, 1, { payload: uint32s(2 ** 31 - 1) })]],
  ['HEADERS that go on after a body', protocolError, [open(1), data(1, 'x'), open(1)]],
  ['a request without a path', protocolError, [open(1, true, Buffer.from([0x83, 0x86]))]],
  ['PRIORITY of 4 bytes', frameSizeError, [open(1), frame(frameType.priority, 1, { payload: Buffer.alloc(4) })]],
])('resets the stream and nothing else for %s', async (_, code, frames) => {
  const client = connect()
    .begin()
    .send(...frames);
  expect(await client.reset(1)).toBe(code);
  client.send(open(3), data(3, 'alive', true));
  await client.answered(3);
  expect(client.body(3).toString()).toBe('alive');
});

test('takes padding, priorities, blocks in pieces, trailers and unknown frames, byte by byte', async () => {
  const client = connect();
  const bytes = Buffer.concat([
    PREFACE,
    settings([0x99, 7]),
    frame(0x77, 0, { payload: Buffer.alloc(10) }),
    frame(frameType.headers, 1, {
      flags: flag.padded | flag.priority,
      payload: Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 1]), half, Buffer.alloc(2)]),
    }),
    frame(frameType.continuation, 1),
    frame(frameType.continuation, 1, { flags: flag.endHeaders, payload: otherHalf }),
    frame(frameType.priority, 5, { payload: Buffer.alloc(5) }),
    frame(frameType.data, 1, padded([3, 0x68, 0x69, 0, 0, 0])),
    open(1, true, Buffer.from([0x00, 1, 0x74, 1, 0x31])),
  ]);
  for (const byte of bytes) client.send(Buffer.from([byte]));
  await client.answered(1);
  expect(client.body(1).toString()).toBe('hi');
  expect(server.headers[0]?.get(':path')).toBe('/echo');
});

test('answers a PING with its bytes and SETTINGS with an acknowledgement', async () => {
  const client = connect()
    .begin()
    .send(frame(frameType.ping, 0, { payload: Buffer.from('12345678') }));
  await until('the answer', () => client.of(frameType.ping, 0).length === 1);
  expect(client.of(frameType.ping, 0)[0]).toMatchObject({ flags: flag.ack, payload: Buffer.from('12345678') });
  expect(client.of(frameType.settings, 0).map(({ flags }) => flags)).toEqual([0, flag.ack]);
});

test('says that it uses no table before the first headers after the client has set its size', async () => {
  const client = connect()
    .begin(settings([1, 0]))
    .send(open(1, true), open(3, true));
  await client.answered(3);
  expect(client.of(frameType.headers, 1)[0]?.payload[0]).toBe(0x20);
  expect(client.of(frameType.headers, 3)[0]?.payload[0]).toBe(0x88);
});

test('sends no more than the windows of stream and connection take, whatever order they grow in', async () => {
  const client = connect()
    .begin(settings([4, 10]))
    .send(open(1), data(1, '0123456789abcdefghij', true));
  await until('ten bytes', () => client.body(1).length === 10);
  client.send(frame(8, 1, { payload: uint32s(3) }));
  await until('three more', () => client.body(1).length === 13);
  // Less than was sent: the window is negative.
  client.send(
    settings([4, 5]),
    frame(8, 1, { payload: uint32s(5) }),
    frame(frameType.ping, 0, { payload: Buffer.alloc(8) }),
  );
  await until('the pong', () => client.of(frameType.ping, 0).length === 1);
  expect(client.body(1).length).toBe(13);
  client.send(settings([4, 100]));
  await client.answered(1);
  expect(client.body(1).toString()).toBe('0123456789abcdefghij');
});

test('the window of the connection is shared', async () => {
  const client = connect().begin(settings([4, 2 ** 20]));
  for (const streamId of [1, 3])
    client.send(open(streamId), ...Array.from({ length: 4 }, () => data(streamId, Buffer.alloc(10_000))));
  await until('all of it', () => client.body(1).length + client.body(3).length === 65_535);
  client.send(frame(8, 0, { payload: uint32s(14_465) }));
  await until('the rest', () => client.body(1).length + client.body(3).length === 80_000);
});

test('takes what its own windows allow, and no more', async () => {
  const chunk = data(1, Buffer.alloc(16_000));
  // The echo cannot leave: only what the server takes back counts.
  const client = connect()
    .begin(settings([4, 0]))
    .send(open(1), ...Array.from({ length: 200 }, () => chunk));
  const granted = () => client.of(8, 1).reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
  await until('new windows', () => granted() > 2 ** 21);
  expect(client.of(frameType.rstStream, 1)).toEqual([]);
});

test('of 1500 streams at once 1024 are served and the others refused', async () => {
  const client = connect().begin();
  for (let at = 0; at < 1500; at++) client.send(open(2 * at + 1));
  await until('all', () => client.frames.filter(({ type }) => type === frameType.rstStream).length === 476);
  expect(await client.reset(2 * 1024 + 1)).toBe(refusedStream);
  expect(server.opened).toBe(1024);
  client.send(data(1, 'x', true));
  await client.answered(1);
});

test('streams reset one after the other end the connection', async () => {
  const client = connect().begin();
  for (let at = 0; at < 1100; at++)
    client.send(open(2 * at + 1), frame(frameType.rstStream, 2 * at + 1, { payload: uint32s(8) }));
  expect(await client.goaway()).toBe(errorCode.enhanceYourCalm);
  expect(server.closed).toBe(server.opened);
});

test('so do streams that the server is made to reset', async () => {
  const client = connect().begin();
  for (let at = 0; at < 1100; at++) client.send(open(2 * at + 1), frame(8, 2 * at + 1, { payload: uint32s(0) }));
  expect(await client.goaway()).toBe(errorCode.enhanceYourCalm);
  expect(server.closed).toBe(server.opened);
});

test.each([0, 500])('a header block without end does, too (pieces of %i bytes)', async (bytes) => {
  const client = connect().begin().send(unended);
  for (let at = 0; at < 5000; at++)
    client.send(frame(frameType.continuation, 1, { payload: Buffer.alloc(bytes, 0x82) }));
  expect(await client.goaway()).toBe(errorCode.enhanceYourCalm);
});

test('so does a small block that stands for much', async () => {
  const field = Buffer.concat([Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1e]), Buffer.alloc(4000, 0x61)]);
  const client = connect()
    .begin()
    .send(open(1, false, Buffer.concat([requestBlock, field, Buffer.alloc(2000, 0xbe)])));
  expect(await client.goaway()).toBe(errorCode.enhanceYourCalm);
});

test.each([
  ['pings', frame(frameType.ping, 0, { payload: Buffer.alloc(8) })],
  ['settings', settings([4, 5])],
])('%s whose answers nobody reads end the connection', async (_, bytes) => {
  const client = connect().begin();
  await until('the beginning', () => client.frames.length > 0);
  client.pause();
  const many = Buffer.concat(Array.from({ length: 10_000 }, () => bytes));
  await until('the end', () => {
    if (!client.isClosed) client.send(many);
    return server.connections[0]?.isOver;
  });
});

test('a client that reads nothing is closed, and a stream on which nothing moves is reset', async () => {
  const slow = connect()
    .begin(settings([4, 2 ** 30]))
    .send(frame(8, 0, { payload: uint32s(2 ** 30) }));
  const stalled = connect()
    .begin(settings([4, 0]))
    .send(open(1), data(1, 'x', true));
  await until('both', () => server.opened === 1 && server.connections.length === 2);
  slow.pause();
  const body = Array.from({ length: 60 }, () => data(1, Buffer.alloc(16_000)));
  slow.send(open(1), ...body);
  const rounds = async (): Promise<boolean> => {
    for (const connection of server.connections) connection.resetStalled(2);
    return server.connections.some(({ isOver }) => isOver) && stalled.of(frameType.rstStream, 1).length > 0;
  };
  await until('the end', async () => {
    if (!server.connections.some(({ isOver }) => isOver)) slow.send(...body);
    return rounds();
  });
  expect(await stalled.reset(1)).toBe(errorCode.cancel);
  await until('all closed', () => server.closed === server.opened);
});

test('a closing connection finishes what is under way and refuses what is new', async () => {
  const client = connect().begin().send(open(1));
  await until('the stream', () => server.opened === 1);
  server.connections[0]?.close();
  client.send(open(3, true), data(1, 'last words', true));
  await client.answered(1);
  expect(client.body(1).toString()).toBe('last words');
  expect(await client.reset(3)).toBe(refusedStream);
  expect(await client.goaway()).toBe(errorCode.noError);
});

test('an answer before the end of the request asks the client to stop, and what still comes is nothing', async () => {
  const client = connect().begin().send(open(1), data(1, 'x'));
  await until('the echo', () => client.body(1).length === 1);
  server.streams[0]?.end(Buffer.from([0x88]));
  expect(await client.reset(1)).toBe(errorCode.noError);
  client.send(data(1, 'more'), open(1, true), open(3), data(3, 'x', true));
  await client.answered(3);
  expect(client.of(frameType.rstStream, 1)).toHaveLength(1);
});

test('what is no HTTP/2 is closed at once', async () => {
  const client = connect().send(Buffer.from('GET /metrics HTTP/1.1\r\n\r\n'));
  await until('the end', () => client.isClosed);
  expect(client.frames).toEqual([]);
});
