/** What one client, or many, can make a node keep: connections that say nothing, answers not read, bodies not ended. */
import http2 from 'node:http2';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { type ClientBounds, createClientServer, defaultClientBounds } from '../../cluster-node/api/client-server.ts';
import { frame } from '../../cluster-node/api/grpc-frame.ts';
import { PutRequest, RangeRequest, RangeResponse, TxnRequest } from '../../cluster-node/contract/etcd/rpc.ts';
import { clientApiLeaf, createAuthority, issue } from '../../electron/engine/provision/certificates.ts';
import { until } from '../fixtures/until.ts';
import { SingleMachinePort } from './single-machine-port.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const KEY = Buffer.from('k');
const PUT = '/etcdserverpb.KV/Put';
const RANGE = '/etcdserverpb.KV/Range';

async function serve(bounds: Partial<ClientBounds>, isSecure = false, node = new SingleMachinePort()): Promise<number> {
  await node.propose({ kind: 'put', request: PutRequest.create({ key: KEY, value: Buffer.alloc(400_000) }) });
  const authority = await createAuthority('c-aaaaaaaa', Date.now());
  const leaf = await issue(authority, clientApiLeaf('n-aaaaaaaa', '127.0.0.1'), Date.now());
  const tls = { ca: authority.certificate, cert: leaf.certificate, key: leaf.key };
  const server = createClientServer(node, isSecure ? tls : null, { ...defaultClientBounds, ...bounds });
  closing.push(() => server.close(10));
  return server.listen({ host: '127.0.0.1', port: 0 });
}

function silent(port: number): Socket {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  socket.resume();
  closing.push(() => socket.destroy());
  return socket;
}

function open(port: number, settings: http2.Settings = {}): http2.ClientHttp2Session {
  const session = http2.connect(`http://127.0.0.1:${port}`, { settings }).on('error', () => {});
  closing.push(() => session.destroy());
  return session;
}

/** Begins a call; `end` false leaves its body open. */
function begin(session: http2.ClientHttp2Session, path: string, body: Uint8Array, end = true) {
  const headers = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request(headers).on('error', () => {});
  if (end) stream.end(body);
  else stream.write(body);
  return stream;
}

/** The gRPC status: of an answer without a body at once, else when the body has been read. */
function statusOf(stream: http2.ClientHttp2Stream): Promise<unknown> {
  return new Promise((resolve) => {
    stream.on('response', (headers) => headers['grpc-status'] !== undefined && resolve(headers['grpc-status']));
    stream.on('trailers', (trailers) => resolve(trailers['grpc-status']));
    stream.on('close', () => resolve('closed'));
    stream.resume();
  });
}

const range = (): Buffer => frame(RangeRequest.encode(RangeRequest.create({ key: KEY, serializable: true })).finish());
const half = (): Buffer => frame(new Uint8Array(400_000)).subarray(0, 200_000);
const get = (port: number): Promise<unknown> => statusOf(begin(open(port), RANGE, range()));

test.each([false, true])('a connection that says nothing is closed (TLS: %s)', async (isSecure) => {
  const port = await serve({ newcomerMs: 300 }, isSecure);
  const sockets = Array.from({ length: 50 }, () => silent(port));
  await until('the end of all', () => sockets.every((socket) => socket.closed));
});

test('of too many connections that say nothing the oldest goes, and one that speaks stays', async () => {
  const port = await serve({ newcomers: 3, newcomerMs: 60_000 });
  const speaking = open(port);
  expect(await statusOf(begin(speaking, RANGE, range()))).toBe('0');
  const sockets = Array.from({ length: 10 }, () => silent(port));
  await until('the end of seven', () => sockets.filter((socket) => socket.closed).length === 7);
  expect(await statusOf(begin(speaking, RANGE, range()))).toBe('0');
  expect(await get(port)).toBe('0');
});

test('answers that nobody reads are bounded, for one connection and for all, and freed when it closes', async () => {
  const port = await serve({ keptBytes: 2_000_000, keptBytesOfOne: 1_000_000 });
  const stalled = [0, 1, 2].map(() => open(port, { initialWindowSize: 0 }));
  const answers = stalled.map((session) => {
    const statuses: unknown[] = [];
    for (let call = 0; call < 5; call++)
      begin(session, RANGE, range()).on('response', (headers) => statuses.push(headers['grpc-status'] ?? 'unread'));
    return statuses;
  });
  await until('all answers', () => answers.every((statuses) => statuses.length === 5));
  const unread = answers.map((statuses) => statuses.filter((status) => status === 'unread').length);
  expect(Math.max(...unread)).toBe(2);
  expect(unread.reduce((sum, count) => sum + count)).toBe(4);
  expect(answers.flat().filter((status) => status === '8')).toHaveLength(11);
  expect(await get(port)).toBe('8');
  for (const session of stalled) session.destroy();
  await until('room again', async () => (await get(port)) === '0');
});

test('an answer for which there is no room is not even made', async () => {
  const port = await serve({ keptBytes: 1_000_000 });
  const made = vi.spyOn(RangeResponse, 'encode');
  closing.push(() => made.mockRestore());
  const session = open(port, { initialWindowSize: 0 });
  const statuses: unknown[] = [];
  for (let call = 0; call < 20; call++)
    begin(session, RANGE, range()).on('response', (headers) => statuses.push(headers['grpc-status'] ?? 'unread'));
  await until('all answers', () => statuses.length === 20);
  expect(statuses.filter((status) => status === 'unread')).toHaveLength(2);
  expect(made).toHaveBeenCalledTimes(2);
});

const put = (more: Partial<PutRequest> = {}): PutRequest =>
  PutRequest.create({ key: KEY, value: Buffer.from('v'), ...more });
const putBody = (more?: Partial<PutRequest>): Buffer => frame(PutRequest.encode(put(more)).finish());
/** So many puts of different keys, the answers of which come to more than a stream pays for when there are hundreds. */
const txnBody = (puts: number): Buffer => {
  const success = Array.from({ length: puts }, (_, number) => ({
    request: { $case: 'requestPut' as const, value: put({ key: Buffer.from(`k${number}`) }) },
  }));
  return frame(TxnRequest.encode(TxnRequest.create({ success })).finish());
};

test.each([
  ['a put', PUT, putBody(), '0'],
  ['a put with the pair before it', PUT, putBody({ prevKv: true }), '14'],
  ['a deletion', '/etcdserverpb.KV/DeleteRange', putBody({ value: Buffer.alloc(0) }), '0'],
  ['a small transaction', '/etcdserverpb.KV/Txn', txnBody(30), '0'],
  ['a large transaction', '/etcdserverpb.KV/Txn', txnBody(128), '14'],
])(
  '%s that finds room for itself but for no answer has happened and does not look refused',
  async (_, path, body, status) => {
    const node = new SingleMachinePort();
    // What the server counts for a stream and for the one chunk of its body.
    const keptBytesOfOne = 16 * 1024 + 256 + body.length;
    const port = await serve({ keptBytesOfOne }, false, node);
    const before = node.machine.revision;
    expect(await statusOf(begin(open(port), path, body))).toBe(status);
    expect(node.machine.revision).toBe(before + 1);
    const tight = await serve({ keptBytesOfOne: keptBytesOfOne - 1 }, false, node);
    const unchanged = node.machine.revision;
    expect(await statusOf(begin(open(tight), path, body))).toBe('8');
    expect(node.machine.revision).toBe(unchanged);
  },
);

test('bodies that do not end are bounded and freed when they are aborted', async () => {
  const port = await serve({ keptBytes: 1_000_000, keptBytesOfOne: 800_000 });
  const session = open(port);
  const streams = Array.from({ length: 6 }, () => begin(session, PUT, half(), false));
  const refused = await Promise.race(streams.map(statusOf));
  expect(refused).toBe('8');
  for (const stream of streams) stream.close(http2.constants.NGHTTP2_CANCEL);
  await until('room again', async () => (await statusOf(begin(session, RANGE, range()))) === '0');
});

test('a stream on which nothing moves is reset and its bytes are freed', async () => {
  const port = await serve({ keptBytes: 500_000, stalledMs: 300 });
  const session = open(port, { initialWindowSize: 0 });
  const unread = begin(session, RANGE, range());
  unread.resume();
  await until('a full budget', async () => (await get(port)) === '8');
  await until('its end', () => unread.closed);
  const unended = begin(session, PUT, half(), false);
  unended.resume();
  await until('a full budget', async () => (await get(port)) === '8');
  await until('its end', () => unended.closed);
  expect(await get(port)).toBe('0');
});
