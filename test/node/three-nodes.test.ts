import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestCluster, type TestCluster } from '../fixtures/test-cluster.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await createTestCluster(3);
  cluster.start();
});
afterAll(() => cluster.close());

test('three nodes elect a leader and take writes at every node', async () => {
  const leader = await cluster.leader();
  for (const node of cluster.nodes) {
    const client = cluster.client(node);
    await client.put(`at-${node.member.name}`, 'written');
    expect(await client.get(`at-${node.member.name}`)).toBe('written');
    client.close();
  }
  await cluster.level();
  for (const node of cluster.nodes) {
    const client = cluster.client(node);
    for (const other of cluster.nodes)
      expect(await client.get(`at-${other.member.name}`, { serializable: true })).toBe('written');
    client.close();
  }
  expect(leader.log).toContain('becameLeader');
});
