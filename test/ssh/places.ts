/** Real SSH servers to test against: OpenSSH's sshd, unprivileged, and the embedded hosts. Each with a folder of its own. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type LabServerProgram, labDown, labUp } from '../../electron/engine/lab/lab.ts';
import type { LabState } from '../../electron/engine/lab/lab-state.ts';
import type { LoginSecrets, SshTarget } from '../../electron/engine/ssh/target.ts';

export interface Place {
  target: SshTarget;
  /** A folder on the host (which is this computer) for the test's files. */
  folder: string;
  /** What the server wrote so far; empty for the embedded hosts. */
  log: () => string;
  stop: () => Promise<void>;
}

export const labServer: LabServerProgram = {
  execPath: process.execPath,
  script: fileURLToPath(new URL('../../electron/engine/lab/server-main.ts', import.meta.url)),
};

export const SSHD = '/usr/sbin/sshd';
export const hasSshd = existsSync(SSHD);
export const hasSsh = existsSync('/usr/bin/ssh');

export async function makeFolder(): Promise<string> {
  return await mkdtemp(join(tmpdir(), 'synod-'));
}

/** Polls until `holds`; a wait for a real process, bounded. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  withinMs = 10_000,
): Promise<void> {
  const endsAt = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > endsAt) throw new Error(`not within ${withinMs} ms: ${what}`);
    await delay(10);
  }
}

export function targetOf(lab: LabState, number = 1): SshTarget {
  const host = lab.hosts[number - 1];
  if (host === undefined) throw new Error(`the lab has no host ${number}`);
  return {
    address: host.address,
    port: host.sshPort,
    user: lab.user,
    auth: [{ kind: 'key', path: lab.clientKeyPath }],
    knownHostsPath: lab.knownHostsPath,
  };
}

export async function startEmbedded(): Promise<Place> {
  const folder = await makeFolder();
  const root = join(folder, 'lab');
  const lab = await labUp({ root, hosts: 1, server: labServer });
  const stop = async (): Promise<void> => {
    await labDown(root);
    await rm(folder, { recursive: true });
  };
  return { target: targetOf(lab), folder, log: () => '', stop };
}

/**
 * `extra`: further lines of sshd_config. `address`: of this computer. `prepare` is called with the place's folder, where the keys
 * are made already, before the server starts.
 */
export async function startOpenSsh(
  extra = '',
  address = '127.0.0.1',
  prepare: (folder: string) => void = () => {},
): Promise<Place> {
  const folder = await makeFolder();
  for (const name of ['host', 'client']) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, name)]);
  }
  execFileSync('ssh-keygen', ['-q', '-t', 'ecdsa', '-N', '', '-f', join(folder, 'host-ecdsa')]);
  // As root sshd wants its privilege separation folder; as a user it does without.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  const port = await freePort();
  // SHLVL: bash takes a first shell under sshd for a login, and would read whatever start files this user has. The first SetEnv counts.
  const config = `ListenAddress ${address}:${port}
HostKey ${folder}/host
HostKey ${folder}/host-ecdsa
PidFile none
AuthorizedKeysFile ${folder}/client.pub
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
${extra}
SetEnv SHLVL=1
`;
  await writeFile(join(folder, 'sshd_config'), config);
  prepare(folder);
  const hostKey = execFileSync('cut', ['-d', ' ', '-f', '1,2', join(folder, 'host.pub')], { encoding: 'utf8' });
  await writeFile(join(folder, 'known_hosts'), `[${address}]:${port} ${hostKey}`);
  const sshd = spawn(SSHD, ['-D', '-E', join(folder, 'log'), '-f', join(folder, 'sshd_config')], { stdio: 'ignore' });
  await eventually('sshd listens', async () => await answers(port, address));
  const target: SshTarget = {
    address,
    port,
    user: userInfo().username,
    auth: [{ kind: 'key', path: join(folder, 'client') }],
    knownHostsPath: join(folder, 'known_hosts'),
  };
  const stop = async (): Promise<void> => {
    const exited = once(sshd, 'exit');
    sshd.kill();
    await exited;
    await rm(folder, { recursive: true });
  };
  return { target, folder, log: () => readFileSync(join(folder, 'log'), 'utf8'), stop };
}

export const nobody: LoginSecrets = {
  passphrase: () => async () => await Promise.reject(new Error('nobody is there')),
  password: () => async () => await Promise.reject(new Error('nobody is there')),
  answer: () => async () => null,
};

/** The same place, reached with the system's ssh. */
export function withSystemSsh(place: Place): Place {
  const { target } = place;
  const key = target.auth.find((one) => one.kind === 'key');
  if (key === undefined) throw new Error('the place has no key');
  const auth = { kind: 'key', path: key.path } as const;
  const openSsh = { alias: target.address, configPaths: [], auth, secrets: nobody };
  return { ...place, target: { ...target, openSsh } };
}

/** A TCP server that accepts and says nothing, like a frozen host. */
export async function startSilent(): Promise<{ server: Server; port: number }> {
  const server = createServer(() => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

export async function freePort(): Promise<number> {
  const { server, port } = await startSilent();
  server.close();
  await once(server, 'close');
  return port;
}

async function answers(port: number, address: string): Promise<boolean> {
  const socket = connect(port, address);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
