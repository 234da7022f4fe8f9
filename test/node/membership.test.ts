/** Members come and go while clients write: real processes, real certificates, the calls that the console makes. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { ConfigurationChange } from '../../cluster-node/contract/configuration.ts';
import { freePorts } from '../fixtures/free-ports.ts';
import { createTestCluster, type TestCluster, type TestNode } from '../fixtures/test-cluster.ts';
import { until } from '../fixtures/until.ts';
import { missingWrites, Writer } from '../fixtures/writer.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

const RULE = { slotInterval: 1024, minBytes: 0, maxSlots: 1024 };
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await createTestCluster(3, { snapshotRule: RULE });
  cluster.start();
  await cluster.leader();
});
afterAll(() => cluster.close());

/** Asks whoever leads until it says yes; a refusal for want of catching up is asked again. */
async function change(step: ConfigurationChange, mayWaitFor = /caught up|behind|connected|decided nothing|under way/) {
  return until(`the change ${JSON.stringify(step)}`, async () => {
    const among = await running();
    const leader = await cluster.leader(among);
    const result = await leader.admin('reconfigure', { change: step, timeoutMs: 3000 });
    if (result.outcome === 'refused' && !mayWaitFor.test(result.reason)) throw new Error(result.reason);
    return result.outcome === 'changed' && result.configuration;
  });
}

async function running(): Promise<TestNode[]> {
  const answers = await Promise.all(
    cluster.nodes.map((node) =>
      node.sample().then(
        () => node,
        () => null,
      ),
    ),
  );
  return answers.filter((node) => node !== null);
}

async function addLearner(name: string, nodeId: string): Promise<TestNode> {
  const [peerPort = 0, clientPort = 0] = await freePorts(2);
  const address = { nodeId, name, address: '127.0.0.1', peerPort, clientPort };
  const configuration = await change({ kind: 'addLearner', member: address });
  const member = configuration.members.find((candidate) => candidate.nodeId === nodeId);
  if (member === undefined) throw new Error(`${nodeId} is not in the configuration`);
  const node = await cluster.join(member, configuration.members);
  node.start();
  await node.ready();
  return node;
}

test('a fourth node joins, learns from a snapshot, is promoted, and replaces one of the first', async () => {
  const writer = new Writer(cluster, cluster.node(2), 'before');
  // More than two snapshots, so that the log has been trimmed and the new node cannot have it from there.
  await until(
    'two snapshots and a trimmed log',
    async () => (await cluster.node(1).sample()).snapshotSlot >= 3072,
    60_000,
  );
  const joined = await addLearner('node-4', 'n-test0004');
  expect(joined.member.memberSlot).toBe(4);
  await until('the learner to catch up', async () => {
    const sample = await joined.sample();
    return sample.appliedUpTo >= 3072 && sample.behind === null;
  });
  expect((await joined.sample()).configuration).toEqual({ configId: 2, voters: [1, 2, 3], learners: [4] });

  await change({ kind: 'promote', memberSlot: 4 });
  const leader = await cluster.leader();
  const gone = cluster.nodes.find(
    (node) => node !== leader && node.member.memberSlot !== 4 && node.member.memberSlot !== 2,
  );
  if (gone === undefined) throw new Error('there is nobody to remove');
  await change({ kind: 'remove', memberSlot: gone.member.memberSlot });
  await until('the removed node to know', async () => (await gone.sample()).configuration.configId === 4);
  await gone.kill();
  cluster.nodes.splice(cluster.nodes.indexOf(gone), 1);

  await writer.stop();
  await cluster.level();
  for (const node of cluster.nodes) expect(await missingWrites(cluster, node, writer.acknowledged)).toEqual([]);
});

test('what would be unsafe is refused with the reason, and nothing changes', async () => {
  const leader = await cluster.leader();
  const before = (await leader.admin('configuration', {})).configuration;
  const refusals: [ConfigurationChange, RegExp][] = [
    [{ kind: 'remove', memberSlot: leader.member.memberSlot }, /transfer leadership/i],
    [{ kind: 'remove', memberSlot: 99 }, /99/],
    [{ kind: 'promote', memberSlot: 4 }, /voter/],
    [{ kind: 'setQuorums', quorumSizes: { phase1: 1, phase2: 1 } }, /intersect/],
  ];
  for (const [step, reason] of refusals) {
    const result = await leader.admin('reconfigure', { change: step, timeoutMs: 3000 });
    expect(result).toMatchObject({ outcome: 'refused', reason: expect.stringMatching(reason) });
  }
  const follower = cluster.nodes.find((node) => node !== leader) as TestNode;
  const elsewhere = await follower.admin('reconfigure', {
    change: { kind: 'remove', memberSlot: follower.member.memberSlot },
    timeoutMs: 3000,
  });
  expect(elsewhere.outcome).toBe('refused');
  // What is decided about a member reaches every node, again at each start: nothing that none can use is let in.
  const member = { nodeId: 'n-test0009', name: 'node-9', address: 'a\0b', peerPort: 1, clientPort: 2 };
  const bad = leader.admin('reconfigure', { change: { kind: 'addLearner', member }, timeoutMs: 3000 });
  await expect(bad).rejects.toThrow(/badRequest/);
  expect((await leader.admin('configuration', {})).configuration).toEqual(before);
});
