/** The agent as the engine meets it; the node is the stand-in of test/fixtures, which has only the admin socket. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hostLayout, nodeLayout } from '../../cluster-node/contract/host-layout.ts';
import { until } from '../fixtures/until.ts';
import type { AgentClient } from './agent-client.ts';
import { HostHome, standInRelease } from './host-home.ts';

const nodeId = 'n-test0001';
let home: HostHome;
let agent: AgentClient;

beforeEach(async () => {
  home = new HostHome();
  agent = await home.agent();
});
afterEach(() => home.clear());

describe('the channel', () => {
  it('begins with hello and samples the host even where Synod has put nothing', async () => {
    const hello = agent.messages[0];
    expect(hello).toMatchObject({ kind: 'hello', protocolVersion: 1, pid: agent.process.pid });
    const sample = await until('a second sample', () => agent.messages.filter(({ kind }) => kind === 'sample')[1]);
    if (sample.kind !== 'sample') throw new Error('no sample');
    expect(sample.sample.nodes).toEqual([]);
    expect(sample.sample.host.disks).toMatchObject([{ mountPoint: '/', holdsData: false }]);
    expect(sample.sample.host.cpuRatio).toBeGreaterThanOrEqual(0);
    expect(sample.sample.host.memoryTotalBytes).toBeGreaterThan(1e8);
    expect(await agent.call('nodes', {})).toEqual({ nodes: [] });
  });

  it('ends when its standard input ends, and its nodes live on', async () => {
    home.addNode(nodeId);
    const { pid } = await agent.call('start', { nodeId });
    agent.end();
    expect(await agent.exited).toBe(0);
    expect(home.processes('run')).toEqual([pid]);
    const next = await home.agent();
    await until('figures by another agent', () => next.latest(nodeId)?.node?.pid === pid);
  });

  it('ends at once even with a call under way, and the node is started all the same', async () => {
    home.addNode(nodeId);
    agent.sendLine(JSON.stringify({ id: 1, call: 'start', params: { nodeId } }));
    await until('the supervisor', () => home.processes('supervise').length === 1);
    agent.end();
    expect(await agent.exited).toBe(0);
    await until('the node', () => home.processes('run').length === 1);
  });

  it('survives garbage and says what is wrong with a request', async () => {
    for (const line of ['', 'garbage', '[]', 'null', '{"id":"x"}', '\u0000\u0001']) agent.sendLine(line);
    expect(await agent.refusal('fly', {})).toEqual({ kind: 'badRequest', message: "there is no call 'fly'" });
    expect(await agent.refusal('toString', {})).toMatchObject({ kind: 'badRequest' });
    expect((await agent.refusal('start', { nodeId: '../../etc' })).message).toMatch(/'start' .* nodeId/);
    expect((await agent.refusal('logTail', { nodeId, lines: 0 })).message).toMatch(/lines/);
    expect(await agent.refusal('start', { nodeId })).toMatchObject({ kind: 'notFound' });
    expect(agent.stderr).toMatch(/ignored a line that is no request/);
  });

  it('closes on a line over 1 MiB', async () => {
    agent.sendLine('x'.repeat((1 << 20) + 1));
    expect(await agent.exited).toBe(1);
    expect(agent.stderr).toMatch(/a line is longer than 1048576 bytes/);
  });

  it('drops samples, not replies, while nobody reads, and says how many', async () => {
    home.addNode(nodeId);
    await agent.call('start', { nodeId });
    writeFileSync(join(home.nodeDir(nodeId), nodeLayout.logFile), `${'x'.repeat(1000)}\n`.repeat(390));
    agent.process.stdout.pause();
    const calls = Array.from({ length: 5 }, () => agent.request('logTail', { nodeId, lines: 390 }));
    // Nothing is read for a while: only then can there be anything to drop.
    setTimeout(() => agent.process.stdout.resume(), 1500);
    for (const reply of await Promise.all(calls)) expect(reply.ok).toBe(true);
    await until('the count of dropped samples', () => /dropped \d+ samples/.test(agent.stderr));
  });

  it('is unmoved by wrong options', async () => {
    const wrong = spawn(process.execPath, [standInRelease, 'agent', '--interval-ms', '1'], { stdio: 'ignore' });
    expect((await once(wrong, 'exit'))[0]).toBe(2);
  });
});

describe('nodes', () => {
  it('pushes each event once, from the first on, and again after a restart', async () => {
    home.addNode(nodeId);
    await agent.call('start', { nodeId });
    const boots = () => agent.messages.flatMap((message) => (message.kind === 'nodeEvents' ? [message.boot] : []));
    await until('the first event', () => boots().length === 1);
    await agent.call('kill', { nodeId });
    await until('the event of the second life', () => boots().length === 2);
    const samples = agent.messages.length;
    await until('some more samples', () => agent.messages.length > samples + 3);
    expect(new Set(boots()).size).toBe(2);
    expect(boots()).toHaveLength(2);
  });

  it('has no figures of a node that is silent, and goes on sampling the others', async () => {
    home.addNode(nodeId, 'deaf');
    home.addNode('n-test0002');
    agent.sendLine(JSON.stringify({ id: 1000, call: 'start', params: { nodeId } }));
    await agent.call('start', { nodeId: 'n-test0002' });
    await until('both running', () => agent.latest('n-test0002')?.node && agent.latest(nodeId)?.service.pid);
    expect(agent.latest(nodeId)).toMatchObject({ service: { state: 'running' }, node: null });
  });

  it('passes calls on to the node, and the node’s refusals back', async () => {
    home.addNode(nodeId);
    expect(await agent.refusal('listFaults', { nodeId })).toMatchObject({ kind: 'notRunning' });
    await agent.call('start', { nodeId });
    expect(await agent.call('listFaults', { nodeId })).toEqual({ faults: [] });
    expect(await agent.call('transferLeadership', { nodeId, target: 2, timeoutMs: 1000 })).toMatchObject({
      outcome: 'notLeader',
    });
    const lease = { faultId: 'f-aaaaaaaa', ttlMs: 1000, fault: { kind: 'partition', links: [{ from: 1, to: 2 }] } };
    expect(await agent.refusal('injectFault', { nodeId, lease })).toEqual({
      kind: 'refused',
      message: "the stand-in does not know 'injectFault'",
    });
  });

  it('shows a folder that cannot be used, with the reason', async () => {
    writeFileSync(join(home.addNode(nodeId), nodeLayout.config), '{"half');
    const { nodes } = await agent.call('nodes', {});
    expect(nodes).toMatchObject([{ nodeId, state: 'unknown', reason: /config\.json cannot be used/ }]);
    expect((await agent.refusal('start', { nodeId })).nextStep).toBe('provision the node again');
  });

  it('says so when a socket path is too long for a unix socket', async () => {
    const nodeDir = home.addNode(nodeId);
    const config = JSON.parse(readFileSync(join(nodeDir, nodeLayout.config), 'utf8'));
    const adminSocket = `run/${'long'.repeat(20)}.sock`;
    writeFileSync(join(nodeDir, nodeLayout.config), JSON.stringify({ ...config, adminSocket }));
    const refusal = await agent.refusal('start', { nodeId });
    expect(refusal.message).toContain(join(nodeDir, adminSocket));
    expect(refusal.message).toMatch(/at most 100/);
  });
});

describe('remove', () => {
  const remove = { nodeId, confirmNodeId: nodeId };

  it('removes a stopped node and the parents that are empty then, and only once', async () => {
    home.addNode(nodeId);
    await agent.call('start', { nodeId });
    expect(await agent.refusal('remove', remove)).toMatchObject({ kind: 'refused', nextStep: 'stop it first' });
    await agent.call('stop', { nodeId });
    expect(await agent.refusal('remove', { nodeId, confirmNodeId: 'n-test0002' })).toMatchObject({
      kind: 'badRequest',
    });
    expect(existsSync(home.nodeDir(nodeId))).toBe(true);
    expect(await agent.call('remove', remove)).toEqual({ removed: true });
    expect(existsSync(join(home.path, '.synod'))).toBe(false);
    expect(await agent.call('remove', remove)).toEqual({ removed: false });
  });

  it('leaves parents that hold anything else, and follows no link out of the folder', async () => {
    const kept = join(home.path, 'kept');
    mkdirSync(kept);
    writeFileSync(join(kept, 'file'), 'dear');
    symlinkSync(kept, join(home.addNode(nodeId), 'data', 'link'));
    mkdirSync(join(home.path, '.synod', 'runtime'));
    expect(await agent.call('remove', remove)).toEqual({ removed: true });
    expect(existsSync(join(kept, 'file'))).toBe(true);
    expect(existsSync(join(home.path, '.synod', 'runtime'))).toBe(true);
    expect(existsSync(join(home.path, hostLayout.nodes))).toBe(false);
  });

  it('refuses a folder that is a link, lies behind one, or is not the node’s own', async () => {
    const nodeDir = home.addNode(nodeId);
    const elsewhere = join(home.path, 'elsewhere');
    renameSync(nodeDir, elsewhere);
    symlinkSync(elsewhere, nodeDir);
    expect(await agent.refusal('remove', remove)).toMatchObject({ kind: 'refused' });
    expect(existsSync(join(elsewhere, nodeLayout.config))).toBe(true);

    const other = 'n-test0002';
    renameSync(home.addNode(other), home.nodeDir('n-test0003'));
    const refusal = await agent.refusal('remove', { nodeId: 'n-test0003', confirmNodeId: 'n-test0003' });
    expect(refusal.message).toMatch(/belongs to node n-test0002/);

    home.addNode(other);
    renameSync(join(home.path, '.synod'), join(home.path, 'real-synod'));
    symlinkSync(join(home.path, 'real-synod'), join(home.path, '.synod'));
    const behind = await agent.refusal('remove', { nodeId: other, confirmNodeId: other });
    expect(behind.message).toMatch(/by a symbolic link/);
    expect(existsSync(home.nodeDir(other))).toBe(true);
  });
});
