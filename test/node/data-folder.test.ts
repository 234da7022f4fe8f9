import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import {
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
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

test('keys and certificates that cannot be used are named', async () => {
  const at = (file: string) => join(node.dir, 'tls', file);
  const key = readFileSync(at('peer.key'));
  writeFileSync(at('peer.key'), 'not a key');
  await expectRefusal(nodeExitCodes.badConfig, /tls\.peerKey: .*peer\.key is no private key in PEM form/);
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  writeFileSync(at('peer.key'), other);
  await expectRefusal(nodeExitCodes.badConfig, /peer\.key is not the key of the certificate in .*peer\.pem/);
  writeFileSync(at('peer.key'), key);
  writeFileSync(at('peer.pem'), '');
  await expectRefusal(nodeExitCodes.badConfig, /tls\.peerCert: .*peer\.pem is no certificate in PEM form/);
});

test('what stands where the admin socket should be is not removed unless it is a socket', async () => {
  await writeAndKill(1);
  for (const file of ['data/superblock', 'data/log']) {
    node.editConfig((config) => Object.assign(config, { adminSocket: file }));
    await expectRefusal(
      nodeExitCodes.badConfig,
      `${join(node.dir, file)}, where the admin socket should be, is no socket`,
    );
  }
  node.editConfig((config) => Object.assign(config, { adminSocket: 'run/admin.sock' }));
  node.start();
  await expectKeys(1);
});

test('whoever asks the admin socket without end and reads nothing is cut off', async () => {
  node.start();
  await cluster.leader();
  const socket = connect(join(node.dir, 'run/admin.sock')).pause();
  socket.on('error', () => {});
  const lines = `${JSON.stringify({ id: 1, call: 'sample', params: {} })}\n`.repeat(1000);
  const closed = new Promise((resolve) => socket.on('close', resolve));
  const ask = () => {
    while (!socket.destroyed && socket.write(lines));
  };
  socket.on('drain', ask);
  ask();
  await closed;
  expect((await node.sample()).role).toBe('leader');
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

test.each([
  'superblock',
  'synced',
  'lock',
  'lock-owner',
  'peers.json',
  'quarantine.json',
  'vowed.tmp',
  'log/0000000000000001.log',
  'snapshots/writing.tmp',
  '../born.json',
])('a folder in the place of %s refuses the start, by its path', async (file) => {
  await writeAndKill(1);
  const path = join(node.dir, 'data', file);
  rmSync(path, { force: true, recursive: true });
  mkdirSync(path);
  await expectRefusal(nodeExitCodes.dataRefused, `${path} is a folder where a file should be`, /start the node again/);
});

test('files with names that no node gives are left alone, and a lock that is none is named', async () => {
  await writeAndKill(1);
  const at = (file: string) => join(node.dir, 'data', file);
  const foreign = [
    'log/9999999999999999.log',
    'log/0000000009999999.log',
    'snapshots/9999999999999999.snapshot',
    'log/notes',
  ];
  for (const file of foreign) writeFileSync(at(file), 'foreign');
  node.start();
  await expectKeys(1);
  for (const file of foreign) expect(readFileSync(at(file), 'utf8')).toBe('foreign');
  await node.kill();
  writeFileSync(at('lock'), 'foreign '.repeat(1000));
  await expectRefusal(nodeExitCodes.dataRefused, /data\/lock is not the empty file/);
});

test.each(['log', 'snapshots', '.'])('a file in the place of the folder %s refuses the start', async (folder) => {
  await writeAndKill(1);
  const path = join(node.dir, 'data', folder);
  rmSync(path, { recursive: true });
  writeFileSync(path, '');
  await expectRefusal(nodeExitCodes.dataRefused, path, /start the node again/);
});

test('a socket and a link that leads nowhere refuse the start, and what a file system keeps in the folder does not', async () => {
  await writeAndKill(1);
  const at = (file: string) => join(node.dir, 'data', file);
  const server = createServer().listen(at('vowed.tmp'));
  await once(server, 'listening');
  await expectRefusal(nodeExitCodes.dataRefused, /vowed.tmp is a socket where a file should be/);
  server.close();
  symlinkSync('/nowhere/at/all', at('peers.json.tmp'));
  await expectRefusal(nodeExitCodes.dataRefused, /peers.json.tmp cannot be looked at, perhaps a link/);
  rmSync(at('peers.json.tmp'));
  for (const folder of ['lost+found', 'log/lost+found']) mkdirSync(at(folder));
  node.start();
  await expectKeys(1);
});
