/** The shipped bundle on one host as provisioning leaves it: three real nodes of one cluster, their supervisors, one agent. */
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { NodeEvent } from '../../cluster-node/contract/admin.ts';
import type { PartitionFault } from '../../cluster-node/contract/fault.ts';
import { hostLayout, hostPlace } from '../../cluster-node/contract/host-layout.ts';
import type { MemberAddress } from '../../cluster-node/contract/node-config.ts';
import { clientApiLeaf, createAuthority, issue, peerLeaf } from '../../electron/engine/provision/certificates.ts';
import { desiredOfHost } from '../../electron/engine/provision/plan/desired.ts';
import { freePorts } from '../fixtures/free-ports.ts';
import { buildNodeBundle } from '../fixtures/node-bundle.ts';
import { until } from '../fixtures/until.ts';
import type { AgentClient } from './agent-client.ts';
import { HostHome } from './host-home.ts';

const versions = { runtimeVersion: '24', releaseVersion: 'test' };
const nodeIds = ['n-test0001', 'n-test0002', 'n-test0003'];
const START_DEADLINE_MS = 20_000;
let home: HostHome;
let agent: AgentClient;

beforeAll(async () => {
  home = new HostHome();
  const releaseDir = dirname(join(home.path, hostLayout.release(versions.releaseVersion)));
  const runtime = join(home.path, hostLayout.runtime(versions.runtimeVersion));
  for (const folder of [releaseDir, dirname(runtime)]) mkdirSync(folder, { recursive: true });
  symlinkSync(process.execPath, runtime);
  const bundle = await buildNodeBundle(releaseDir);
  await writeNodeFolders();
  agent = await home.agent(bundle);
});
afterAll(() => home.clear());

async function writeNodeFolders(): Promise<void> {
  const ports = await freePorts(nodeIds.length * 2);
  const members: MemberAddress[] = nodeIds.map((nodeId, index) => ({
    memberSlot: index + 1,
    nodeId,
    name: `node-${index + 1}`,
    address: '127.0.0.1',
    peerPort: ports[index * 2] as number,
    clientPort: ports[index * 2 + 1] as number,
  }));
  const cluster = { clusterId: 'c-test0001', name: 'test', ...versions, heartbeatMs: 50, electionTimeoutMs: 300 };
  const authority = await createAuthority(cluster.clusterId, Date.now());
  for (const member of members) {
    const { nodeId, address } = member;
    const keys = {
      authority: authority.certificate,
      peer: await issue(authority, peerLeaf(nodeId, address), Date.now()),
      client: await issue(authority, clientApiLeaf(nodeId, address), Date.now()),
    };
    const place = hostPlace('home', home.path);
    const large = { digest: '', bytes: 0 };
    const shipped = { runtime: large, release: large };
    const digest = () => '';
    const resources = desiredOfHost({
      place,
      cluster,
      member,
      members,
      joined: null,
      userUnit: false,
      dataFolder: null,
      seed: null,
      shipped,
      keys,
      digest,
    });
    for (const resource of resources) {
      if (resource.kind === 'folder') mkdirSync(resource.path, { recursive: true, mode: resource.access.mode });
      if (resource.kind === 'file')
        writeFileSync(resource.path, resource.content ?? '', { mode: resource.access.mode });
    }
  }
}

const figures = (nodeId: string) => agent.latest(nodeId)?.node ?? null;

/** The node that leads by its own word and by that of a second one. */
function leader() {
  const nodes = nodeIds.flatMap((nodeId) => figures(nodeId) ?? []);
  const leading = nodes.find(({ role }) => role === 'leader');
  const believers = nodes.filter((node) => node.leaderBallot === leading?.leaderBallot);
  return leading && believers.length >= 2 ? leading : null;
}

function eventsOf(nodeId: string): NodeEvent[] {
  return agent.messages.flatMap((each) => (each.kind === 'nodeEvents' && each.nodeId === nodeId ? each.events : []));
}

it('starts three nodes at once, samples them and gives their events in order', async () => {
  expect(agent.messages[0]).toMatchObject({ kind: 'hello', version: '0.0.0-test' });
  const states = await Promise.all(nodeIds.map((nodeId) => agent.call('start', { nodeId })));
  expect(states.map(({ state }) => state)).toEqual(['running', 'running', 'running']);
  const leading = await until('a leader', leader, START_DEADLINE_MS);
  await until('its event', () => eventsOf(leading.nodeId).some(({ kind }) => kind === 'becameLeader'));
  const sequences = eventsOf(leading.nodeId).map(({ sequence }) => sequence);
  expect(sequences).toEqual(sequences.map((_, index) => index + 1));
  await until('connections of each to both others', () =>
    nodeIds.every((nodeId) => figures(nodeId)?.peers.filter(({ connected }) => connected).length === 2),
  );
});

it('hands leadership over', async () => {
  // On a very busy machine the lead may move by itself between the sample and the call: then the next one is asked.
  const target = await until('a hand-over', async () => {
    const { nodeId, memberSlot } = await until('a leader', leader);
    const wanted = (memberSlot % nodeIds.length) + 1;
    const done = await agent.call('transferLeadership', { nodeId, target: wanted, timeoutMs: 3000 });
    if (done.outcome !== 'transferred') throw new Error(done.reason);
    expect(done.believedLeader).toBe(wanted);
    return wanted;
  });
  await until('the new leader in a sample', () => leader()?.memberSlot === target);
});

it('cuts a link, counts what it drops, and heals it', async () => {
  const { nodeId, memberSlot } = await until('a leader', leader);
  const to = (memberSlot % nodeIds.length) + 1;
  const fault: PartitionFault = { kind: 'partition', links: [{ from: memberSlot, to }] };
  await agent.call('injectFault', { nodeId, lease: { faultId: 'f-aaaaaaaa', ttlMs: 30_000, fault } });
  await until('dropped messages', async () => {
    const { faults } = await agent.call('listFaults', { nodeId });
    return faults.some(({ droppedMessages }) => droppedMessages > 0);
  });
  expect(await agent.call('healFault', { nodeId, faultId: 'f-aaaaaaaa' })).toEqual({ healed: true });
  expect(await agent.call('listFaults', { nodeId })).toEqual({ faults: [] });
});

it('has a killed leader back and level again', async () => {
  const before = await until('a leader', leader);
  process.kill(before.pid, 'SIGKILL');
  const after = await until('the node in its next life', () => {
    const now = figures(before.nodeId);
    const leading = leader();
    return now && leading && now.pid !== before.pid && now.decidedUpTo >= before.decidedUpTo && now;
  });
  expect(after.startedAtUnixMs).toBeGreaterThan(before.startedAtUnixMs);
  expect(agent.latest(before.nodeId)?.service).toMatchObject({ state: 'running', restarts: 1 });
});

it('keeps a node through the death of its supervisor, and gives it a new one', async () => {
  const nodeId = nodeIds[0] as string;
  const pid = figures(nodeId)?.pid;
  process.kill(home.recorded(nodeId, 'supervisor').pid, 'SIGKILL');
  expect(await agent.call('start', { nodeId })).toMatchObject({ state: 'running', pid });
  expect(home.processes('run')).toHaveLength(3);
});

it('stops and removes all, and leaves no process and no node folder', async () => {
  await Promise.all(nodeIds.map((nodeId) => agent.call('stop', { nodeId })));
  expect(home.processes('run').concat(home.processes('supervise'))).toEqual([]);
  const lines = (await agent.call('logTail', { nodeId: nodeIds[1] as string, lines: 20 })).lines;
  expect(lines.join('\n')).toMatch(/the node exited with code 0 \(stopped\)/);
  for (const nodeId of nodeIds)
    expect(await agent.call('remove', { nodeId, confirmNodeId: nodeId })).toEqual({ removed: true });
  expect(existsSync(join(home.path, hostLayout.nodes))).toBe(false);
});
