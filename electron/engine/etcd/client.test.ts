import net from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createClientServer } from '../../../cluster-node/api/client-server.ts';
import { NodeUnavailableError } from '../../../cluster-node/api/port.ts';
import { SingleMachinePort } from '../../../test/etcd/single-machine-port.ts';
import { clientApiLeaf, createAuthority, issue, operatorLeaf } from '../provision/certificates.ts';
import { EtcdClient } from './client.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function client(port: number, callMs = 2000): EtcdClient {
  const made = new EtcdClient({ endpoint: `http://127.0.0.1:${port}`, tls: null }, { callMs, connectMs: 1000 });
  cleanups.push(() => made.close());
  return made;
}

async function serve(node: SingleMachinePort, port = 0): Promise<{ port: number; close: () => Promise<void> }> {
  const server = createClientServer(node, null);
  const listening = { port: await server.listen({ host: '127.0.0.1', port }), close: () => server.close(10) };
  cleanups.push(listening.close);
  return listening;
}

test('writes, reads back and pages through a prefix at one revision', async () => {
  const { port } = await serve(new SingleMachinePort());
  const etcd = client(port);
  for (let at = 0; at < 7; at++) await etcd.put(`p/${at}`, `v${at}`);
  await etcd.put('q', 'outside');
  expect(Buffer.from((await etcd.get('p/3'))?.value ?? []).toString()).toBe('v3');
  const keys: string[] = [];
  for await (const pair of etcd.listPrefix('p/', { pageSize: 3 })) {
    if (keys.length === 0) await etcd.put('p/9', 'later than the first page');
    keys.push(Buffer.from(pair.key).toString());
  }
  expect(keys).toEqual(['p/0', 'p/1', 'p/2', 'p/3', 'p/4', 'p/5', 'p/6']);
  expect((await etcd.deleteRange({ key: Buffer.from('q') })).deleted).toBe(1n);
  expect((await etcd.status()).raftAppliedIndex).toBe(10n);
  expect((await etcd.memberList()).members.map((member) => member.name)).toEqual(['node-1', 'node-2']);
});

test('many large values at once pass over one connection', async () => {
  const { port } = await serve(new SingleMachinePort());
  const etcd = client(port, 10_000);
  const value = new Uint8Array(1 << 20).fill(1);
  await Promise.all(Array.from({ length: 24 }, (_, at) => etcd.put(`large/${at}`, value)));
  const all = await etcd.range({ key: Buffer.from('large/'), rangeEnd: Buffer.from('large0') });
  expect(all.kvs.map((pair) => pair.value.length)).toEqual(Array<number>(24).fill(1 << 20));
});

test('a request that the node refuses is refused', async () => {
  const { port } = await serve(new SingleMachinePort());
  await expect(client(port).put('', 'x')).rejects.toMatchObject({ kind: 'refused', code: 3 });
});

test('no leader is unavailable; a lost leader leaves the outcome open', async () => {
  const node = new SingleMachinePort();
  const { port } = await serve(node);
  const etcd = client(port);
  node.failure = new NodeUnavailableError('noLeader', false);
  await expect(etcd.put('a', '1')).rejects.toMatchObject({ kind: 'unavailable', code: 14 });
  node.failure = new NodeUnavailableError('noLeader', true);
  await expect(etcd.put('a', '1')).rejects.toMatchObject({ kind: 'timeout', outcomeIsUnknown: true });
});

test('a refused connection is notSent, and the next call connects again', async () => {
  const first = await serve(new SingleMachinePort());
  const etcd = client(first.port);
  await etcd.put('a', '1');
  await first.close();
  await expect(etcd.put('a', '2')).rejects.toMatchObject({ kind: 'notSent' });
  await serve(new SingleMachinePort(), first.port);
  await etcd.put('a', '3');
});

test('a client without a certificate of the cluster is notSent; one with it comes in', async () => {
  const authority = await createAuthority('c-aaaaaaaa', Date.now());
  const leaf = await issue(authority, clientApiLeaf('n-aaaaaaaa', '127.0.0.1'), Date.now());
  const operator = await issue(authority, operatorLeaf(), Date.now());
  const stranger = await issue(await createAuthority('c-bbbbbbbb', Date.now()), operatorLeaf(), Date.now());
  const ca = authority.certificate;
  const server = createClientServer(new SingleMachinePort(), { ca, cert: leaf.certificate, key: leaf.key });
  const endpoint = `https://127.0.0.1:${await server.listen({ host: '127.0.0.1', port: 0 })}`;
  cleanups.push(() => server.close(10));
  const make = ({ certificate, key }: { certificate: string; key: string }) =>
    new EtcdClient({ endpoint, tls: { ca, cert: certificate, key } }, { callMs: 2000, connectMs: 1000 });
  const [friend, other] = [make(operator), make(stranger)];
  cleanups.push(
    () => friend.close(),
    () => other.close(),
  );
  expect((await friend.put('a', '1')).header?.revision).toBe(2n);
  await expect(other.put('a', '2')).rejects.toMatchObject({ kind: 'notSent' });
});

test('a peer that never answers is a timeout once connected and the connection is given up', async () => {
  const sockets: net.Socket[] = [];
  const silent = net.createServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  cleanups.push(
    () => silent.close(),
    () => sockets.forEach((socket) => socket.destroy()),
  );
  const etcd = client((silent.address() as net.AddressInfo).port, 200);
  await expect(etcd.put('a', '1')).rejects.toMatchObject({ kind: 'timeout' });
  await expect(etcd.put('a', '1')).rejects.toMatchObject({ kind: 'timeout' });
  expect(sockets.length).toBe(2);
});
