/** The lab itself: that its hosts are what they say, its faults do what they say, and nothing of it is left. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { attempt } from './command.ts';
import { PASSWORD } from './host-options.ts';
import { type Lab, startLab } from './lab.ts';
import { labObstacle } from './obstacle.ts';
import { footprintOf, residueOf } from './residue.ts';

const obstacle = labObstacle();
/** The first lab of a machine builds its root file system. */
const START_MS = 15 * 60_000;

describe.skipIf(obstacle !== null)(`a lab of three hosts (skipped: ${obstacle})`, { timeout: 180_000 }, () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await startLab({ hosts: 3 });
  }, START_MS);
  afterAll(async () => await lab.down());

  it('has hosts with an address, a host key, a system manager and users of their own', async () => {
    const seen = await Promise.all(
      lab.hosts.map(async (host) => {
        const offered = await host.ssh(
          'cut -d" " -f1 /proc/uptime; cat /etc/machine-id; hostname; id -un; sudo -n id -un',
        );
        expect(offered).toMatchObject({ exitCode: 0 });
        const [uptime, machineId, ...rest] = offered.stdout.trim().split('\n');
        expect(Number(uptime)).toBeLessThan(300);
        expect(rest).toEqual([host.name, 'ops', 'root']);
        return { machineId, fingerprint: host.fingerprints[0] };
      }),
    );
    expect(new Set(seen.map(({ machineId }) => machineId)).size).toBe(3);
    expect(new Set(seen.map(({ fingerprint }) => fingerprint)).size).toBe(3);
    const host = lab.host(1);
    const asked = await host.ssh('sudo -n true', { user: 'deploy' });
    expect(asked.stderr).toContain('password is required');
    expect(await host.ssh('sudo -S id -un', { user: 'deploy', input: `${PASSWORD}\n` })).toMatchObject({
      stdout: 'root\n',
    });
    expect(await host.ssh('sudo -S true', { user: 'plain', input: `${PASSWORD}\n` })).toMatchObject({ exitCode: 1 });
    expect(await host.root('systemctl is-active ssh dbus systemd-journald')).toBe('active\nactive\nactive\n');
    expect(await host.root('nft add table inet own && nft list tables && findmnt -no FSTYPE /srv/data')).toBe(
      'table inet own\next4\n',
    );
  });

  it('has host keys that OpenSSH verifies', async () => {
    const [first, second] = [lab.host(1), lab.host(2)];
    // The same name for another host: its key is then a wrong one.
    const alias = ['-o', `HostKeyAlias=${first.address}`, ...second.sshArguments('ops'), 'true'];
    const refused = await attempt(['ssh', ...alias]);
    expect(refused).toMatchObject({ exitCode: 255, stderr: expect.stringContaining('Host key verification failed') });
  });

  it('loses with its power what was not synced, and nothing else', async () => {
    const host = lab.host(1);
    await host.root(
      'cd /srv/data && echo kept > synced && sync synced && sync -f . && echo lost > not-synced && cat not-synced',
    );
    await host.root('nft add table inet rules; echo kept > /root/synced && sync /root/synced && sync -f /root');
    await host.cut();
    expect(host.isOn).toBe(false);
    expect((await host.ssh('true')).exitCode).toBe(255);
    await host.boot();
    // The name may be there: ext4 writes names every 5 s, what is in a file after 30 s.
    const found =
      'cd /srv/data && cat synced /root/synced; cat not-synced 2>/dev/null; nft list tables; cut -d. -f1 /proc/uptime';
    expect(await host.root(found)).toMatch(/^kept\nkept\n\d{1,2}\n$/);
  });

  it('keeps what a killed host wrote', async () => {
    const host = lab.host(1);
    await host.root('echo kept > /srv/data/written');
    await host.kill();
    await host.boot();
    expect(await host.root('cat /srv/data/written')).toBe('kept\n');
  });

  it('cuts the network one way and both ways, and heals', async () => {
    const [a, b, c] = [lab.host(1), lab.host(2), lab.host(3)];
    const hears = async (): Promise<boolean> => (await a.tryRoot(`ping -c 1 -W 1 ${b.address}`)).exitCode === 0;
    const counted = async (): Promise<number> =>
      Number(await b.root("awk '/^Icmp:/ && ++n == 2 { print $10 }' /proc/net/snmp"));
    expect(await hears()).toBe(true);
    await lab.partitionOneWay(b, a);
    const before = await counted();
    expect(await hears()).toBe(false);
    // The question came through, the answer did not.
    expect(await counted()).toBe(before + 1);
    await lab.heal();
    await lab.partition(a, b);
    expect(await hears()).toBe(false);
    expect(await counted()).toBe(before + 1);
    expect((await a.tryRoot(`ping -c 1 -W 1 ${c.address}`)).exitCode).toBe(0);
    await lab.heal();
    expect(await hears()).toBe(true);
  });

  it('freezes and thaws', async () => {
    const host = lab.host(2);
    await host.freeze();
    const answer = await host.ssh('true', { timeoutMs: 1500 });
    expect(answer.exitCode).not.toBe(0);
    await host.thaw();
    expect((await host.ssh('true')).exitCode).toBe(0);
  });

  it('has a data disk that fills up, fails and is repaired by a boot', async () => {
    const host = lab.host(3);
    await host.disk.fill();
    expect((await host.tryRoot('echo more > /srv/data/more')).stderr).toContain('No space left on device');
    await host.disk.free();
    await host.root('echo fits > /srv/data/more && sync /srv/data/more');
    await host.disk.fail({ writeErrorRatio: 1, flushErrorRatio: 1 });
    expect((await host.tryRoot('echo lost > /srv/data/lost && sync /srv/data/lost')).stderr).toContain(
      'Input/output error',
    );
    expect((await host.disk.counts()).failed).toBeGreaterThan(0);
    await host.disk.fail({});
    await host.cut();
    await host.boot();
    expect(await host.root('cat /srv/data/more && touch /srv/data/writable')).toBe('fits\n');
  });
});

describe.skipIf(obstacle !== null)(`labs side by side (skipped: ${obstacle})`, { timeout: 180_000 }, () => {
  it('do not meet, and leave nothing', async () => {
    const [one, two] = await Promise.all([startLab({ hosts: 1 }), startLab({ hosts: [{ kind: 'light' }] })]);
    expect(one.host(1).address).not.toBe(two.host(1).address);
    expect((await one.host(1).tryRoot(`ping -c 1 -W 1 ${two.host(1).address}`)).exitCode).not.toBe(0);
    expect((await two.host(1).ssh('id -un')).stdout).toBe('ops\n');
    const footprint = footprintOf(one.name);
    const kinds = new Set(residueOf(footprint).map(({ kind }) => kind));
    // Control: while it is up the same look finds it. Its mounts are its own.
    expect([...kinds].sort()).toEqual([
      'control group',
      'folder',
      'loop device',
      'namespace',
      'network device',
      'process',
    ]);
    await one.down();
    expect(residueOf(footprint)).toEqual([]);
    expect((await two.host(1).ssh('id -un')).stdout).toBe('ops\n');
    const second = footprintOf(two.name);
    await two.down();
    expect(residueOf(second)).toEqual([]);
  });
});
