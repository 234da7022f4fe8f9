/** Nodes below a login's home on a real Debian host: with and without a systemd of the login's own. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hostPlace } from '../../cluster-node/contract/host-layout.ts';
import type { AgentClient } from '../agent/agent-client.ts';
import { until } from '../fixtures/until.ts';
import type { LabHost } from '../lab/host.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import { labObstacle } from '../lab/obstacle.ts';
import { agentOf, type InstalledNode, install } from './installed-node.ts';

const obstacle = labObstacle();
/** The first lab of a machine builds its root file system. */
const START_MS = 15 * 60_000;
const PATIENCE_MS = 60_000;
const nodeId = 'n-test0001';
const place = hostPlace('home', '/home/plain');
const { unit } = place.node(nodeId);

describe.skipIf(obstacle !== null)(`the place 'home' (skipped: ${obstacle})`, { timeout: 5 * PATIENCE_MS }, () => {
  let lab: Lab;
  let host: LabHost;

  beforeAll(async () => {
    lab = await startLab({ hosts: 1 });
    host = lab.host(1);
  }, START_MS);
  afterAll(async () => await lab?.down());

  const service = async (agent: AgentClient) => (await agent.call('nodes', {})).nodes[0];
  const remove = async (agent: AgentClient) => {
    await agent.call('stop', { nodeId });
    await agent.call('remove', { nodeId, confirmNodeId: nodeId });
    agent.end();
    expect(
      await host.root("ls -d /home/plain/.synod/nodes 2>/dev/null || true; find /home/plain -name 'synod-*.service'"),
    ).toBe('');
    expect((await host.tryRoot("pgrep -u plain -f 'supervise|synod-node.cjs run'")).stdout).toBe('');
  };
  const reboot = async () => {
    await host.kill();
    await host.boot();
  };

  it('is kept by a supervisor where the login has no systemd, and stays down when the host is started anew', async () => {
    const node: InstalledNode = { host, place, user: 'plain', nodeId };
    await install(node);
    let agent = await agentOf(node);
    expect(await agent.call('start', { nodeId })).toMatchObject({ state: 'running' });
    agent.end();
    await reboot();
    agent = await agentOf(node);
    expect(await service(agent)).toMatchObject({ state: 'failed', reason: expect.stringMatching(/started anew/) });
    expect(await agent.call('start', { nodeId })).toMatchObject({ state: 'running' });
    await remove(agent);
  });

  it('is started with the host where the login has one, and outlives a killed supervisor', async () => {
    const node: InstalledNode = { host, place, user: 'plain', nodeId, userUnit: true };
    await install(node);
    let agent = await agentOf(node);
    expect(await agent.call('start', { nodeId })).toMatchObject({ state: 'running', restarts: 0 });
    expect(await host.root(`ps -o cgroup= -p $(pgrep -u plain -f 'supervise --node-dir')`)).toContain(unit.name);

    const before = await service(agent);
    await host.root("pkill -u plain -KILL -f 'supervise --node-dir'");
    await until(
      'the next supervisor',
      async () => {
        const now = await service(agent);
        return now?.state === 'running' && now.reason === null;
      },
      PATIENCE_MS,
    );
    expect((await service(agent))?.pid).toBe(before?.pid);

    agent.end();
    await reboot();
    agent = await agentOf(node);
    await until('figures', () => agent.latest(nodeId)?.node?.role === 'leader', PATIENCE_MS);
    await remove(agent);
  });
});
