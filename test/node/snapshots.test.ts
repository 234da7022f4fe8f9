/**
 * Snapshots between real nodes: a node that was away while its peers trimmed their logs, transfers that are cut off, and snapshots
 * that the disk damaged.
 */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { nodeExitCodes } from '../../cluster-node/contract/exit-codes.ts';
import { flip, inspect } from '../fixtures/data-folder.ts';
import { createTestCluster, type TestCluster, type TestNode } from '../fixtures/test-cluster.ts';
import { until } from '../fixtures/until.ts';
import { missingWrites } from '../fixtures/writer.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const RULE = { slotInterval: 1024, minBytes: 0, maxSlots: 1024 };
/** Nobody may lose patience only because the machine is busy. */
const PATIENT = { heartbeatMs: 100, electionTimeoutMs: 2000 };
/** Big enough that segments of 16 MiB fill up and can be trimmed, and that a transfer takes a moment. */
const FILLING = 'x'.repeat(6000);
const KEYS = 6000;
const IN_FLIGHT = 32;
const acknowledged = new Map<string, string>();
let cluster: TestCluster;
let written = 0;

beforeAll(async () => {
  cluster = await createTestCluster(3, { snapshotRule: RULE, ...PATIENT });
  cluster.start();
  await cluster.leader();
});
afterAll(() => cluster.close());

/** Writes big values through this node, over and over the same keys. */
async function write(count: number, through: TestNode): Promise<void> {
  const client = cluster.client(through);
  const upTo = written + count;
  const one = async () => {
    while (written < upTo) {
      const number = ++written;
      const [key, value] = [`key-${number % KEYS}`, `${number} ${FILLING}`];
      const isDone = await client.put(key, value, 5000).then(
        () => true,
        () => false,
      );
      // A write that failed may still be applied later than the next one of its key.
      if (isDone) acknowledged.set(key, value);
      else acknowledged.delete(key);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
  client.close();
}

function snapshotsOf(node: TestNode): string[] {
  const folder = join(node.dir, 'data/snapshots');
  const names = readdirSync(folder).filter((name) => name.endsWith('.snapshot'));
  return names.sort().map((name) => join(folder, name));
}

function hasTrimmed(node: TestNode): boolean {
  return !readdirSync(join(node.dir, 'data/log')).includes('0000000000000001.log');
}

/** Some of the acknowledged writes that this node's own state lacks. */
function missingSome(node: TestNode): Promise<string[]> {
  const some = [...acknowledged].filter((_, at) => at % 20 === 0);
  return missingWrites(cluster, node, new Map(some));
}

async function stop(node: TestNode): Promise<void> {
  node.signal('SIGTERM');
  expect(await node.exited()).toBe(nodeExitCodes.stopped);
}

test('a node for which no log reaches back gets a snapshot, though the transfer is cut, and disturbs nobody', async () => {
  const absent = cluster.node(3);
  const others = [cluster.node(1), cluster.node(2)];
  await absent.kill();
  const leader = await cluster.leader(others);
  await until(
    'trimmed logs',
    async () => {
      await write(3000, leader);
      const samples = await Promise.all(others.map((node) => node.sample()));
      return samples.every(({ snapshotSlot }) => snapshotSlot > 0) && others.every(hasTrimmed);
    },
    60_000,
  );
  absent.log = '';
  absent.start();
  await until('a part of a snapshot', () =>
    readdirSync(join(absent.dir, 'data/snapshots')).some(
      (name) => name.endsWith('.incoming') && statSync(join(absent.dir, 'data/snapshots', name)).size > 1_000_000,
    ),
  );
  await absent.kill();
  expect(snapshotsOf(absent)).toEqual([]);
  absent.start();
  const resumed = /"fromByte":[1-9]\d+.*"fetching a snapshot"/;
  // Writing only then: a newer snapshot of the leader would, rightly, be fetched from its beginning.
  await until('the transfer to go on', () => resumed.test(absent.log), 20_000);
  const load = write(2000, leader);
  await until(
    'the snapshot and the rest',
    async () => {
      const [mine, theirs] = await Promise.all([absent.sample(), leader.sample()]);
      return mine.snapshotSlot > 0 && mine.appliedUpTo >= theirs.decidedUpTo - 200 && mine.behind === null;
    },
    40_000,
  );
  await load;
  expect(absent.log).toContain('"msg":"got a snapshot"');
  // Whatever came upon it, it went on hearing its leader.
  expect(absent.log).not.toContain('"event":"electionStarted"');
  await cluster.level(cluster.nodes, 40_000);
  expect(await missingSome(absent)).toEqual([]);
});

test('a damaged snapshot: the older one and the log; both damaged: one from a peer', async () => {
  const node = cluster.node(3);
  const peers = [cluster.node(1), cluster.node(2)];
  await until('two snapshots', async () => {
    await write(1100, cluster.node(1));
    return snapshotsOf(node).length === 2;
  });
  await stop(node);
  const [older = '', newer = ''] = snapshotsOf(node);
  flip(newer, 70_000);
  node.log = '';
  node.start();
  await node.ready();
  expect(node.log).toMatch(/"msg":"a snapshot is damaged; going on with an older one"/);
  expect(node.log).toContain(newer);
  await cluster.level(cluster.nodes, 40_000);

  await stop(node);
  for (const path of [older, newer]) if (snapshotsOf(node).includes(path)) rmSync(path);
  for (const path of snapshotsOf(node)) flip(path, 70_000);
  for (const peer of peers) await stop(peer);
  node.log = '';
  node.start();
  const waiting = /the node is starting: .*no snapshot from node-\d/;
  await until('it to say what it waits for', () => node.sample().catch((error: Error) => waiting.test(error.message)));
  await stop(node);
  expect(node.log).toContain('stopped before it had started');
  node.start();
  for (const peer of peers) peer.start();
  await until('a snapshot from a peer and the start', () => node.sample(), 40_000);
  await cluster.level(cluster.nodes, 40_000);
  const { text, report } = inspect(cluster, node);
  expect(text).toMatch(/in use +by a running node \(pid \d+\)/);
  expect(report.snapshots).toHaveLength(snapshotsOf(node).length);
  for (const each of cluster.nodes) expect(await missingSome(each)).toEqual([]);
});
