/** Connections to the peer port that say nothing: each would hold a file descriptor of the node. */
import { connect } from 'node:net';
import tls from 'node:tls';
import { afterEach, expect, test, vi } from 'vitest';
import type { MemberAddress } from '../../cluster-node/contract/node-config.ts';
import { decodeFrame, encodeFrame, type Hello, PEER_PROTOCOL_VERSION } from '../../cluster-node/peer/codec.ts';
import { FrameSplitter } from '../../cluster-node/peer/frame-splitter.ts';
import type { PeerTls } from '../../cluster-node/peer/identity.ts';
import { InboundServer } from '../../cluster-node/peer/inbound-server.ts';
import { createAuthority, issue, peerLeaf } from '../../electron/engine/provision/certificates.ts';
import { freePorts } from '../fixtures/free-ports.ts';
import { until } from '../fixtures/until.ts';

vi.setConfig({ testTimeout: 30_000 });
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const nodeIds = ['n-test0001', 'n-test0002'] as const;
const helloOf = (memberSlot: 1 | 2): Hello => ({
  kind: 'hello',
  protocolVersion: PEER_PROTOCOL_VERSION,
  clusterId: 'c-test0001',
  nodeId: nodeIds[memberSlot - 1] as string,
  memberSlot,
  purpose: 'messages',
  address: '127.0.0.1',
  peerPort: 1,
  incarnation: '0123456789abcdef',
});

async function open(): Promise<{ port: number; ofPeer: PeerTls; refusals: string[] }> {
  const [port = 0] = await freePorts(1);
  const authority = await createAuthority('c-test0001', Date.now());
  const [own, ofPeer] = await Promise.all(
    nodeIds.map(async (nodeId): Promise<PeerTls> => {
      const { certificate, key } = await issue(authority, peerLeaf(nodeId, '127.0.0.1'), Date.now());
      return { ca: authority.certificate, cert: certificate, key };
    }),
  );
  const peer: MemberAddress = {
    memberSlot: 2,
    nodeId: nodeIds[1],
    name: 'node-2',
    address: '127.0.0.1',
    peerPort: 1,
    clientPort: 2,
  };
  const refusals: string[] = [];
  const server = new InboundServer({
    hello: helloOf(1),
    knownAs: ({ nodeId }) => (nodeId === peer.nodeId ? peer : 'not known'),
    tls: own as PeerTls,
    onMessage: () => {},
    onSnapshotConnection: (_from, socket) => socket.destroy(),
    flawOf: () => null,
    onRefused: (_remote, reason) => refusals.push(reason),
  });
  await server.listen({ host: '127.0.0.1', port });
  closing.push(() => server.close());
  return { port, ofPeer: ofPeer as PeerTls, refusals };
}

test('of 300 silent connections 64 may wait, for a while; a peer comes in among them and stays', async () => {
  const { port, ofPeer, refusals } = await open();
  const silent = Array.from({ length: 300 }, () =>
    connect(port, '127.0.0.1')
      .on('error', () => {})
      .resume(),
  );
  closing.push(() => silent.forEach((socket) => socket.destroy()));
  await until('the end of all but 64', () => silent.filter((socket) => socket.closed).length >= 236);

  const peer = tls.connect({ host: '127.0.0.1', port, ...ofPeer, checkServerIdentity: () => undefined });
  closing.push(() => peer.destroy());
  let answers = 0;
  const splitter = new FrameSplitter();
  peer.on('data', (chunk: Buffer) => {
    for (const body of splitter.push(chunk)) answers += decodeFrame(body).kind === 'refused' ? NaN : 1;
  });
  peer.write(encodeFrame(helloOf(2)));
  const pings = setInterval(() => peer.write(encodeFrame({ kind: 'ping' })), 500);
  closing.push(() => clearInterval(pings));
  await until('the hello', () => answers >= 1);

  await until('the end of all', () => silent.every((socket) => socket.closed));
  expect(refusals).toContain('more than 64 at once');
  expect(refusals).toContain('it did not show who it is within 4 s');
  expect(refusals).toHaveLength(300);
  const before = answers;
  await until('a pong after that', () => answers > before);
});
