/** The leader is stopped for longer than an election takes and goes on as if nothing had been: it must not answer from the past. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { measured } from '../fixtures/measured.ts';
import {
  createTestCluster,
  TEST_ELECTION_TIMEOUT_MS,
  type TestCluster,
  type TestNode,
} from '../fixtures/test-cluster.ts';
import { crashSeed, eventually, faultSeconds, PATIENCE_MS } from './patience.ts';
import { Load } from './load.ts';
import { expectNothingWrong } from './verdict.ts';

const pausesMs = faultSeconds(6) * 1000;
vi.setConfig({ testTimeout: pausesMs * 3 + 120_000, hookTimeout: 90_000 });

let cluster: TestCluster;

afterEach(() => cluster.close());

/** Reads that reach the node while it sleeps, so that they are the first thing it finds when it wakes up. */
async function readThrough(sleeper: TestNode, load: Load): Promise<void> {
  const client = cluster.client(sleeper);
  const reads: Promise<unknown>[] = [];
  for (let at = 0; at < 10; at++) {
    const key = load.registers[at % load.registers.length] as string;
    reads.push(load.recorder.ask(client, { kind: 'get', key }, { by: 500 + at, timeoutMs: 10_000 }));
    await pause(20);
  }
  sleeper.signal('SIGCONT');
  await Promise.all(reads);
  client.close();
}

test.each([
  { reads: 'by asking', leaseReads: null },
  { reads: 'under leases', leaseReads: { driftRatio: 0.1 } },
])('a leader that was paused answers no read from the past, $reads, and follows', async ({ leaseReads }) => {
  cluster = await createTestCluster(3, { leaseReads });
  cluster.start();
  await cluster.leader(cluster.nodes, PATIENCE_MS);
  const load = new Load(cluster, { seed: crashSeed, clients: 6 });
  const endMs = performance.now() + pausesMs;
  let pauses = 0;
  do {
    const sleeper = await cluster.leader(cluster.nodes, PATIENCE_MS);
    const others = cluster.nodes.filter((node) => node !== sleeper);
    const warm = cluster.client(sleeper);
    await eventually('a first answer', () =>
      load.recorder.ask(warm, { kind: 'get', key: load.registers[0] as string }, { by: 499, timeoutMs: 1000 }),
    );
    warm.close();
    const { promised: ballot } = await sleeper.sample();
    sleeper.signal('SIGSTOP');
    await pause(TEST_ELECTION_TIMEOUT_MS * 2);
    await cluster.leader(others, PATIENCE_MS);
    const answered = load.answered;
    await eventually('changes under the next leader', () => load.answered > answered + 20);
    await readThrough(sleeper, load);
    // Whoever leads by now, and that may be this one again, it must be under a later ballot than before.
    await eventually('the one that slept to follow', async () => (await sleeper.sample()).leaderBallot > ballot);
    pauses++;
  } while (performance.now() < endMs);
  await load.stop();
  measured('SIGSTOP of the leader', pauses, 'times');
  measured('SIGSTOP, longest time without an acknowledged change', load.longestGapMs, 'ms');
  const early = load.recorder.history.filter(({ client, returned }) => client >= 500 && returned !== null);
  expect(early.length).toBeGreaterThan(0);
  await expectNothingWrong(cluster, load);
});
