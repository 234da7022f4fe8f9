/** With leases the leader answers reads by itself, for as long as what the others vowed lasts; without, it has to ask. */
import { afterEach, expect, test, vi } from 'vitest';
import { createTestCluster, type TestCluster } from '../fixtures/test-cluster.ts';
import { until } from '../fixtures/until.ts';

// Real processes on a machine that may be busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

/** Long enough for a read or two on a busy machine. */
const ELECTION_TIMEOUT_MS = 3000;
const READ_TIMEOUT_MS = 700;
let cluster: TestCluster;
afterEach(() => cluster.close());

test.each([
  { leaseReads: { driftRatio: 0.1 }, answers: true },
  { leaseReads: null, answers: false },
])('leases $leaseReads: a leader whose followers have just fallen silent answers: $answers', async (given) => {
  const { leaseReads, answers } = given;
  cluster = await createTestCluster(3, { leaseReads, electionTimeoutMs: ELECTION_TIMEOUT_MS });
  cluster.start();
  const leader = await cluster.leader(cluster.nodes, 20_000);
  const client = cluster.client(leader);
  await client.put('key', 'old');
  await client.put('key', 'new');
  // A round of heartbeats after that, so that there is a lease.
  await until('a read', async () => (await client.get('key')) === 'new');
  const others = cluster.nodes.filter((node) => node !== leader);
  for (const node of others) node.signal('SIGSTOP');
  const read = () =>
    client.get('key', { timeoutMs: READ_TIMEOUT_MS }).then(
      (value) => value,
      () => 'no answer',
    );
  expect(await read()).toBe(answers ? 'new' : 'no answer');
  // No lease lasts longer than an election takes.
  await until('the end of it', async () => (await read()) === 'no answer');
  for (const node of others) node.signal('SIGCONT');
  expect(await until('an answer', async () => (await read()) === 'new', 20_000)).toBe(true);
  client.close();
});
