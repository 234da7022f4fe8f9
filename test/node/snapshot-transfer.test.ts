/** A snapshot file on its way between two nodes, over real TLS; the file itself is in memory here. */
import { createHash, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import type { MemberAddress } from '../../cluster-node/contract/node-config.ts';
import { type Hello, PEER_PROTOCOL_VERSION } from '../../cluster-node/peer/codec.ts';
import type { PeerTls } from '../../cluster-node/peer/identity.ts';
import { InboundServer } from '../../cluster-node/peer/inbound-server.ts';
import { fetchSnapshot, SnapshotFetchError, type SnapshotSink } from '../../cluster-node/peer/snapshot-client.ts';
import { serveSnapshot, type SnapshotFile } from '../../cluster-node/peer/snapshot-server.ts';
import { createAuthority, issue, peerLeaf } from '../../electron/engine/provision/certificates.ts';
import { freePorts } from '../fixtures/free-ports.ts';

vi.setConfig({ testTimeout: 30_000 });
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const addressOf = (memberSlot: number, peerPort: number): MemberAddress => ({
  memberSlot,
  nodeId: `n-test000${memberSlot}`,
  name: `node-${memberSlot}`,
  address: '127.0.0.1',
  peerPort,
  clientPort: 1,
});

function helloOf({ nodeId, memberSlot, address, peerPort }: MemberAddress): Hello {
  const protocolVersion = PEER_PROTOCOL_VERSION;
  const clusterId = 'c-test0001';
  const incarnation = '0123456789abcdef';
  const purpose = 'messages';
  return { kind: 'hello', protocolVersion, clusterId, nodeId, memberSlot, purpose, address, peerPort, incarnation };
}

/** A server with a file of so many random bytes, and everything that a client needs. */
async function open(bytes: Buffer, onSocket: (socket: Socket) => void = () => {}) {
  const [port = 0] = await freePorts(1);
  const authority = await createAuthority('c-test0001', Date.now());
  const [serving, asking] = [addressOf(1, port), addressOf(2, 1)];
  const tlsOf = async ({ nodeId }: MemberAddress): Promise<PeerTls> => {
    const { certificate, key } = await issue(authority, peerLeaf(nodeId, '127.0.0.1'), Date.now());
    return { ca: authority.certificate, cert: certificate, key };
  };
  const file: SnapshotFile = {
    slot: 700,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    fileBytes: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
    close: async () => {},
  };
  const server = new InboundServer({
    hello: helloOf(serving),
    knownAs: () => asking,
    flawOf: () => null,
    tls: await tlsOf(serving),
    onMessage: () => {},
    onSnapshotConnection: (_from, socket) => {
      onSocket(socket);
      void serveSnapshot(
        socket,
        async () => file,
        () => {},
      );
    },
    onRefused: () => {},
  });
  await server.listen({ host: '127.0.0.1', port });
  closing.push(() => server.close());
  const tls = await tlsOf(asking);
  const fetch = (sink: SnapshotSink, minSlot = 1) =>
    fetchSnapshot({ peer: serving, hello: helloOf(asking), tls, minSlot, sink, signal: new AbortController().signal });
  return { file, fetch };
}

class MemorySink implements SnapshotSink {
  kept: Buffer[] = [];
  keptOf = '';
  beganAt: number[] = [];
  isFinished = false;
  timesLeft = 0;

  async begin({ sha256 }: { sha256: string }): Promise<number> {
    if (sha256 !== this.keptOf) this.kept = [];
    this.keptOf = sha256;
    const offset = Buffer.concat(this.kept).length;
    this.beganAt.push(offset);
    return offset;
  }

  async append(bytes: Uint8Array): Promise<void> {
    this.kept.push(Buffer.from(bytes));
  }

  async finish(): Promise<void> {
    this.isFinished = true;
  }

  async leave(): Promise<void> {
    this.timesLeft += 1;
  }
}

test('a snapshot arrives whole', async () => {
  const bytes = randomBytes(5_000_001);
  const { fetch } = await open(bytes);
  const sink = new MemorySink();
  expect(await fetch(sink)).toBe(700);
  expect(sink.isFinished).toBe(true);
  expect(Buffer.concat(sink.kept).equals(bytes)).toBe(true);
});

test('a transfer that is cut off goes on where it stopped', async () => {
  const bytes = randomBytes(4_000_000);
  const cut: Socket[] = [];
  const { fetch } = await open(bytes, (socket) => cut.push(socket));
  const sink = new MemorySink();
  const append = sink.append.bind(sink);
  sink.append = async (chunk) => {
    await append(chunk);
    if (cut.length === 1 && Buffer.concat(sink.kept).length > 1_000_000) cut[0]?.destroy();
  };
  await expect(fetch(sink)).rejects.toThrow(SnapshotFetchError);
  expect(await fetch(sink)).toBe(700);
  expect(sink.timesLeft).toBe(1);
  expect(sink.beganAt[0]).toBe(0);
  expect(sink.beganAt[1]).toBeGreaterThan(1_000_000);
  expect(Buffer.concat(sink.kept).equals(bytes)).toBe(true);
});

test('what is kept of another snapshot is not mixed in', async () => {
  const bytes = randomBytes(300_000);
  const { fetch } = await open(bytes);
  const sink = new MemorySink();
  sink.keptOf = 'a'.repeat(64);
  sink.kept = [randomBytes(1000)];
  await fetch(sink);
  expect(sink.beganAt).toEqual([0]);
  expect(Buffer.concat(sink.kept).equals(bytes)).toBe(true);
});

test('a peer without a snapshot that is new enough says so', async () => {
  const { fetch } = await open(randomBytes(10));
  const failure = /no snapshot from node-1 \(127\.0\.0\.1:\d+\): the newest snapshot here is of slot 700/;
  await expect(fetch(new MemorySink(), 701)).rejects.toThrow(failure);
});
