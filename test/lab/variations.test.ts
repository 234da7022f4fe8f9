/** Hosts as operators have them: behind a bastion, of a strict team, with passwords, many and small; and labs whose owner died. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../fixtures/until.ts';
import { attempt } from './command.ts';
import { STRICT } from './host-options.ts';
import { type Lab, startLab } from './lab.ts';
import { readState } from './lab-state.ts';
import { labObstacle } from './obstacle.ts';
import { footprintOf, residueOf } from './residue.ts';

const obstacle = labObstacle();
/** The first lab of a machine builds its root file system. */
const START_MS = 15 * 60_000;

describe.skipIf(obstacle !== null)(`hosts of all kinds (skipped: ${obstacle})`, { timeout: 180_000 }, () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await startLab({
      hosts: [
        { kind: 'light', segment: 'both' },
        { kind: 'light', segment: 'back', sshPort: 2222, hostKeyTypes: ['ed25519', 'ecdsa'] },
        { ...STRICT, kind: 'light' },
        {
          kind: 'light',
          sshd: ['PubkeyAuthentication no', 'KbdInteractiveAuthentication yes'],
          startFile: 'echo Welcome',
        },
        { movableClock: true, cable: 'slow', startFile: 'echo Welcome' },
      ],
    });
  }, START_MS);
  afterAll(async () => await lab.down());

  it('reaches a host behind a bastion only over it', async () => {
    const behind = lab.host(2);
    expect(behind.fingerprints).toHaveLength(2);
    const direct = ['ssh', '-F', 'none', '-o', 'ConnectTimeout=1', '-o', 'BatchMode=yes', '-p', '2222', behind.address];
    expect((await attempt(direct as [string, ...string[]])).exitCode).toBe(255);
    expect(await behind.ssh('hostname; echo $SSH_CONNECTION')).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^host2\n10\.78\.\d+\.11 /),
    });
  });

  it('has strict hosts', async () => {
    const host = lab.host(3);
    const ssh = async (command: string) => await host.ssh(command);
    expect((await host.ssh('true', { user: 'root' })).stderr).toContain('Permission denied');
    expect((await ssh('umask')).stdout).toBe('0077\n');
    expect((await ssh('sudo -n true')).stderr).toContain('tty');
    expect((await ssh('cp /bin/true /tmp/t && /tmp/t')).stderr).toContain('Permission denied');
    const sftp = ['sftp', ...host.sshArguments('ops').map((word) => (word === '-p' ? '-P' : word))] as const;
    expect((await attempt(sftp as unknown as [string, ...string[]], { input: 'ls\n' })).exitCode).not.toBe(0);
  });

  it('has hosts that greet before they obey, and ask for a password', async () => {
    const asks = await lab.host(4).ssh('true');
    expect(asks.stderr).toMatch(/Permission denied \(.*keyboard-interactive/);
    expect((await lab.host(5).ssh('echo done')).stdout).toBe('Welcome\ndone\n');
  });

  it('moves the clock that programs see', async () => {
    const host = lab.host(5);
    const offset = async () => Number((await host.ssh('date +%s')).stdout.split('\n').at(-2)) - Date.now() / 1000;
    await host.moveClock(600);
    await until('the clock is 600 s ahead', async () => Math.abs((await offset()) - 600) < 5);
    await host.moveClock(0);
    await until('the clock is right', async () => Math.abs(await offset()) < 5);
  });

  it('slows a cable down', async () => {
    const host = lab.host(5);
    await host.link({ out: { delayMs: 80 } });
    const roundTripMs = async () =>
      Number(/min\/avg\/max\/mdev = ([\d.]+)/.exec(await host.root(`ping -c 2 -i 0.2 ${lab.host(3).address}`))?.[1]);
    await until('the round trip takes 80 ms', async () => (await roundTripMs()) >= 80);
    await host.link({});
    await until('the round trip is short again', async () => (await roundTripMs()) < 80);
  });

  it('limits memory, processes and the processor', async () => {
    const host = lab.host(5);
    await host.limits.limitProcesses(host.limits.pids().length + 5);
    const many = 'for i in $(seq 20); do sleep 30 & done';
    expect((await host.ssh(many, { timeoutMs: 10_000 })).stderr).toMatch(/fork|Resource temporarily unavailable/);
    await host.limits.limitProcesses(null);
    await host.limits.limitCpu(50);
    await host.limits.limitCpu(null);
    await host.limitDiskWrites(100);
    await host.limitDiskWrites(null);
    await host.limits.limitMemory(64 * 1024 * 1024);
    const greedy = await host.ssh('head -c 200M /dev/zero | tail | wc -c');
    expect(greedy.stdout).not.toContain('209715200');
    await host.limits.limitMemory(null);
  });
});

describe.skipIf(obstacle !== null)(`a lab whose owner is killed (skipped: ${obstacle})`, { timeout: 180_000 }, () => {
  it('is off at once, and removed by the next start', async () => {
    const name = `orphan-${process.pid}`;
    const code = `import { startLab } from ${JSON.stringify(join(import.meta.dirname, 'lab.ts'))};
await startLab({ hosts: 1, name: ${JSON.stringify(name)} });
console.log('up');
setInterval(() => {}, 1000);`;
    const owner = spawn(process.execPath, ['--input-type=module', '-e', code], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(owner.stdout, 'data');
    const footprint = footprintOf(name);
    owner.kill('SIGKILL');
    const files = new Set(['control group', 'folder']);
    await expect
      .poll(() => residueOf(footprint).filter(({ kind }) => !files.has(kind)), { timeout: 20_000 })
      .toEqual([]);
    await using next = await startLab({ hosts: [{ kind: 'light' }] });
    expect(readState(next.name)?.hosts).toHaveLength(1);
    expect(residueOf(footprint)).toEqual([]);
  });
});
