import { mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { nodeExitCodes } from '../../cluster-node/contract/exit-codes.ts';
import { askSocket, createTestCluster, type TestCluster, type TestNode } from '../fixtures/test-cluster.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let cluster: TestCluster;
let node: TestNode;

beforeEach(async () => {
  cluster = await createTestCluster(1);
  node = cluster.node(1);
});
afterEach(() => cluster.close());

/** Starts the node, writes `count` keys, and kills it with -9. */
async function writeAndKill(count: number): Promise<void> {
  node.start();
  await cluster.leader();
  const client = cluster.client(node);
  for (let number = 1; number <= count; number++) await client.put(`key-${number}`, `value-${number}`);
  client.close();
  await node.kill();
}

async function expectKeys(count: number): Promise<void> {
  await cluster.leader();
  const client = cluster.client(node);
  for (let number = 1; number <= count; number++) expect(await client.get(`key-${number}`)).toBe(`value-${number}`);
  client.close();
}

function segmentPath(): string {
  const logDir = join(node.dir, 'data/log');
  return join(logDir, readdirSync(logDir).find((name) => name.endsWith('.log')) as string);
}

/** The offset after the last byte that is not zero. */
function usedBytes(path: string): number {
  const file = readFileSync(path);
  let end = file.length;
  while (end > 0 && file[end - 1] === 0) end -= 1;
  return end;
}

function overwrite(path: string, offset: number, bytes: Buffer): void {
  writeSync(openSync(path, 'r+'), bytes, 0, bytes.length, offset);
}

async function expectRefusal(code: number, ...texts: (string | RegExp)[]): Promise<void> {
  node.log = '';
  node.start();
  expect(await node.exited()).toBe(code);
  for (const text of texts) expect(node.log).toMatch(text);
}

test('a tail torn by a crash is dropped and everything acknowledged is there', async () => {
  await writeAndKill(20);
  const path = segmentPath();
  const end = Math.ceil(usedBytes(path) / 8) * 8;
  // The beginning of a record as a crash may leave it, and what the disk reordered behind it.
  overwrite(
    path,
    end,
    Buffer.concat([readFileSync(path).subarray(64, 64 + 44), Buffer.alloc(500), Buffer.from('rest')]),
  );
  node.log = '';
  node.start();
  await expectKeys(20);
  expect(node.log).toMatch(/"droppedBytes":5\d\d/);
  await node.kill();
  node.start();
  await expectKeys(20);
});

test('a log that lost its end refuses the start and says what to do', async () => {
  await writeAndKill(20);
  node.start();
  await node.ready();
  node.signal('SIGTERM');
  await node.exited();
  const path = segmentPath();
  const end = usedBytes(path);
  overwrite(path, end - 2000, Buffer.alloc(2000));
  await expectRefusal(
    nodeExitCodes.dataRefused,
    /has lost what this node promised: record \d+ was on disk once/,
    /replace it/,
  );
});

test('a log that is gone, a foreign folder and a lost superblock refuse the start', async () => {
  await writeAndKill(3);
  const superblock = join(node.dir, 'data/superblock');
  const intact = readFileSync(superblock);

  rmSync(superblock);
  await expectRefusal(nodeExitCodes.dataRefused, /data has no superblock: what it promised is lost/);
  const birth = join(node.dir, 'born.json');
  const born = readFileSync(birth);
  rmSync(birth);
  await expectRefusal(nodeExitCodes.dataRefused, /has records but the superblock is gone/);
  writeFileSync(birth, born);

  // Two of four copies are enough, one is not.
  const damaged = Buffer.from(intact);
  damaged.fill(0xff, 0, 8192);
  writeFileSync(superblock, damaged);
  node.start();
  await node.ready();
  await node.kill();
  damaged.fill(0xff, 0, 12_288);
  writeFileSync(superblock, damaged);
  await expectRefusal(nodeExitCodes.dataRefused, /fewer than two of the four copies agree/);

  writeFileSync(superblock, intact);
  node.editConfig((config) => Object.assign(config, { clusterId: 'c-other001' }));
  await expectRefusal(nodeExitCodes.dataRefused, /clusterId is c-test0001 on disk but c-other001 in the configuration/);
  node.editConfig((config) => Object.assign(config, { clusterId: 'c-test0001' }));

  rmSync(segmentPath());
  await expectRefusal(nodeExitCodes.dataRefused, /has lost what this node promised: the log is gone/);
});

test('an emptied data folder of a node that has run refuses the start', async () => {
  await writeAndKill(1);
  rmSync(join(node.dir, 'data'), { recursive: true });
  await expectRefusal(nodeExitCodes.dataRefused, /n-test0001 has run since .* it must not vote/, /replace the node/);
});

test('two processes on one data folder: the second is refused, the first goes on', async () => {
  node.start();
  await cluster.leader();
  const second = new (node.constructor as typeof TestNode)({
    dir: node.dir,
    member: node.member,
    bundle: cluster.bundle,
  });
  second.start();
  expect(await second.exited()).toBe(nodeExitCodes.dataLocked);
  expect(second.log).toMatch(/is in use by another process \(pid \d+\)/);
  const client = cluster.client(node);
  await client.put('still', 'here');
  client.close();
  // A kill -9 leaves no stale lock.
  await node.kill();
  node.start();
  await node.ready();
});

test('a first start that was cut off is begun again', async () => {
  mkdirSync(join(node.dir, 'data/log'), { recursive: true });
  writeFileSync(join(node.dir, 'data/log/0000000000000001.log'), Buffer.alloc(5000));
  node.start();
  await cluster.leader();
});

test('bad configurations say which file and which field', async () => {
  node.editConfig((config) => Object.assign(config, { heartbeatMs: 'often' }));
  await expectRefusal(nodeExitCodes.badConfig, /config\.json is no node configuration/, /heartbeatMs/);
  node.editConfig((config) => Object.assign(config, { heartbeatMs: 50 }));
  rmSync(join(node.dir, 'tls/peer.key'));
  await expectRefusal(nodeExitCodes.badConfig, /tls\.peerKey: .*peer\.key cannot be read/);
  expect(node.log).not.toContain('PRIVATE KEY');
});

test('a port in use is named', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(node.member.peerPort, '127.0.0.1', resolve));
  await expectRefusal(nodeExitCodes.portUnavailable, /the peer port 127\.0\.0\.1:\d+ is in use/);
  await new Promise((resolve) => taken.close(resolve));
});

test('the admin socket is the user’s own and answers nonsense with an error', async () => {
  node.start();
  await node.ready();
  const path = join(node.dir, 'run/admin.sock');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(node.dir, 'run')).mode & 0o777).toBe(0o700);
  const ask = async (line: string) => JSON.parse(await askSocket(path, line));
  expect(await ask('nonsense')).toMatchObject({ ok: false, error: { kind: 'badRequest' } });
  expect(await ask('{"id":1,"call":"explode","params":{}}')).toMatchObject({ id: 1, error: { kind: 'badRequest' } });
  expect(await ask('{"id":2,"call":"constructor","params":{}}')).toMatchObject({ error: { kind: 'badRequest' } });
  expect(await ask('{"id":3,"call":"injectFault","params":{}}')).toMatchObject({ error: { kind: 'badRequest' } });
  const transfer = '{"id":4,"call":"transferLeadership","params":{"target":9,"timeoutMs":100}}';
  expect(await ask(transfer)).toMatchObject({ id: 4, ok: false, error: { kind: 'notFound' } });
  await expect(askSocket(path, 'x'.repeat(3 << 20))).rejects.toThrow(/closed without an answer|EPIPE|ECONNRESET/);
  expect((await node.sample()).memberSlot).toBe(1);
});
