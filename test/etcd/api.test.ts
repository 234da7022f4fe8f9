/** The API server spoken to by grpc-js, an independent client, in the clear and with mutual TLS. */
import http2 from 'node:http2';
import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { type ClientTls, createClientServer } from '../../cluster-node/api/client-server.ts';
import { NodeUnavailableError } from '../../cluster-node/api/port.ts';
import { HealthCheckRequest, HealthCheckResponse } from '../../cluster-node/contract/etcd/health.ts';
import * as pb from '../../cluster-node/contract/etcd/rpc.ts';
import { clientApiLeaf, createAuthority, issue, operatorLeaf } from '../../electron/engine/provision/certificates.ts';
import { SingleMachinePort } from './single-machine-port.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function serve(node: SingleMachinePort, tls: ClientTls | null = null): Promise<string> {
  const server = createClientServer(node, tls);
  closing.push(() => server.close(10));
  return `127.0.0.1:${await server.listen({ host: '127.0.0.1', port: 0 })}`;
}

function connect(address: string, credentials = grpc.credentials.createInsecure()): grpc.Client {
  const client = new grpc.Client(address, credentials, { 'grpc.max_send_message_length': -1 });
  closing.push(() => client.close());
  return client;
}

interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}
interface Method<Request, Response> {
  readonly path: string;
  readonly request: Codec<Request>;
  readonly response: Codec<Response>;
}

function call<Request, Response>(
  client: grpc.Client,
  method: Method<Request, Response>,
  request: Request,
  metadata: Record<string, string> = {},
): Promise<Response> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest<Request, Response>(
      method.path,
      (message) => Buffer.from(method.request.encode(message).finish()),
      (bytes) => method.response.decode(bytes),
      request,
      grpc.Metadata.fromHttp2Headers(metadata),
      { deadline: Date.now() + 5000 },
      (error, response) => (error ? reject(error) : resolve(response as Response)),
    );
  });
}

const put = { path: '/etcdserverpb.KV/Put', request: pb.PutRequest, response: pb.PutResponse };
const range = { path: '/etcdserverpb.KV/Range', request: pb.RangeRequest, response: pb.RangeResponse };
const txn = { path: '/etcdserverpb.KV/Txn', request: pb.TxnRequest, response: pb.TxnResponse };
const members = {
  path: '/etcdserverpb.Cluster/MemberList',
  request: pb.MemberListRequest,
  response: pb.MemberListResponse,
};
const status = { path: '/etcdserverpb.Maintenance/Status', request: pb.StatusRequest, response: pb.StatusResponse };
const alarm = { path: '/etcdserverpb.Maintenance/Alarm', request: pb.AlarmRequest, response: pb.AlarmResponse };
const health = { path: '/grpc.health.v1.Health/Check', request: HealthCheckRequest, response: HealthCheckResponse };
const grant = {
  path: '/etcdserverpb.Lease/LeaseGrant',
  request: pb.LeaseGrantRequest,
  response: pb.LeaseGrantResponse,
};
const rangeOf = (key: string, more: Partial<pb.RangeRequest> = {}) =>
  pb.RangeRequest.create({ key: Buffer.from(key), ...more });
const putOf = (key: string, value: string | Uint8Array) =>
  pb.PutRequest.create({ key: Buffer.from(key), value: Buffer.from(value) });

describe('in the clear', () => {
  test('writes and reads, with ids in every header', async () => {
    const client = connect(await serve(new SingleMachinePort()));
    const written = await call(client, put, putOf('a', 'ü'));
    const read = await call(client, range, rangeOf('a'));
    expect(Buffer.from(read.kvs[0]?.value ?? []).toString()).toBe('ü');
    expect(written.header).toEqual(read.header);
    expect(written.header).toMatchObject({ revision: 2n, raftTerm: 1025n });
    expect(written.header?.clusterId).not.toBe(0n);
  });

  test('many calls at once on one connection', async () => {
    const node = new SingleMachinePort();
    const client = connect(await serve(node));
    await Promise.all(Array.from({ length: 500 }, (_, at) => call(client, put, putOf(`k${at}`, 'x'.repeat(at * 10)))));
    expect(node.machine).toMatchObject({ keyCount: 500, revision: 501 });
    const read = await call(client, range, rangeOf('k', { rangeEnd: Buffer.from('l') }));
    expect(read.kvs.reduce((sum, pair) => sum + pair.value.length, 0)).toBe(10 * (499 * 250));
    expect(node.observed).toEqual({ write: 500, read: 1 });
  });

  test('only linearizable reads wait for the barrier; a transaction that only reads is a read', async () => {
    const node = new SingleMachinePort();
    const client = connect(await serve(node));
    const reading = (serializable: boolean): pb.RequestOp => ({
      request: { $case: 'requestRange', value: rangeOf('a', { serializable }) },
    });
    await call(client, range, rangeOf('a', { serializable: true }));
    await call(client, txn, { compare: [], success: [reading(true)], failure: [] });
    expect(node.barriers).toBe(0);
    await call(client, range, rangeOf('a'));
    await call(client, txn, { compare: [], success: [reading(true)], failure: [reading(false)] });
    await call(client, members, { linearizable: true });
    expect(node.barriers).toBe(3);
    expect(node.machine.appliedUpTo).toBe(0);
  });

  test.each<[NodeUnavailableError['reason'], boolean, number, string]>([
    ['noLeader', false, 14, 'etcdserver: no leader'],
    ['busy', false, 8, 'etcdserver: too many requests'],
    ['timeout', true, 14, 'etcdserver: request timed out'],
    ['noLeader', true, 14, 'etcdserver: request timed out, possibly due to previous leader failure'],
    ['stopping', false, 14, 'etcdserver: server stopped'],
  ])(
    'an unavailable node (%s, may have happened: %s) says so as etcd does',
    async (reason, mayHaveHappened, code, details) => {
      const node = new SingleMachinePort();
      node.failure = new NodeUnavailableError(reason, mayHaveHappened);
      const client = connect(await serve(node));
      await expect(call(client, put, putOf('a', '1'))).rejects.toMatchObject({ code, details });
      await expect(call(client, range, rangeOf('a'))).rejects.toMatchObject({ code, details });
    },
  );

  test("bad requests get etcd's texts", async () => {
    const client = connect(await serve(new SingleMachinePort()));
    await expect(call(client, put, putOf('', '1'))).rejects.toMatchObject({
      code: 3,
      details: 'etcdserver: key is not provided',
    });
    await expect(call(client, range, rangeOf('a', { revision: 9n }))).rejects.toMatchObject({
      code: 11,
      details: 'etcdserver: mvcc: required revision is a future revision',
    });
    const unknownOrder = { ...rangeOf('a'), sortOrder: 7 as pb.RangeRequest_SortOrder };
    await expect(call(client, range, unknownOrder)).rejects.toMatchObject({
      code: 3,
      details: 'etcdserver: invalid sort option',
    });
  });

  test('1.5 MiB is the bound of a change, 2 MiB of a message', async () => {
    const client = connect(await serve(new SingleMachinePort()));
    await call(client, put, putOf('a', new Uint8Array(1.5 * 1024 * 1024 - 10)));
    await expect(call(client, put, putOf('a', new Uint8Array(1.5 * 1024 * 1024)))).rejects.toMatchObject({
      code: 3,
      details: 'etcdserver: request is too large',
    });
    await expect(call(client, put, putOf('a', new Uint8Array(3 * 1024 * 1024)))).rejects.toMatchObject({
      code: 8,
      details: expect.stringContaining('received message larger than max') as string,
    });
    await call(client, put, putOf('a', 'the connection still works'));
  });

  test('a client that requires a leader is refused at once without one, even for a serializable read', async () => {
    const node = new SingleMachinePort();
    const client = connect(await serve(node));
    const read = rangeOf('a', { serializable: true });
    await call(client, range, read, { hasleader: 'true' });
    node.failure = new NodeUnavailableError('noLeader', false);
    await call(client, range, read);
    await expect(call(client, range, read, { hasleader: 'true' })).rejects.toMatchObject({
      details: 'etcdserver: no leader',
    });
  });

  test('what is not there yet is Unimplemented', async () => {
    const client = connect(await serve(new SingleMachinePort()));
    await expect(call(client, grant, { TTL: 5n, ID: 0n })).rejects.toMatchObject({ code: 12 });
  });

  test('status, members, alarms and health', async () => {
    const node = new SingleMachinePort();
    const client = connect(await serve(node));
    const answer = await call(client, status, {});
    const list = await call(client, members, { linearizable: false });
    expect(answer).toMatchObject({ version: '3.5.21', raftTerm: 1025n, leader: list.members[0]?.ID, errors: [] });
    expect(list.members.map((member) => member.clientURLs)).toEqual([['http://127.0.0.1:1'], ['http://[fe80::2]:1']]);
    expect((await call(client, alarm, { action: 0, memberID: 0n, alarm: 0 })).alarms).toEqual([]);
    node.trouble = { noSpace: true, corrupt: false };
    const ids = list.members.map(({ ID }) => ID);
    const { alarms } = await call(client, alarm, { action: 0, memberID: 0n, alarm: 0 });
    expect(alarms).toEqual(ids.map((memberID) => ({ memberID, alarm: pb.AlarmType.NOSPACE })));
    node.trouble = { noSpace: false, corrupt: true };
    const asked = { action: 0, memberID: ids[1] as bigint, alarm: pb.AlarmType.CORRUPT } as const;
    expect((await call(client, alarm, asked)).alarms).toEqual([{ memberID: ids[1], alarm: pb.AlarmType.CORRUPT }]);
    expect((await call(client, alarm, { ...asked, alarm: pb.AlarmType.NOSPACE })).alarms).toEqual([]);
    node.trouble = null;
    expect(await call(client, health, { service: '' })).toEqual({ status: 1 });
    node.failure = new NodeUnavailableError('noLeader', false);
    expect(await call(client, status, {})).toMatchObject({ leader: 0n, errors: ['etcdserver: no leader'] });
    expect(await call(client, health, { service: '' })).toEqual({ status: 2 });
  });

  test('a request that is not gRPC is turned away', async () => {
    const session = http2.connect(`http://${await serve(new SingleMachinePort())}`);
    closing.push(() => session.destroy());
    const stream = session.request({ ':method': 'GET', ':path': '/metrics' });
    const answer = await new Promise<http2.IncomingHttpHeaders>((resolve, reject) => {
      stream.on('response', resolve).on('error', reject);
    });
    expect(answer[':status']).toBe(415);
  });
});

describe('with mutual TLS', () => {
  async function secured() {
    const authority = await createAuthority('c-aaaaaaaa', Date.now());
    const server = await issue(authority, clientApiLeaf('n-aaaaaaaa', '127.0.0.1'), Date.now());
    const node = new SingleMachinePort();
    const address = await serve(node, { ca: authority.certificate, cert: server.certificate, key: server.key });
    return { authority, address };
  }

  test('a client with a certificate of the cluster comes in', async () => {
    const { authority, address } = await secured();
    const operator = await issue(authority, operatorLeaf(), Date.now());
    const pem = [authority.certificate, operator.key, operator.certificate].map((text) => Buffer.from(text));
    const client = connect(address, grpc.credentials.createSsl(...(pem as [Buffer, Buffer, Buffer])));
    expect((await call(client, put, putOf('a', '1'))).header?.revision).toBe(2n);
    const list = await call(client, members, { linearizable: false });
    expect(list.members[0]?.clientURLs).toEqual(['https://127.0.0.1:1']);
  });

  test.each(['no certificate', "another authority's certificate"])('a client with %s does not', async (which) => {
    const { authority, address } = await secured();
    const stranger = await issue(await createAuthority('c-bbbbbbbb', Date.now()), operatorLeaf(), Date.now());
    const shown = which === 'no certificate' ? [] : [Buffer.from(stranger.key), Buffer.from(stranger.certificate)];
    const client = connect(address, grpc.credentials.createSsl(Buffer.from(authority.certificate), ...shown));
    await expect(call(client, put, putOf('a', '1'))).rejects.toMatchObject({ code: 14 });
  });
});
