import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  type Hello,
  PEER_PROTOCOL_VERSION,
} from '../../cluster-node/peer/codec.ts';
import { FrameSplitter } from '../../cluster-node/peer/frame-splitter.ts';
import {
  createAuthority,
  issue,
  type KeyPair,
  operatorLeaf,
  peerLeaf,
} from '../../electron/engine/provision/certificates.ts';
import { createTestCluster, type TestCluster } from '../fixtures/test-cluster.ts';
import { until } from '../fixtures/until.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await createTestCluster(3);
  cluster.start();
  await cluster.leader();
});
afterAll(() => cluster.close());

const hello: Hello = {
  kind: 'hello',
  protocolVersion: PEER_PROTOCOL_VERSION,
  clusterId: 'c-test0001',
  nodeId: 'n-test0002',
  memberSlot: 2,
  purpose: 'messages',
  address: '127.0.0.1',
  peerPort: 1,
  incarnation: '0123456789abcdef',
};

/** Connects to node 1 with this certificate, sends these bytes, and returns what comes back until the connection ends. */
function call(pair: KeyPair, bytes: Buffer): Promise<Frame[]> {
  const { address, peerPort } = cluster.node(1).member;
  return new Promise((resolve, reject) => {
    const frames: Frame[] = [];
    const splitter = new FrameSplitter();
    const socket = tls.connect({
      host: address,
      port: peerPort,
      ca: cluster.authority.certificate,
      cert: pair.certificate,
      key: pair.key,
      checkServerIdentity: () => undefined,
    });
    socket.setTimeout(5000, () => socket.destroy(new Error('the connection stayed open')));
    socket.on('secureConnect', () => socket.write(bytes));
    socket.on('data', (chunk: Buffer) => {
      for (const body of splitter.push(chunk)) frames.push(decodeFrame(body));
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(frames));
  });
}

const ofMember = (memberSlot: number): KeyPair => {
  const dir = join(cluster.node(memberSlot).dir, 'tls');
  return { certificate: readFileSync(join(dir, 'peer.pem'), 'utf8'), key: readFileSync(join(dir, 'peer.key'), 'utf8') };
};

async function expectRefused(pair: KeyPair, bytes: Buffer, reason: RegExp): Promise<void> {
  const [frame] = await call(pair, bytes);
  expect(frame).toMatchObject({ kind: 'refused', reason: expect.stringMatching(reason) });
  await until('a line in the log', () => reason.test(cluster.node(1).log));
}

test('a certificate of another authority does not come in', async () => {
  const foreign = await createAuthority('c-test0001', Date.now());
  const pair = await issue(foreign, peerLeaf('n-test0002', '127.0.0.1'), Date.now());
  await expectRefused(pair, encodeFrame(hello), /its certificate is not of this cluster/);
});

test('a certificate of the cluster that is no node’s does not come in', async () => {
  const operator = await issue(cluster.authority, operatorLeaf(), Date.now());
  await expectRefused(operator, encodeFrame(hello), /its certificate is for no node/);
});

test('a node that says it is another, or of another cluster, or of another protocol is refused', async () => {
  await expectRefused(ofMember(3), encodeFrame(hello), /says it is n-test0002 but its certificate is for n-test0003/);
  await expectRefused(ofMember(2), encodeFrame({ ...hello, clusterId: 'c-other001' }), /clusterId is c-other001 there/);
  await expectRefused(ofMember(2), encodeFrame({ ...hello, memberSlot: 3 }), /memberSlot is 3 there/);
  await expectRefused(ofMember(2), encodeFrame({ ...hello, protocolVersion: 7 }), /protocolVersion is 7 there/);
  await expectRefused(
    ofMember(2),
    encodeFrame({ ...hello, nodeId: 'n-nobody01' }),
    /says it is n-nobody01 but its certificate is for n-test0002/,
  );
});

test('frames that break the protocol end the connection and nothing else', async () => {
  await expectRefused(ofMember(2), encodeFrame({ kind: 'ping' }), /a ping came before the hello/);
  await expectRefused(ofMember(2), Buffer.from([1, 0, 0, 0, 250]), /frame type 250 is unknown/);
  await expectRefused(
    ofMember(2),
    Buffer.from([0xff, 0xff, 0xff, 0x7f, 1]),
    /a frame of 2147483647 bytes is not allowed/,
  );
  const client = cluster.client(cluster.node(1));
  await client.put('after', 'all that');
  client.close();
  await cluster.level();
});

test('a node stops at once though strangers hold connections on which TLS was never begun', async () => {
  const node = cluster.node(2);
  const { address, peerPort, clientPort } = node.member;
  const silent = [peerPort, clientPort].map((port) => connect(port, address).on('error', () => {}));
  await Promise.all(silent.map((socket) => once(socket, 'connect')));
  const began = performance.now();
  node.signal('SIGTERM');
  expect(await node.exited()).toBe(0);
  // The supervisor would kill it after five seconds.
  expect(performance.now() - began).toBeLessThan(3000);
  for (const socket of silent) socket.destroy();
  node.start();
  await cluster.level();
});
