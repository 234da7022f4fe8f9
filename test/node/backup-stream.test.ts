/** What a node gives for a backup, and what it begins with when it is restored from one: cut, missing and wrong ones are refused. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { nodeExitCodes } from '../../cluster-node/contract/exit-codes.ts';
import { readBackup } from '../../electron/engine/backup/backup-file.ts';
import { takeBackup } from '../../electron/engine/backup/take-backup.ts';
import { EtcdClient } from '../../electron/engine/etcd/client.ts';
import { issue, operatorLeaf } from '../../electron/engine/provision/certificates.ts';
import { endpointOf } from '../../electron/engine/provision/apply/serving.ts';
import { createTestCluster, type TestCluster, type TestNode } from '../fixtures/test-cluster.ts';
import { asFounder } from '../../electron/engine/fleet/records.ts';

let clusters: TestCluster[] = [];
afterEach(async () => {
  await Promise.all(clusters.map((cluster) => cluster.close()));
  clusters = [];
});

async function oneNode(): Promise<{ cluster: TestCluster; node: TestNode }> {
  const cluster = await createTestCluster(1);
  clusters.push(cluster);
  return { cluster, node: cluster.node(1) };
}

async function accessTo(cluster: TestCluster) {
  const operator = await issue(cluster.authority, operatorLeaf(), Date.now());
  const files = { ca: cluster.authority.certificate, cert: operator.certificate, key: operator.key };
  const at = (name: string) => join(cluster.root, `operator-${name}`);
  for (const [name, text] of Object.entries(files)) writeFileSync(at(name), text);
  return { files, paths: { ca: at('ca'), cert: at('cert'), key: at('key') } };
}

/** A running node with so many values of 64 KiB, its client, and how to back it up. */
async function loaded(values: number) {
  const { cluster, node } = await oneNode();
  node.start();
  await cluster.leader();
  const { files, paths } = await accessTo(cluster);
  const client = new EtcdClient({ endpoint: endpointOf(node.member), tls: files });
  for (let key = 0; key < values; key++) await client.put(`k/${key}`, Buffer.alloc(64 * 1024, key));
  const path = join(cluster.root, 'a.backup');
  const backup = (onProgress: () => void = () => undefined) =>
    takeBackup(
      {
        cluster: { clusterId: 'c-test0001', name: 'test', releaseVersion: 'test' },
        members: [{ ...node.member, clusterId: 'c-test0001', hostId: 'h-test0001', dataFolder: null, ...asFounder }],
        access: paths,
        path,
        force: false,
        nowUnixMs: Date.now(),
      },
      { signal: new AbortController().signal, report: { progress: onProgress } },
    );
  return { cluster, node, client, path, backup };
}

/** A node of a new cluster whose configuration names a seed. */
async function seeded(seed: { slot: number; sha256: string }, content: Uint8Array | null) {
  const { cluster, node } = await oneNode();
  node.editConfig((config) => {
    config['seed'] = { file: 'seed.snapshot', ...seed };
  });
  const path = join(node.dir, 'seed.snapshot');
  if (content !== null) writeFileSync(path, content);
  node.start();
  return { cluster, node, path };
}

test('a node that dies in the middle leaves no file, and says so', { timeout: 60_000 }, async () => {
  const { cluster, node, client, path, backup } = await loaded(300);
  const failure = backup(() => node.signal('SIGKILL'));
  await expect(failure).rejects.toMatchObject({ failure: { kind: 'backupFailed' } });
  client.close();
  expect(existsSync(path)).toBe(false);
  expect(readdirSync(cluster.root).filter((name) => name.includes('backup'))).toEqual([]);
});

test('a new cluster begins with the snapshot of a backup, and with no other', { timeout: 90_000 }, async () => {
  const { node: from, client, path, backup } = await loaded(5);
  await client.deleteRange({ key: Buffer.from('k/3') });
  const manifest = await backup();
  const pieces: Uint8Array[] = [];
  expect(await readBackup(path, async (bytes) => void pieces.push(bytes))).toEqual(manifest);
  const snapshot = Buffer.concat(pieces);
  const seed = { slot: manifest.slot, sha256: manifest.snapshotSha256 };
  client.close();
  await from.kill();

  const wrong = Buffer.from(snapshot);
  wrong[wrong.length >> 1] = (wrong[wrong.length >> 1] ?? 0) ^ 1;
  const ofWrong = { ...seed, sha256: createHash('sha256').update(wrong).digest('hex') };
  for (const { wanted, content, says } of [
    { wanted: seed, content: null, says: 'cannot be read' },
    { wanted: seed, content: wrong, says: 'SHA-256' },
    { wanted: ofWrong, content: wrong, says: 'does not check' },
    { wanted: { ...seed, slot: seed.slot + 1 }, content: snapshot, says: `of slot ${seed.slot}` },
  ]) {
    const { node } = await seeded(wanted, content);
    expect(await node.exited()).toBe(nodeExitCodes.dataRefused);
    expect(node.log).toContain(says);
    // It was born, and still does not start empty.
    node.start();
    expect(await node.exited()).toBe(nodeExitCodes.dataRefused);
  }

  const { cluster, node, path: seedPath } = await seeded(seed, snapshot);
  await cluster.leader();
  const { files } = await accessTo(cluster);
  const restored = new EtcdClient({ endpoint: endpointOf(node.member), tls: files });
  const { kvs, header } = await restored.range({ key: Uint8Array.of(0), rangeEnd: Uint8Array.of(0) });
  expect(kvs.map((pair) => [Buffer.from(pair.key).toString(), pair.modRevision])).toEqual([
    ['k/0', 2n],
    ['k/1', 3n],
    ['k/2', 4n],
    ['k/4', 6n],
  ]);
  expect(header?.revision).toBe(BigInt(manifest.revision));
  expect(existsSync(seedPath)).toBe(false);
  restored.close();
});

test('a node that has less than its cluster began with stays down', { timeout: 60_000 }, async () => {
  const { node, client } = await loaded(1);
  client.close();
  await node.kill();
  node.editConfig((config) => {
    config['seed'] = { file: 'seed.snapshot', slot: 1_000_000, sha256: '0'.repeat(64) };
  });
  node.start();
  expect(await node.exited()).toBe(nodeExitCodes.dataRefused);
  expect(node.log).toContain('this cluster begins with slot 1000000');
});
