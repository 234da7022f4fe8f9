/** The embedded hosts as such: up, down, what they survive, what they leave behind, and OpenSSH's own clients against them. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { labDown, labStatus, labUp } from '../../electron/engine/lab/lab.ts';
import { findLabProcesses } from '../../electron/engine/lab/lab-processes.ts';
import { labRootFor } from '../../electron/engine/lab/lab-place.ts';
import { LONGEST_ROOT_BYTES, type LabState } from '../../electron/engine/lab/lab-state.ts';
import { labResidue } from '../../electron/engine/lab/residue.ts';
import { SshPool } from '../../electron/engine/ssh/pool.ts';
import { sh } from '../../electron/engine/ssh/shell-command.ts';
import { eventually, labServer, makeFolder, targetOf } from './places.ts';

const run = promisify(execFile);
let folder: string;
let root: string;
let pool: SshPool;
beforeEach(async () => {
  folder = await makeFolder();
  root = join(folder, 'lab');
  pool = new SshPool({ knownHostsPaths: [] });
});
afterEach(async () => {
  pool.close();
  await labDown(root).catch(() => {});
  await rm(folder, { recursive: true });
});

async function up(hosts: number): Promise<LabState> {
  return await labUp({ root, hosts, server: labServer });
}

async function serverPid(): Promise<number> {
  return (await labStatus(root)).serverPid ?? Number.NaN;
}

describe('a lab', () => {
  it('comes up once, is the same the second time, and grows', async () => {
    const first = await up(2);
    const pid = await serverPid();
    expect(await up(2)).toEqual(first);
    expect(await up(1)).toEqual(first);
    expect(await serverPid()).toBe(pid);
    expect((await stat(root)).mode & 0o777).toBe(0o700);
    const grown = await up(3);
    expect(grown.hosts.slice(0, 2)).toEqual(first.hosts);
    const names = await Promise.all(
      [1, 2, 3].map(async (number) => {
        const connection = await pool.connection(targetOf(grown, number));
        return (await connection.exec(sh`echo $SYNOD_LAB_HOST; pwd; echo $HOME`)).stdout.trim().split('\n');
      }),
    );
    expect(names).toEqual(grown.hosts.map(({ name, home }) => [name, home, home]));
  });

  it('comes up once when two ask at the same time', async () => {
    const [one, other] = await Promise.all([up(2), up(2)]);
    expect(one).toEqual(other);
    const servers = (await findLabProcesses(root)).filter(({ command }) => command.includes('server-main'));
    expect(servers).toHaveLength(1);
  });

  it('comes back after kill -9 with the same ports, keys and homes, and what was detached still runs', async () => {
    const before = await up(2);
    const connection = await pool.connection(targetOf(before));
    const start = sh`setsid sleep 600 > /dev/null 2>&1 < /dev/null & echo kept > kept; echo $!`;
    const sleeper = Number((await connection.exec(start)).stdout);
    const pid = await serverPid();
    process.kill(pid, 'SIGKILL');
    await eventually('the server is gone', async () => !(await labStatus(root)).running);
    expect(await up(2)).toEqual(before);
    expect(await serverPid()).not.toBe(pid);
    const again = await pool.connection(targetOf(before));
    expect((await again.exec(sh`cat kept; kill -0 ${sleeper} && echo runs`)).stdout).toBe('kept\nruns\n');
  });

  it('moves to another port when its own was taken meanwhile', async () => {
    const before = await up(1);
    const { address, sshPort } = before.hosts[0] ?? { address: '', sshPort: 0 };
    process.kill(await serverPid(), 'SIGKILL');
    await eventually('the server is gone', async () => !(await labStatus(root)).running);
    const squatter = createServer();
    squatter.listen(sshPort, address);
    await once(squatter, 'listening');
    const after = await up(1);
    squatter.close();
    expect(after.hosts[0]?.sshPort).not.toBe(sshPort);
    await pool.connection(targetOf(after));
  });

  it('ends what a session leaves running with the session, unless it has detached itself', async () => {
    const lab = await up(1);
    const connection = await pool.connection(targetOf(lab));
    const channel = await connection.channel(sh`sleep 601 & sleep 602 & setsid sleep 603 & echo started; wait`);
    channel.stderr.resume();
    await once(channel.stdout, 'data');
    const sleeps = async (): Promise<string[]> =>
      (await findLabProcesses(root)).map(({ command }) => command).filter((command) => command.startsWith('sleep 60'));
    await eventually('all three run', async () => (await sleeps()).length === 3);
    channel.close();
    await eventually('two are gone', async () => (await sleeps()).length === 1);
    expect(await sleeps()).toEqual(['sleep 603']);
  });

  it.each(['', '{"kind": "listening", "ide', '[]'])('comes up again over a server.json of %j', async (damaged) => {
    const before = await up(2);
    const pid = await serverPid();
    await writeFile(join(root, 'server.json'), damaged);
    expect(await labStatus(root)).toMatchObject({ running: true, serverPid: pid });
    expect(await up(2)).toEqual(before);
    expect(await serverPid()).not.toBe(pid);
    const servers = (await findLabProcesses(root)).filter(({ command }) => command.includes('server-main'));
    expect(servers).toHaveLength(1);
    await pool.connection(targetOf(before));
  });

  it.each(['', '{"root": "/', '{}'])('says how to go on with a lab.json of %j, and is taken down', async (damaged) => {
    const before = await up(1);
    await writeFile(join(root, 'lab.json'), damaged);
    const problem = { kind: 'labUnreadable', message: expect.stringContaining(`${root}/lab.json`) };
    await expect(up(1)).rejects.toMatchObject({ failure: problem });
    await expect(labStatus(root)).rejects.toMatchObject({ failure: problem });
    await writeFile(join(root, 'server.json'), damaged);
    expect(await labDown(root)).toEqual({ removed: true, processesEnded: 1 });
    expect(await labResidue(root, { hosts: before.hosts, ports: [] })).toEqual([]);
  });

  it('refuses a folder that is not its own, up and down', async () => {
    await mkdir(root);
    await writeFile(join(root, 'thesis.txt'), 'precious');
    await expect(up(1)).rejects.toThrow('not empty');
    await expect(labDown(root)).rejects.toThrow('not a lab');
    expect(await readFile(join(root, 'thesis.txt'), 'utf8')).toBe('precious');
  });

  it('says why its server did not start', async () => {
    const server = { execPath: process.execPath, script: join(folder, 'none.js') };
    await expect(labUp({ root, hosts: 1, server })).rejects.toThrow(/did not start.*log: /);
  });
});

describe('what is left behind', () => {
  it('is nothing after a lab was taken down, whatever ran on it', async () => {
    const lab = await up(2);
    const connection = await pool.connection(targetOf(lab));
    const stubborn = sh`trap '' TERM HUP; while :; do sleep 1; done`;
    await connection.exec(
      sh`setsid sh -c ${stubborn} > /dev/null 2>&1 < /dev/null & setsid sleep 600 > /dev/null 2>&1 &`,
    );
    expect((await findLabProcesses(root)).length).toBeGreaterThanOrEqual(3);
    expect((await labDown(root)).removed).toBe(true);
    expect(await labResidue(root, { hosts: lab.hosts, ports: [] })).toEqual([]);
    expect(await labDown(root)).toEqual({ removed: false, processesEnded: 0 });
  });

  it('is not taken down, nor brought up, by way of a copy of its folder', async () => {
    const lab = await up(1);
    const pid = await serverPid();
    const copy = join(folder, 'copy');
    await cp(root, copy, { recursive: true });
    const refusal = `copy of the lab at ${root}`;
    await expect(labDown(copy)).rejects.toThrow(refusal);
    await expect(labUp({ root: copy, hosts: 1, server: labServer })).rejects.toThrow(refusal);
    await expect(labStatus(copy)).rejects.toThrow(refusal);
    expect(existsSync(lab.clientKeyPath)).toBe(true);
    expect(await serverPid()).toBe(pid);
  });

  it('is not kept behind a link', async () => {
    await mkdir(join(folder, 'elsewhere'));
    await symlink(join(folder, 'elsewhere'), root);
    await expect(up(1)).rejects.toThrow('behind a link');
    await rm(root);
  });

  it('lies in a short folder of its own where the state folder is a long way down', async () => {
    const long = join(folder, 'a-home-with-a-long-name'.repeat(3));
    await mkdir(long, { recursive: true });
    const place = labRootFor(long);
    expect(Buffer.byteLength(place)).toBeLessThanOrEqual(LONGEST_ROOT_BYTES);
    expect(labRootFor(long)).toBe(place);
    expect(labRootFor(`${long}r`)).not.toBe(place);
    expect(labRootFor(folder)).toBe(root);
    const lab = await labUp({ root: place, hosts: 1, server: labServer });
    expect([lab.root, (await stat(place)).mode & 0o777]).toEqual([place, 0o700]);
    expect((await labDown(place)).removed).toBe(true);
  });

  describe('is found', () => {
    let planted: ChildProcess | null = null;
    afterEach(() => {
      planted?.kill('SIGKILL');
      planted = null;
    });

    it('a process with the marker', async () => {
      planted = spawn('sleep', ['604'], { env: { ...process.env, SYNOD_LAB_ROOT: root } });
      const what = `${planted.pid} sleep 604`;
      await eventually('it is found', async () => {
        const found = await labResidue(root, { hosts: [], ports: [] });
        return found.some((residue) => residue.kind === 'process' && residue.what === what);
      });
    });

    it('a listener on an address of the lab', async () => {
      const lab = await up(1);
      await labDown(root);
      const [host] = lab.hosts;
      const squatter = createServer().listen(0, host?.address);
      await once(squatter, 'listening');
      const found = await labResidue(root, { hosts: lab.hosts, ports: [] });
      squatter.close();
      expect(found).toEqual([{ kind: 'socket', what: expect.stringMatching(`^${host?.address}:`) as string }]);
    });

    it('a unix socket and a file below the root', async () => {
      await mkdir(root);
      const squatter = createServer().listen(join(root, 'socket'));
      await once(squatter, 'listening');
      const found = await labResidue(root, { hosts: [], ports: [] });
      squatter.close();
      expect(found).toEqual([
        { kind: 'socket', what: join(root, 'socket') },
        { kind: 'file', what: root },
      ]);
    });

    it('a listener on the port of a node', async () => {
      const squatter = createServer().listen(0, '127.0.0.1');
      await once(squatter, 'listening');
      const { port } = squatter.address() as AddressInfo;
      const found = await labResidue(root, { hosts: [], ports: [{ address: '127.0.0.1', port }] });
      squatter.close();
      expect(found).toEqual([{ kind: 'socket', what: `127.0.0.1:${port}` }]);
    });
  });
});

const hasSsh = existsSync('/usr/bin/ssh');
it.for(hasSsh ? [] : ['skipped: no /usr/bin/ssh here to try against the embedded hosts'])('%s', (_reason, { skip }) =>
  skip(),
);

describe.runIf(hasSsh)("OpenSSH's clients against an embedded host", () => {
  let options: string[];
  let lab: LabState;
  beforeEach(async () => {
    lab = await up(1);
    const files = ['-i', lab.clientKeyPath, '-o', `UserKnownHostsFile=${lab.knownHostsPath}`, '-F', '/dev/null'];
    options = [...files, '-o', 'BatchMode=yes', '-o', 'StrictHostKeyChecking=yes', '-o', 'IdentitiesOnly=yes'];
  });
  const login = (): string => `${lab.user}@${lab.hosts[0]?.address}`;
  const port = (): string => String(lab.hosts[0]?.sshPort);

  it('ssh runs a command with its exit code, stdin and a terminal', async ({ skip }) => {
    const ssh = [...options, '-p', port(), login()];
    const failed = await run('ssh', [...ssh, 'echo out; exit 4']).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 4, stdout: 'out\n' });
    const cat = spawn('ssh', [...ssh, 'wc -c'], { stdio: ['pipe', 'pipe', 'inherit'] });
    cat.stdin.end(Buffer.alloc(5_000_000));
    const [counted] = (await once(cat.stdout, 'data')) as [Buffer];
    expect(String(counted).trim()).toBe('5000000');
    if (!existsSync('/usr/bin/script')) return skip('skipped: no script(1), so embedded hosts give no terminals');
    expect((await run('ssh', ['-tt', ...ssh, 'tty; exit 0'])).stdout).toMatch(/^\/dev\/pts\//);
  });

  it('ssh is refused with another key', async () => {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, 'other')]);
    const other = options.map((option) => (option === lab.clientKeyPath ? join(folder, 'other') : option));
    await expect(run('ssh', [...other, '-p', port(), login(), 'true'])).rejects.toMatchObject({ code: 255 });
  });

  it('scp copies a file', async ({ skip }) => {
    if (!existsSync('/usr/lib/openssh/sftp-server')) return skip('skipped: no sftp-server here');
    await writeFile(join(folder, 'sent'), 'content');
    await run('scp', [...options, '-P', port(), join(folder, 'sent'), `${login()}:received`]);
    expect(await readFile(join(lab.hosts[0]?.home ?? '', 'received'), 'utf8')).toBe('content');
  });
});
