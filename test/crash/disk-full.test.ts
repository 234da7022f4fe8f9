/** The leader's disk fills up under load: it leaves the lead, says why, and comes back when there is room again. */
import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { memberIdOf } from '../../cluster-node/api/identity.ts';
import { AlarmType } from '../../cluster-node/contract/etcd/rpc.ts';
import { measured } from '../fixtures/measured.ts';
import { createTestCluster, type TestCluster, type TestNode } from '../fixtures/test-cluster.ts';
import { missingWrites } from '../fixtures/writer.ts';
import { crashSeed, eventually, PATIENCE_MS } from './patience.ts';
import { Load } from './load.ts';
import { SmallDisk } from './small-disk.ts';
import { expectNothingWrong } from './verdict.ts';

vi.setConfig({ testTimeout: 150_000, hookTimeout: 90_000 });

/** What clients may be told while a disk is full or the lead changes; anything else explains nothing. */
const CLEAR_REFUSAL = /^(UNAVAILABLE|RESOURCE_EXHAUSTED|DEADLINE_EXCEEDED): (etcdserver: |Deadline exceeded)/;

let cluster: TestCluster;
let disk: SmallDisk | null;

beforeAll(async () => {
  cluster = await createTestCluster(3);
  disk = SmallDisk.under(cluster.node(1));
  cluster.start();
  await cluster.leader(cluster.nodes, PATIENCE_MS);
});
afterAll(() => cluster.close());

/** Puts big values until told to stop; they need not all succeed. Returns those that did. */
async function fillLog(through: TestNode, isEnough: () => boolean): Promise<Map<string, string>> {
  const client = cluster.client(through);
  const acknowledged = new Map<string, string>();
  for (let at = 1; !isEnough(); at++) {
    const value = randomBytes(200_000).toString('base64');
    await client.put(`filler/${at}`, value, 2000).then(
      () => acknowledged.set(`filler/${at}`, value),
      () => undefined,
    );
  }
  client.close();
  return acknowledged;
}

async function makeLeader(node: TestNode): Promise<void> {
  await cluster.level(cluster.nodes, PATIENCE_MS);
  await eventually(`${node.member.name} to lead`, async () => {
    const leader = await cluster.leader(cluster.nodes, PATIENCE_MS);
    if (leader === node) return true;
    await leader.admin('transferLeadership', { target: node.member.memberSlot, timeoutMs: 5000 });
    return false;
  });
}

async function alarms(node: TestNode): Promise<string[]> {
  const { events } = await node.admin('events', { boot: null, afterSequence: 0 });
  return events.filter(({ kind }) => kind === 'alarm').map(({ text }) => text);
}

test('a leader whose disk is full hands over, and is back when there is room', async ({ skip }) => {
  if (disk === null) return skip('skipped: needs root to mount a small disk');
  const small = cluster.node(1);
  const others = cluster.nodes.slice(1);
  await makeLeader(small);
  const { pid } = await small.sample();
  const load = new Load(cluster, { seed: crashSeed, clients: 6 });
  await eventually('first answers', () => load.answered > 50);

  disk.fill();
  let isFull = false;
  const filling = fillLog(others[0] as TestNode, () => isFull);
  await eventually('the node to say that its disk is full', async () =>
    (await alarms(small)).some((text) => /no space left for the log/.test(text)),
  );
  load.restartGap();
  const next = await cluster.leader(others, PATIENCE_MS);
  expect(next).not.toBe(small);
  const client = cluster.client(next);
  const noSpace = { memberID: memberIdOf(small.member.nodeId), alarm: AlarmType.NOSPACE };
  await eventually('the next leader to tell clients', async () => isDeepStrictEqual(await client.alarms(), [noSpace]));
  isFull = true;
  const acknowledged = await filling;
  expect(acknowledged.size).toBeGreaterThan(10);
  const answered = load.answered;
  await eventually('the cluster to go on', () => load.answered > answered + 50);
  measured(`full disk (${disk.kind}): longest time without an acknowledged change`, load.longestGapMs, 'ms');

  disk.free();
  await eventually('the node to say that there is room', async () =>
    (await alarms(small)).some((text) => /there is room/.test(text)),
  );
  await eventually('the alarm to end', async () => (await client.alarms()).length === 0);
  client.close();
  await load.stop();
  await cluster.level(cluster.nodes, PATIENCE_MS);
  expect(await small.sample()).toMatchObject({ pid });
  for (const refusal of load.recorder.refusals.keys()) expect(refusal).toMatch(CLEAR_REFUSAL);
  for (const node of cluster.nodes) expect(await missingWrites(cluster, node, acknowledged)).toEqual([]);
  await expectNothingWrong(cluster, load);

  // It is as good as the others again: it can lead, and what it holds survives its death.
  await makeLeader(small);
});

test('what was fetched of a snapshot gives way to the log, and the node goes on by itself', async ({ skip }) => {
  if (disk === null) return skip('skipped: needs root to mount a small disk');
  const small = cluster.node(1);
  const begun = `data/snapshots/${'9'.repeat(16)}-${'a'.repeat(64)}.incoming`;
  disk.fill(begun);
  const before = (await alarms(small)).length;
  const saysThat = async (what: RegExp) => (await alarms(small)).slice(before).some((text) => what.test(text));
  let isOver = false;
  const filling = fillLog(await cluster.leader(cluster.nodes, PATIENCE_MS), () => isOver);
  await eventually('the node to say that its disk is full', () => saysThat(/no space left for the log/));
  await eventually('the node to say that there is room', () => saysThat(/there is room/));
  isOver = true;
  await filling;
  expect(disk.has(begun)).toBe(false);
});
