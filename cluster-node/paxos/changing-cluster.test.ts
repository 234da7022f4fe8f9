import { expect, test } from 'vitest';
import { ChangingCluster } from './under-test/changing-cluster.ts';
import { countingQuorums } from './quorum.ts';
import { PAXOS_RULES, type PaxosRules } from './rules.ts';

/** `SEEDS=5000 npx vitest run cluster-node/paxos/changing-cluster.test.ts` looks harder. */
const SEEDS = Number(process.env['SEEDS'] ?? 20);

/** Runs one history; throws where something does not fit. */
function history(seed: number, rules: PaxosRules = PAXOS_RULES): ChangingCluster {
  const cluster = new ChangingCluster(seed, rules);
  cluster.runWithFaults(15_000);
  cluster.runCalmly(5000);
  cluster.proposeEverywhere();
  cluster.runCalmly(1000);
  const { configId, members } = cluster.newest;
  const views = members.map(({ memberSlot }) => {
    const status = cluster.nodes.get(memberSlot)?.core?.status(cluster.nowMs);
    return { at: status?.decidedUpTo, in: status?.configuration.configId, waiting: status?.pendingRequests };
  });
  expect(views).toEqual(members.map(() => ({ at: cluster.governance.chosenUpTo, in: configId, waiting: 0 })));
  const leaders = members.filter(
    ({ memberSlot }) => cluster.nodes.get(memberSlot)?.core?.status(cluster.nowMs).role === 'leader',
  );
  expect(leaders).toHaveLength(1);
  return cluster;
}

test('members change under faults: one value a slot, counted by its own configuration, and all end level', () => {
  let changes = 0;
  let reads = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      const cluster = history(seed);
      changes += cluster.changes;
      reads += cluster.reads;
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
  // Histories in which nothing changes would prove nothing.
  expect(changes).toBeGreaterThan(SEEDS * 2);
  expect(reads).toBeGreaterThan(SEEDS * 20);
}, 600_000);

test.each<[string, Partial<PaxosRules>]>([
  ['goes on in a configuration after its stop entry', { isLast: () => false }],
  ['counts learners', { voters: ({ members }) => members.map(({ memberSlot }) => memberSlot) }],
  [
    'counts one voter less',
    {
      quorums: (voters) =>
        countingQuorums(voters, Math.max(1, Math.floor(voters.length / 2)), Math.max(1, Math.floor(voters.length / 2))),
    },
  ],
])(
  'a core that %s is found out',
  (_name, broken) => {
    const rules = { ...PAXOS_RULES, ...broken };
    let found = 0;
    for (let seed = 1; found === 0 && seed <= 200; seed++) {
      try {
        history(seed, rules);
      } catch (error) {
        // Something untrue of a slot, not merely a history that gets stuck.
        if (/slot \d/.test((error as Error).message)) found = seed;
      }
    }
    expect(found).toBeGreaterThan(0);
  },
  600_000,
);
