/** Agent and supervisor as real processes; the node is the stand-in of test/fixtures, which has only the admin socket. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { nodeLayout } from '../../cluster-node/contract/host-layout.ts';
import { askSupervisor } from '../../cluster-node/supervisor/control.ts';
import { isAlive } from '../../cluster-node/supervisor/process-identity.ts';
import { until } from '../fixtures/until.ts';
import type { AgentClient } from './agent-client.ts';
import { HostHome, standInRelease } from './host-home.ts';

const nodeId = 'n-test0001';
let home: HostHome;
let agent: AgentClient;

beforeEach(async () => {
  home = new HostHome();
  home.addNode(nodeId);
  agent = await home.agent();
});
afterEach(() => home.clear());

const answeringPid = () => agent.latest(nodeId)?.node?.pid;

it('starts, restarts and stops a node, and leaves nothing running', async () => {
  const started = await agent.call('start', { nodeId });
  expect(started).toMatchObject({ state: 'running', restarts: 0, reason: null });
  expect(await agent.call('start', { nodeId })).toEqual(started);
  await until('figures of the node', () => answeringPid() === started.pid);

  const restarted = await agent.call('restart', { nodeId });
  expect(restarted).toMatchObject({ state: 'running', restarts: 0 });
  expect(restarted.pid).not.toBe(started.pid);

  expect(await agent.call('stop', { nodeId })).toEqual({
    nodeId,
    state: 'stopped',
    pid: null,
    restarts: 0,
    reason: null,
  });
  expect(home.processes()).toEqual([]);
  expect(await agent.call('stop', { nodeId })).toMatchObject({ state: 'stopped' });
  await until('a sample without the node', () => agent.latest(nodeId)?.service.state === 'stopped');
  expect(agent.latest(nodeId)?.node).toBeNull();
});

it('passes the environment on to supervisor and node, but no secrets', async () => {
  await agent.call('start', { nodeId });
  for (const which of ['supervisor', 'node'] as const) {
    const environment = readFileSync(`/proc/${home.recorded(nodeId, which).pid}/environ`, 'utf8').split('\0');
    expect(environment).toContain(`SYNOD_LAB_ROOT=${home.path}`);
    expect(environment.join()).not.toContain('hunter2');
  }
});

it('starts a killed node again at once, whoever killed it', async () => {
  const { pid } = await agent.call('start', { nodeId });
  expect(await agent.call('kill', { nodeId })).toEqual({ killedPid: pid });
  const second = await until('another process', () => {
    const now = agent.latest(nodeId);
    return now?.node && now.node.pid !== pid ? now : null;
  });
  expect(second.service).toMatchObject({ state: 'running', restarts: 1 });

  process.kill(second.node?.pid ?? 0, 'SIGKILL');
  await until('a third process', () => agent.latest(nodeId)?.service.restarts === 2 && answeringPid());
  expect(home.processes('run')).toHaveLength(1);
  expect((await agent.call('logTail', { nodeId, lines: 50 })).lines.join('\n')).toMatch(/ended by SIGKILL/);
});

it('ends a node that ignores SIGTERM', async () => {
  home.behave(nodeId, 'stubborn');
  await agent.call('start', { nodeId });
  expect(await agent.call('stop', { nodeId })).toMatchObject({ state: 'stopped' });
  expect(home.processes()).toEqual([]);
});

it('says why a node ends again and again, does not wait for it for ever, and goes on starting it', async () => {
  home.behave(nodeId, 'exit 77');
  const refusal = await agent.refusal('start', { nodeId });
  expect(refusal.kind).toBe('failed');
  expect(refusal.message).toMatch(/exited with code 77; it has failed within 10 s of its start 6 times in a row/);
  expect(refusal.message).toMatch(/the disk is made of cheese/);
  expect(refusal.nextStep).toContain('node.log');
  const failing = await until('the reason in a sample', () => {
    const service = agent.latest(nodeId)?.service;
    return service?.state === 'restarting' && /has failed/.test(service.reason ?? '') ? service : null;
  });
  expect(failing.reason).toMatch(/cheese/);
  expect(failing.restarts).toBeGreaterThanOrEqual(6);

  // The cause is gone: the operator need not do anything.
  home.behave(nodeId, '');
  await until('the node by itself', answeringPid, 15_000);
  expect(agent.latest(nodeId)?.service).toMatchObject({ state: 'running', reason: null });
}, 40_000);

it('starts a failing node at once when asked to', async () => {
  home.behave(nodeId, 'exit 77');
  await agent.refusal('start', { nodeId });
  home.behave(nodeId, '');
  expect(await agent.call('start', { nodeId })).toMatchObject({ state: 'running', restarts: 0, reason: null });
}, 40_000);

it('starts a node again that was killed from outside more often than a crash loop is long', async () => {
  await agent.call('start', { nodeId });
  let last: number | undefined;
  for (let kills = 0; kills < 7; kills++) {
    last = await until('a process', () => answeringPid() !== last && answeringPid());
    process.kill(last, 'SIGKILL');
  }
  await until('an eighth process', () => answeringPid() !== last && answeringPid(), 15_000);
}, 60_000);

it('does not start a node again that calls its configuration bad', async () => {
  home.behave(nodeId, 'exit 2');
  const refusal = await agent.refusal('start', { nodeId });
  expect(refusal.message).toMatch(
    /exited with code 2 \(badConfig\), with which it says that starting it again cannot help/,
  );
  const lines = (await agent.call('logTail', { nodeId, lines: 50 })).lines;
  expect(lines.filter((line) => line.includes('"name":"stand-in"') && line.includes('behaviour'))).toHaveLength(1);
});

it('says so when the runtime is not there, and reads the launch file anew at each start', async () => {
  const launchPath = join(home.nodeDir(nodeId), nodeLayout.launch);
  const launch = readFileSync(launchPath, 'utf8');
  writeFileSync(launchPath, JSON.stringify({ runtime: '/nowhere/node', release: '/nowhere/synod-node.cjs' }));
  expect((await agent.refusal('start', { nodeId })).message).toMatch(/\/nowhere\/node ENOENT/);
  writeFileSync(launchPath, launch);
  await agent.call('start', { nodeId });
});

it('survives the death of its supervisor and is watched by the next one: never two nodes', async () => {
  const { pid } = await agent.call('start', { nodeId });
  process.kill(home.recorded(nodeId, 'supervisor').pid, 'SIGKILL');
  const orphan = await until('the loss in a sample', () => {
    const now = agent.latest(nodeId);
    return now?.service.reason ? now : null;
  });
  expect(orphan).toMatchObject({ service: { state: 'running', pid }, node: { pid } });
  expect(orphan.service.reason).toMatch(/its supervisor is gone/);

  expect(await agent.call('start', { nodeId })).toMatchObject({ state: 'running', pid, reason: null });
  expect(home.processes('run')).toEqual([pid]);
  await agent.call('kill', { nodeId });
  await until('a new process', () => answeringPid() && answeringPid() !== pid);
  expect(home.processes('run')).toHaveLength(1);
});

it('finds a node by its command line when the note of its pid is missing', async () => {
  const { pid } = await agent.call('start', { nodeId });
  process.kill(home.recorded(nodeId, 'supervisor').pid, 'SIGKILL');
  writeFileSync(join(home.nodeDir(nodeId), nodeLayout.nodePid), 'torn');
  expect(await agent.call('start', { nodeId })).toMatchObject({ state: 'running', pid });
  expect(home.processes('run')).toEqual([pid]);
});

it('answers nothing before it knows which node runs: a stop at its first moment ends that node', async () => {
  const { pid } = await agent.call('start', { nodeId });
  process.kill(home.recorded(nodeId, 'supervisor').pid, 'SIGKILL');
  // Without the note of its pid the node is found by a search, which takes a while.
  writeFileSync(join(home.nodeDir(nodeId), nodeLayout.nodePid), 'torn');
  const supervisor = spawn(process.execPath, [standInRelease, 'supervise', '--node-dir', home.nodeDir(nodeId)]);
  const socketPath = join(home.nodeDir(nodeId), nodeLayout.supervisorSocket);
  await until('a supervisor that stops', () =>
    askSupervisor(socketPath, 'stop', 10_000).then(
      () => true,
      () => false,
    ),
  );
  await once(supervisor, 'exit');
  expect(home.processes('run')).not.toContain(pid);
  expect(home.processes()).toEqual([]);
});

it('stops a node that has lost its supervisor', async () => {
  await agent.call('start', { nodeId });
  process.kill(home.recorded(nodeId, 'supervisor').pid, 'SIGKILL');
  expect(await agent.call('stop', { nodeId })).toMatchObject({ state: 'stopped', reason: null });
  expect(home.processes()).toEqual([]);
});

it('tells a node that was never stopped but is gone from a stopped one', async () => {
  await agent.call('start', { nodeId });
  const [supervisor, node] = [home.recorded(nodeId, 'supervisor'), home.recorded(nodeId, 'node')];
  process.kill(supervisor.pid, 'SIGKILL');
  process.kill(node.pid, 'SIGKILL');
  await until('both gone', () => !isAlive(supervisor) && !isAlive(node));
  const { nodes } = await agent.call('nodes', {});
  expect(nodes).toMatchObject([{ state: 'failed', pid: null, reason: /its supervisor was killed/ }]);
});

it('lets one supervisor win when several agents start one node', async () => {
  const others = await Promise.all([home.agent(), home.agent()]);
  const states = await Promise.all([agent, ...others].map((each) => each.call('start', { nodeId })));
  expect(new Set(states.map(({ pid }) => pid)).size).toBe(1);
  await until('one supervisor', () => home.processes('supervise').length === 1);
  expect(home.processes('run')).toHaveLength(1);
});
