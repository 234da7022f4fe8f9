/** Nodes that the host's systemd keeps, on a real Debian host: started, watched, left down, started again, removed. */
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
const place = hostPlace('system');
const { unit, config, stateDir, configDir, versionLinks } = place.node(nodeId);
/** On the data disk, which is a mount of its own. */
const dataDir = `/srv/data/synod/${nodeId}/data`;

describe.skipIf(obstacle !== null)(`the place 'system' (skipped: ${obstacle})`, { timeout: 5 * PATIENCE_MS }, () => {
  let lab: Lab;
  let host: LabHost;
  let node: InstalledNode;
  let agent: AgentClient;

  beforeAll(async () => {
    lab = await startLab({ hosts: 1 });
    host = lab.host(1);
    node = { host, place, user: 'ops', nodeId, dataDir };
    await install(node);
    agent = await agentOf(node);
  }, START_MS);
  afterAll(async () => {
    agent?.end();
    await lab?.down();
  });

  const ofUnit = async (property: string) =>
    (await host.root(`systemctl show --property ${property} --value ${unit.name}`)).trim();
  const service = async () => (await agent.call('nodes', {})).nodes[0];

  it('writes a unit that systemd finds nothing wrong with, and little to be exposed', async () => {
    expect(await host.root(`systemd-analyze verify ${unit.path} 2>&1`)).toBe('');
    const security = await host.root(`systemd-analyze security --no-pager ${unit.name}`);
    expect(Number(/exposure level for .*: ([\d.]+)/.exec(security)?.[1])).toBeLessThan(2);
  });

  it('starts a node that says so itself, as a user of its own', async () => {
    expect(await agent.call('start', { nodeId })).toMatchObject({ state: 'running', restarts: 0 });
    await until('figures', () => agent.latest(nodeId)?.node?.role === 'leader', PATIENCE_MS);
    expect(await ofUnit('ActiveState')).toBe('active');
    await until('the status', async () => (await ofUnit('StatusText')) === 'it answers', PATIENCE_MS);
    expect(await service()).toMatchObject({ state: 'running', reason: null });
    const pid = await ofUnit('MainPID');
    expect((await host.root(`ps -o user= -p ${pid}; stat -c '%U %a' ${dataDir} ${config}`)).trim().split('\n')).toEqual(
      ['synod', 'synod 700', 'root 640'],
    );
  });

  it('has the log in the journal, with priorities', async () => {
    const { lines } = await agent.call('logTail', { nodeId, lines: 50 });
    expect(lines.some((line) => line.includes('leads under ballot'))).toBe(true);
    expect(await host.root(`journalctl --unit ${unit.name} --priority info --output cat`)).toContain('leads under');
    expect(await host.root(`journalctl --unit ${unit.name} --priority warning --output cat`)).not.toContain(
      'leads under',
    );
  });

  it('has a killed node started again', async () => {
    const { killedPid } = await agent.call('kill', { nodeId });
    const again = await until(
      'the new process',
      async () => {
        const now = await service();
        return now?.state === 'running' && now.pid !== killedPid && now;
      },
      PATIENCE_MS,
    );
    expect(again.restarts).toBe(1);
  });

  it('ends a node that gives no sign of life, and starts it again', async () => {
    const dropIn = `/run/systemd/system/${unit.name}.d`;
    await host.root(
      `mkdir -p ${dropIn} && printf '[Service]\\nWatchdogSec=4\\n' > ${dropIn}/soon.conf && systemctl daemon-reload`,
    );
    const { pid } = await agent.call('restart', { nodeId });
    // Beyond the watchdog's time: signs of life do come.
    const beats = Number(await ofUnit('WatchdogTimestampMonotonic'));
    await until(
      'a sign of life',
      async () => Number(await ofUnit('WatchdogTimestampMonotonic')) > beats + 6e6,
      PATIENCE_MS,
    );
    // Of systemd itself: an agent on a busy host may have to say that it does not know just now.
    expect([await ofUnit('MainPID'), await ofUnit('NRestarts')]).toEqual([`${pid}`, '0']);

    await host.root(`kill -STOP ${pid}`);
    const again = await until(
      'the new process',
      async () => {
        const now = await service();
        return now?.state === 'running' && now.pid !== pid && now;
      },
      PATIENCE_MS,
    );
    expect(again.restarts).toBe(1);
    expect(await host.root(`journalctl --unit ${unit.name} --output cat`)).toContain('Watchdog timeout');
    await host.root(`rm -r ${dropIn} && systemctl daemon-reload`);
  });

  it('leaves a node down that says that starting it again cannot help, and says why', async () => {
    await host.root(`cp -p ${config} /root/good && sed -i 's/"formatVersion":1/"formatVersion":2/' ${config}`);
    // The agent reads the configuration too: what it says then is its own reason.
    await host.root(`systemctl restart ${unit.name} || true`);
    expect(await ofUnit('Result')).toBe('exit-code');
    expect(await ofUnit('ActiveState')).toBe('failed');
    expect(await ofUnit('NRestarts')).toBe('0');
    expect((await service())?.reason).toMatch(/formatVersion/);
    await host.root(`cp -p /root/good ${config}`);
    expect(await service()).toMatchObject({ state: 'failed', reason: expect.stringMatching(/badConfig.*cannot help/) });
  });

  it('says that a folder is missing, and starts when it is there', async () => {
    await host.root(`systemctl stop ${unit.name}; mv ${dataDir} ${dataDir}.away`);
    const refusal = await agent.refusal('start', { nodeId });
    expect(refusal).toMatchObject({ kind: 'failed', message: expect.stringMatching(/data disk/) });
    await host.root(`systemctl stop ${unit.name}; mv ${dataDir}.away ${dataDir}`);
    expect(await agent.call('start', { nodeId })).toMatchObject({ state: 'running' });
  });

  it('says which port is taken, again and again', async () => {
    await agent.call('stop', { nodeId });
    await host.root(
      `systemd-run --unit squatter perl -MIO::Socket::INET -e 'IO::Socket::INET->new(LocalAddr => "${host.address}", LocalPort => 2380, Listen => 1)->accept'`,
    );
    await until('the squatter', async () => (await host.root('ss -Hltn sport = :2380')) !== '', PATIENCE_MS);
    const refusal = await agent.refusal('start', { nodeId });
    // A host on which three starts take longer than one waits for them gives the node's own words.
    expect(refusal.message).toMatch(/portUnavailable.*3 times in a row and goes on|the peer port \S+ is in use/s);
    await until('the reason', async () => /portUnavailable/.test((await service())?.reason ?? ''), PATIENCE_MS);
    await host.root('systemctl stop squatter');
    await until('the node', async () => (await service())?.state === 'running', PATIENCE_MS);
  });

  it('runs again after a power cut, without anybody', async () => {
    await agent.call('start', { nodeId });
    agent.end();
    await host.cut();
    await host.boot();
    agent = await agentOf(node);
    await until('figures', () => agent.latest(nodeId)?.node?.role === 'leader', PATIENCE_MS);
    expect(await service()).toMatchObject({ state: 'running', restarts: 0 });
  });

  it('removes a stopped node and nothing else', async () => {
    expect(await agent.refusal('remove', { nodeId, confirmNodeId: nodeId })).toMatchObject({ kind: 'refused' });
    await agent.call('stop', { nodeId });
    await host.root('touch /srv/data/somebody-elses');
    expect(await agent.call('remove', { nodeId, confirmNodeId: nodeId })).toEqual({ removed: true });
    const places = [stateDir, configDir, versionLinks.dir, unit.path, '/srv/data/synod', '/run/synod'].join(' ');
    expect(
      await host.root(`ls -d ${places} 2>/dev/null; ls /srv/data; systemctl list-units --all 'synod-*' --no-legend`),
    ).toBe(await host.root('ls /srv/data'));
    expect(await host.root(`find /etc/systemd -name '*synod*'`)).toBe('');
    expect(await agent.call('remove', { nodeId, confirmNodeId: nodeId })).toEqual({ removed: false });
  });
});
