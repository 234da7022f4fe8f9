/**
 * The three partial partitions of the OmniPaxos paper (Ng et al., EuroSys'23, figure 1) on five real nodes, cut by the nodes'
 * own link filters. Some node can always reach a quorum, so the service has to go on within four election timeouts; at the
 * end of the lease the links heal without anybody's doing.
 */
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { Link } from '../../cluster-node/contract/fault.ts';
import { measured } from '../fixtures/measured.ts';
import { createTestCluster, type TestCluster, type TestNode } from '../fixtures/test-cluster.ts';
import { until } from '../fixtures/until.ts';
import { crashSeed, eventually, PATIENCE_MS } from './patience.ts';
import { Load } from './load.ts';
import { expectNothingWrong } from './verdict.ts';

const ELECTION_TIMEOUT_MS = 500;
const LEASE_MS = 4 * ELECTION_TIMEOUT_MS + 2000;
vi.setConfig({ testTimeout: 120_000, hookTimeout: 90_000 });

let cluster: TestCluster;
let leader: TestNode;
let others: TestNode[];
let faults = 0;

beforeAll(async () => {
  cluster = await createTestCluster(5);
  for (const node of cluster.nodes)
    node.editConfig((config) => Object.assign(config, { heartbeatMs: 100, electionTimeoutMs: ELECTION_TIMEOUT_MS }));
  cluster.start();
});
afterAll(() => cluster.close());
beforeEach(async () => {
  await cluster.level(cluster.nodes, PATIENCE_MS);
  leader = await cluster.leader(cluster.nodes, PATIENCE_MS);
  others = cluster.nodes.filter((node) => node !== leader);
});

function bothWays(one: TestNode, other: TestNode): Link[] {
  const [a, b] = [one.member.memberSlot, other.member.memberSlot];
  return [
    { from: a, to: b },
    { from: b, to: a },
  ];
}

/** All links between these nodes except those of `hub`. */
function linksWithout(hub: TestNode): Link[] {
  const spokes = cluster.nodes.filter((node) => node !== hub);
  return spokes.flatMap((one, at) => spokes.slice(at + 1).flatMap((other) => bothWays(one, other)));
}

/** Returns how to wait for the end of the lease. */
async function cut(links: readonly Link[], ttlMs: number): Promise<() => Promise<void>> {
  const faultId = `f-omni${String(++faults).padStart(4, '0')}`;
  const lease = { faultId, fault: { kind: 'partition' as const, links: [...links] }, ttlMs };
  const untilMs = performance.now() + ttlMs;
  await Promise.all(cluster.nodes.map((node) => node.admin('injectFault', lease)));
  const active = async () => {
    const lists = await Promise.all(cluster.nodes.map((node) => node.admin('listFaults', {})));
    return lists.flatMap((list) => list.faults.filter((fault) => fault.faultId === faultId));
  };
  await eventually('the lease to bite', async () =>
    (await active()).some(({ droppedMessages }) => droppedMessages > 0),
  );
  return async () => {
    await until(
      'the leases to end by themselves',
      async () => (await active()).length === 0,
      untilMs - performance.now() + 2000,
    );
  };
}

async function expectService(name: string, links: readonly Link[], through: readonly TestNode[]): Promise<void> {
  const load = new Load(cluster, { seed: crashSeed, clients: 6, through });
  await eventually('first answers', () => load.answered > 30);
  load.restartGap();
  const ended = await cut(links, LEASE_MS);
  await ended();
  const before = load.answered;
  measured(`${name}: longest time without an acknowledged change`, load.longestGapMs, 'ms');
  expect(load.longestGapMs).toBeLessThan(4 * ELECTION_TIMEOUT_MS);
  await eventually('answers after the links have healed', () => load.answered > before + 20);
  await load.stop();
  await cluster.level(cluster.nodes, PATIENCE_MS);
  await expectNothingWrong(cluster, load);
}

test('quorum loss: only one node still reaches a quorum, and it is not the leader', async () => {
  const hub = others[0] as TestNode;
  await expectService('quorum loss', linksWithout(hub), cluster.nodes);
});

test('constrained election: the leader is gone, and the only node with a quorum lacked its last entries', async () => {
  const hub = others[1] as TestNode;
  // The hub loses the leader first, so that it falls behind what the leader decides with the others.
  const behind = await cut(bothWays(hub, leader), LEASE_MS * 2);
  const isolated = others.flatMap((node) => bothWays(leader, node));
  await expectService('constrained election', [...linksWithout(hub), ...isolated], others);
  await behind();
});

test('chained: the leader and one node lose each other, both keep the rest', async () => {
  await expectService('chained', bothWays(leader, others[2] as TestNode), cluster.nodes);
  expect((await cluster.leader(cluster.nodes, PATIENCE_MS)).member.memberSlot).toBeGreaterThan(0);
});
