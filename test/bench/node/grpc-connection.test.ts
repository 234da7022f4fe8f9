/** The client of the benchmarks against servers that are not ours: Node's HTTP/2, and a real etcd where there is one. */
import http2, { type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { RangeRequest, RangeResponse } from '../../../cluster-node/contract/etcd/rpc.ts';
import { hasEtcd, startEtcd } from '../../etcd/real-etcd.ts';
import { connectGrpc, grpcMessage } from './grpc-connection.ts';
import { LoadClient } from './load-client.ts';
import { RANGE, RequestSource } from './workload.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function serve(onStream: (stream: ServerHttp2Stream, body: Buffer) => void): Promise<number> {
  const server = http2.createServer({ settings: { initialWindowSize: 65_535 } });
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream) => {
    const parts: Buffer[] = [];
    stream.on('data', (part: Buffer) => parts.push(part)).on('end', () => onStream(stream, Buffer.concat(parts)));
    stream.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function connect(port: number) {
  const connection = await connectGrpc(port);
  closing.push(() => connection.close());
  return connection;
}

function answer(stream: ServerHttp2Stream, body: Buffer): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(body);
}

describe('GrpcConnection', () => {
  it('echoes many calls at once, far beyond the window of the connection', async () => {
    const port = await serve(answer);
    const connection = await connect(port);
    const texts = Array.from({ length: 300 }, (_, index) => `${index} `.repeat(700));
    const replies = await Promise.all(
      texts.map((text, index) => connection.ask(`/path/${index % 3}`, Buffer.from(text))),
    );
    expect(replies.map(String)).toEqual(texts);
  });

  it('counts as answered only a whole message followed by trailers', async () => {
    const port = await serve((stream, body) => {
      const text = body.subarray(5).toString();
      if (text === 'error') stream.respond({ ':status': 200, 'grpc-status': '14' }, { endStream: true });
      else if (text === 'reset') stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
      else if (text === 'cut') answer(stream, body.subarray(0, -1));
      else if (text === 'no trailers') {
        stream.respond({ ':status': 200 });
        stream.end(body);
      } else answer(stream, body);
    });
    const connection = await connect(port);
    for (const text of ['error', 'reset', 'cut', 'no trailers'])
      await expect(connection.ask('/a', Buffer.from(text)), text).rejects.toThrow('failed');
    await expect(connection.ask('/a', Buffer.from('well'))).resolves.toEqual(Buffer.from('well'));
  });

  it('fails the calls under way when the connection is lost, and every later one', async () => {
    const port = await serve((stream) => stream.session?.destroy());
    const connection = await connect(port);
    await expect(connection.ask('/a', Buffer.from('x'))).rejects.toThrow('failed');
    await expect(connection.ask('/a', Buffer.from('x'))).rejects.toThrow('failed');
  });
});

describe.skipIf(!hasEtcd)('the load client against etcd', () => {
  it('puts and reads, and counts what etcd counts', { timeout: 30_000 }, async () => {
    const etcd = await startEtcd();
    closing.push(() => etcd.stop());
    const port = Number(new URL(etcd.endpoint).port);
    const client = new LoadClient();
    closing.push(() => client.close());
    const job = { ports: [port], callers: 20, seed: 1, warmUpMs: 0, measureMs: 20_000 };
    const workload = { valueBytes: 256, keys: 100 };
    const puts = await client.load({ ...job, workload: { ...workload, kind: 'put' }, total: 500 });
    expect(puts).toMatchObject({ putsAcknowledged: 500, putsUnknown: 0, errors: 0 });
    const reads = await client.load({ ...job, workload: { ...workload, kind: 'linearizableRead' }, total: 200 });
    expect(reads).toMatchObject({ putsAcknowledged: 0, errors: 0 });
    expect(reads.operations).toBeGreaterThan(0);

    const connection = await connect(port);
    const everything = RangeRequest.fromPartial({ key: Buffer.from([0]), rangeEnd: Buffer.from([0]) });
    const { header, kvs } = RangeResponse.decode(await connection.ask(RANGE, RangeRequest.encode(everything).finish()));
    expect([header?.revision, kvs.length]).toEqual([501n, 100]);
    expect(kvs.every(({ value }) => value.length === 256)).toBe(true);
  });
});

describe('RequestSource', () => {
  const keysOf = (source: RequestSource, count: number) =>
    Array.from({ length: count }, () => /bench\/(\d{10})/.exec(source.next().message.toString('latin1'))?.[1]);

  it('goes through the keys in order or, with a seed, the same way again', () => {
    const workload = { kind: 'put', valueBytes: 8, keys: 3 } as const;
    expect(keysOf(new RequestSource(workload, { seed: 1, sequential: true }), 4).map(Number)).toEqual([0, 1, 2, 0]);
    const seeded = () => keysOf(new RequestSource({ ...workload, keys: 1000 }, { seed: 7 }), 50);
    expect(seeded()).toEqual(seeded());
    expect(new Set(seeded()).size).toBeGreaterThan(30);
  });

  it('mixes four reads with a put', () => {
    const source = new RequestSource({ kind: 'mixed', valueBytes: 8, keys: 10 }, { seed: 1 });
    const puts = Array.from({ length: 5000 }, () => source.next().isPut).filter(Boolean).length;
    expect(puts / 5000).toBeCloseTo(0.2, 1);
  });

  it('frames its messages as gRPC does', () => {
    const { message } = new RequestSource({ kind: 'put', valueBytes: 8, keys: 1 }, { seed: 1 }).next();
    expect(message).toEqual(grpcMessage(message.subarray(5)));
  });
});
