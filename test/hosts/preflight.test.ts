/** What a preflight finds on real hosts with something wrong, each named with its figure, and one of them put right. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CheckItem, CheckLink, HostView } from '../../electron/contract/model.ts';
import {
  buildResources,
  cleanUp,
  type EngineUnderTest,
  makeStateDir,
  startEngine,
  succeeded,
} from '../engine/engine-under-test.ts';
import type { LabHost } from '../lab/host.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import { labObstacle } from '../lab/obstacle.ts';

const obstacle = labObstacle();
const twins = 'c0ffee00c0ffee00c0ffee00c0ffee00';

describe.skipIf(obstacle !== null)(`preflight of real hosts (skipped: ${obstacle})`, { timeout: 180_000 }, () => {
  const stateDir = makeStateDir();
  let lab: Lab;
  let under: EngineUnderTest;
  let views: HostView[];

  beforeAll(async () => {
    lab = await startLab({ hosts: [{}, { machineId: twins }, { machineId: twins, movableClock: true }] });
    under = await startEngine(stateDir, await buildResources(join(stateDir, 'dist')));
    views = await Promise.all(lab.hosts.map((host) => add(host)));
  }, 15 * 60_000);
  afterAll(async () => {
    await under.engine.close();
    await lab.down();
    await cleanUp(stateDir);
  }, 60_000);

  async function add(host: LabHost): Promise<HostView> {
    const auth = { kind: 'key', path: host.keyPath } as const;
    const { hosts } = under.client;
    const view = await hosts.add({ name: host.name, address: host.address, port: host.sshPort, user: 'ops', auth });
    const fingerprint = host.fingerprints[0] ?? '';
    return await hosts.trustKey({ hostId: view.hostId, fingerprint });
  }

  async function check(): Promise<{ items: CheckItem[][]; links: CheckLink[] }> {
    const hostIds = views.map((view) => view.hostId);
    const usual = { peerPort: null, clientPort: null, heartbeatMs: null, electionTimeoutMs: null };
    const { hosts, links } = await under.client.hosts.preflight({ hostIds, dataDir: '/srv/data/orders', ...usual });
    return { items: hosts.map(({ items }) => items), links };
  }
  const found = (items: CheckItem[] | undefined, name: string) => items?.find((item) => item.check === name);
  const idOf = (number: number) => views[number - 1]?.hostId;

  it('hosts that are well reach each other, and their data disk is the one that is measured', async () => {
    const { items, links } = await check();
    for (const each of items) {
      expect(found(each, 'file system')).toMatchObject({ verdict: 'pass', found: 'ext4 at /srv/data' });
      expect(found(each, 'privilege')?.found).toBe('ops may become root by sudo');
      expect(found(each, 'service manager')?.found).toBe('systemd');
      expect(found(each, 'disk sync')?.verdict).not.toBe('unknown');
    }
    expect(links.map((link) => link.verdict)).toEqual(Array.from({ length: 12 }, () => 'pass'));
    for (const host of lab.hosts) expect(await host.root('ls -A /srv/data /home/ops | grep synod || true')).toBe('');
  });

  it('names the link that a firewall drops, the one that it rejects, the slow disk, the twin and the wrong clock', async () => {
    const [one, two, three] = [lab.host(1), lab.host(2), lab.host(3)];
    const chain = (rule: string) =>
      `nft 'table inet theirs { chain input { type filter hook input priority 0; ${rule}; }; }'`;
    await two.root(chain('tcp dport 2380 drop'));
    await three.root(chain('tcp dport 2379 reject with tcp reset'));
    await one.disk.fail({ flushMs: 150 });
    await three.moveClock(600);
    const { items, links } = await check();
    await one.disk.fail({});
    await three.moveClock(0);
    await Promise.all([two, three].map((host) => host.root('nft delete table inet theirs')));

    const wrong = links.filter((link) => link.verdict !== 'pass');
    expect(wrong.map((link) => `${link.fromHostId} ${link.toHostId} ${link.port} ${link.verdict}`).sort()).toEqual(
      [
        `${idOf(1)} ${idOf(2)} 2380 fail`,
        `${idOf(3)} ${idOf(2)} 2380 fail`,
        `${idOf(1)} ${idOf(3)} 2379 fail`,
        `${idOf(2)} ${idOf(3)} 2379 fail`,
      ].sort(),
    );
    expect(wrong.find((link) => link.port === 2380)?.found).toMatch(/dropped/);
    expect(wrong.find((link) => link.port === 2379)?.found).toMatch(/rejected/);
    expect(found(items[0], 'disk sync')).toMatchObject({
      verdict: 'fail',
      found: expect.stringMatching(/over 100 ms/),
    });
    expect(found(items[2], 'clock')).toMatchObject({
      verdict: 'fail',
      found: expect.stringMatching(/^\+(599|600|601) s/),
    });
    expect(found(items[1], 'machine identity')).toMatchObject({ verdict: 'warn', fix: { fixId: 'machineId' } });
  });

  it('puts a twin right, and says so only after another look', async () => {
    const { items } = await check();
    const fix = found(items[1], 'machine identity')?.fix;
    const asked = {
      hostId: idOf(2) ?? '',
      check: 'machine identity',
      fixId: fix?.fixId ?? '',
      commands: fix?.commands ?? [],
    };
    const { operationId } = await under.client.hosts.fix(asked);
    const operation = await succeeded(under.client, operationId);
    const machineId = (await lab.host(2).root('cat /etc/machine-id')).trim();
    expect(machineId).not.toBe(twins);
    expect(operation.outcome).toContain(machineId);
    expect(found((await check()).items[1], 'machine identity')?.verdict).toBe('pass');
  });
});
