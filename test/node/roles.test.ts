/** Who counts and who does not: learners, removed members, and quorums of other sizes, on real processes. */
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { ConfigurationChange } from '../../cluster-node/contract/configuration.ts';
import { freePorts } from '../fixtures/free-ports.ts';
import { createTestCluster, type TestCluster, type TestNode } from '../fixtures/test-cluster.ts';
import { until } from '../fixtures/until.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

/** What may pass when it is asked again: the leader has just changed, or does not hear somebody yet. */
const PASSING = /leads|no leader|under way|connected|decided nothing|missing now|has not caught up/;
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await createTestCluster(3);
  cluster.start();
  await cluster.leader();
});
afterAll(() => cluster.close());

const reconfigure = (leader: TestNode, change: ConfigurationChange) =>
  leader.admin('reconfigure', { change, timeoutMs: 3000 });

/** Asks whoever leads until it is done. */
async function change(among: readonly TestNode[], step: ConfigurationChange): Promise<void> {
  await until(
    JSON.stringify(step),
    async () => {
      const { outcome, reason } = await reconfigure(await cluster.leader(among), step);
      if (outcome === 'refused' && !PASSING.test(reason)) throw new Error(reason);
      return outcome === 'changed';
    },
    30_000,
  );
}

async function put(through: TestNode, key: string, timeoutMs = 2000): Promise<void> {
  const client = cluster.client(through);
  await client.put(key, `value of ${key}`, timeoutMs).finally(() => client.close());
}

async function get(through: TestNode, key: string, options: { serializable?: boolean; timeoutMs?: number } = {}) {
  const client = cluster.client(through);
  return client.get(key, options).finally(() => client.close());
}

/** Once it can be done; a client may be told to try again while the lead moves. */
const eventuallyPut = (through: TestNode, key: string) =>
  until(`a write through ${through.member.name}`, () => put(through, key).then(() => true), 20_000);

let learner: TestNode;

test('a learner serves clients and counts for nothing', async () => {
  const [peerPort = 0, clientPort = 0] = await freePorts(2);
  const address = { nodeId: 'n-test0004', name: 'node-4', address: '127.0.0.1', peerPort, clientPort };
  await change(cluster.nodes, { kind: 'addLearner', member: address });
  learner = await cluster.join({ ...address, memberSlot: 4 });
  learner.start();
  await until('the learner to catch up', async () => (await learner.sample()).behind === null);
  await eventuallyPut(learner, 'through the learner');
  expect(await get(learner, 'through the learner')).toBe('value of through the learner');
  expect(await get(learner, 'through the learner', { serializable: true })).toBe('value of through the learner');

  // Two of three voters are enough without it, and one of three is too few with it.
  const voters = [1, 2, 3].map((slot) => cluster.node(slot));
  const first = voters.find((node) => node.member.memberSlot === 3) as TestNode;
  await first.kill();
  const rest = voters.filter((node) => node !== first);
  await until('a leader', () => cluster.leader(rest));
  await eventuallyPut(learner, 'two voters');
  const [second, last] = rest as [TestNode, TestNode];
  await second.kill();
  await until('the last voter to see that it is alone', async () => !(await last.sample()).quorumConnected);
  await expect(put(learner, 'one voter', 1000)).rejects.toThrow(/UNAVAILABLE|DEADLINE_EXCEEDED/);
  await expect(get(learner, 'two voters', { timeoutMs: 1000 })).rejects.toThrow(/UNAVAILABLE|DEADLINE_EXCEEDED/);
  expect(await get(learner, 'two voters', { serializable: true })).toBe('value of two voters');
  for (const node of [first, second]) node.start();
  await cluster.leader();
  await eventuallyPut(learner, 'three voters');
});

test('a learner that lags is not made a voter, and the refusal says by how much', async () => {
  learner.signal('SIGSTOP');
  const leader = await cluster.leader(cluster.nodes.filter((node) => node !== learner));
  const client = cluster.client(leader);
  let number = 0;
  const write = async () => {
    while (number < 700) await client.put(`lag-${number++}`, 'value', 5000);
  };
  await Promise.all(Array.from({ length: 16 }, write));
  client.close();
  const refused = await until('a refusal', async () => {
    const result = await reconfigure(await cluster.leader(cluster.nodes.slice(0, 3)), {
      kind: 'promote',
      memberSlot: 4,
    });
    return result.outcome === 'refused' && /node-4/.test(result.reason) && result.reason;
  });
  expect(refused).toMatch(/node-4 \(member 4\) (has not caught up: it lacks \d+ decided slots|is not connected)/);
  learner.signal('SIGCONT');
});

test('a dead voter is replaced, and when it comes back it learns that it was removed and disturbs nobody', async () => {
  const leader = await cluster.leader();
  const dead = cluster.nodes.find((node) => node !== leader && node !== learner) as TestNode;
  await dead.kill();
  const rest = cluster.nodes.filter((node) => node !== dead);
  await change(rest, { kind: 'promote', memberSlot: 4 });
  await change(rest, { kind: 'remove', memberSlot: dead.member.memberSlot });

  // Three voters again, so one of them may die.
  const spare = rest.find((node) => node !== leader && node !== learner) as TestNode;
  await spare.kill();
  await eventuallyPut(learner, 'without the spare');
  spare.start();

  // All of them restart at once, and know who they are.
  await Promise.all(rest.map((node) => node.kill()));
  for (const node of rest) node.start();
  await cluster.leader(rest);
  const voters = rest.map(({ member }) => member.memberSlot).sort((left, right) => left - right);
  // What was decided last may have to be learned again from the others.
  for (const node of rest)
    await until(`${node.member.name} to know the voters`, async () =>
      isDeepStrictEqual((await node.sample()).configuration, { configId: 4, voters, learners: [] }),
    );

  await eventuallyPut(learner, 'before the return');
  dead.log = '';
  dead.start();
  const said = await until('the removed node to know', async () => {
    const { behind } = await dead.sample();
    return behind?.includes('not in the cluster any more') && behind;
  });
  expect(said).toMatch(/^member \d is not in the cluster any more, as of configuration \d$/);
  expect(dead.log).not.toContain('"event":"electionStarted"');
  await expect(put(dead, 'through the removed', 1000)).rejects.toThrow(/UNAVAILABLE|DEADLINE_EXCEEDED/);
  await eventuallyPut(learner, 'after the return');
  await dead.kill();
  cluster.nodes.splice(cluster.nodes.indexOf(dead), 1);
});

test('with a phase 2 quorum of one the leader writes alone, and nobody is elected without all three', async () => {
  const impossible = await reconfigure(await cluster.leader(), {
    kind: 'setQuorums',
    quorumSizes: { phase1: 3, phase2: 1 },
  });
  expect(impossible).toMatchObject({
    outcome: 'refused',
    reason: expect.stringContaining('set quorums of 3 and 2 first'),
  });
  await change(cluster.nodes, { kind: 'setQuorums', quorumSizes: { phase1: 3, phase2: 2 } });
  await change(cluster.nodes, { kind: 'setQuorums', quorumSizes: { phase1: 3, phase2: 1 } });
  await eventuallyPut(cluster.nodes[0] as TestNode, 'all three');
  const leader = await cluster.leader();
  const others = cluster.nodes.filter((node) => node !== leader);
  for (const node of others) await node.kill();
  await until('the leader to notice', async () => (await leader.sample()).peers.every(({ connected }) => !connected));
  await eventuallyPut(leader, 'alone');
  expect(await get(leader, 'alone')).toBe('value of alone');

  // Whoever leads next must have asked all three, so it knows what one alone has acknowledged.
  await leader.kill();
  for (const node of others) node.start();
  await Promise.all(others.map((node) => node.ready()));
  await expect(put(others[0] as TestNode, 'two of three', 1500)).rejects.toThrow(/UNAVAILABLE|DEADLINE_EXCEEDED/);
  leader.start();
  await cluster.leader();
  for (const node of others) expect(await until('a read', () => get(node, 'alone'))).toBe('value of alone');
});
