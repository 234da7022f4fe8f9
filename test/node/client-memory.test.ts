/** What a real process keeps in memory for clients that ask for much and read nothing. */
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { frame } from '../../cluster-node/api/grpc-frame.ts';
import { PutRequest, RangeRequest } from '../../cluster-node/contract/etcd/rpc.ts';
import { createTestCluster, type TestCluster, type TestNode } from '../fixtures/test-cluster.ts';
import { until } from '../fixtures/until.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const KEYS = 50;
const VALUE = Buffer.alloc(400_000, 'v');
const CALLS_OF_ONE = 10;
/** 256 MiB of answers, two times the largest that is being made, what was garbage then, and the node itself. Unbounded: 1.6 GB more. */
const MOST_MIB = 900;
/** As the node bounds them: of so many bytes in all. */
const MOST_KEPT = Math.floor((256 << 20) / (KEYS * VALUE.length));

let cluster: TestCluster;
let node: TestNode;
const sessions: http2.ClientHttp2Session[] = [];

beforeAll(async () => {
  cluster = await createTestCluster(1);
  node = cluster.node(1);
  node.editConfig((config) => Object.assign(config['tls'] as object, { client: null }));
  node.start();
  await cluster.leader();
});
afterAll(async () => {
  for (const session of sessions) session.destroy();
  await cluster.close();
});

function open(settings: http2.Settings = {}): http2.ClientHttp2Session {
  const session = http2.connect(`http://127.0.0.1:${node.member.clientPort}`, { settings }).on('error', () => {});
  sessions.push(session);
  return session;
}

/** The status, or "kept" when an answer has begun that nobody reads. */
function begin(session: http2.ClientHttp2Session, method: string, message: Uint8Array): Promise<unknown> {
  const headers = { ':method': 'POST', ':path': `/etcdserverpb.KV/${method}`, 'content-type': 'application/grpc' };
  const stream = session.request({ ...headers, te: 'trailers' }).on('error', () => {});
  stream.end(frame(message));
  return new Promise((resolve) =>
    stream
      .once('response', (answer) => resolve(answer['grpc-status'] ?? 'kept'))
      .once('close', () => resolve('closed')),
  );
}

/** The most that the process ever had in memory. */
function peakMiB(): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${node.pid}/status`, 'utf8'))?.[1]) / 1024;
}

test('80 answers of 20 MB that nobody reads are refused before they are made, and the node goes on', async () => {
  const writer = open();
  for (let number = 0; number < KEYS; number++)
    await begin(
      writer,
      'Put',
      PutRequest.encode(PutRequest.create({ key: Buffer.from(`k${number}`), value: VALUE })).finish(),
    );
  const all = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]), serializable: true };
  const range = RangeRequest.encode(RangeRequest.create(all)).finish();
  const readers = Array.from({ length: 8 }, () => open({ initialWindowSize: 0 }));
  const statuses = await Promise.all(
    readers.flatMap((session) => Array.from({ length: CALLS_OF_ONE }, () => begin(session, 'Range', range))),
  );
  const count = (status: string) => statuses.filter((each) => each === status).length;
  expect(count('kept')).toBeGreaterThan(0);
  expect(count('kept')).toBeLessThanOrEqual(MOST_KEPT);
  expect(new Set(statuses)).toEqual(new Set(['kept', '8']));
  expect(peakMiB()).toBeLessThan(MOST_MIB);
  for (const session of readers) session.destroy();
  await until('room again', async () => (await begin(open(), 'Range', range)) === 'kept');
});
