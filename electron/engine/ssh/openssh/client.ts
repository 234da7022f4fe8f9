/** OpenSSH's client, started for one connection: its private folder, its configuration, and what answers its questions. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectOptions } from '../connect.ts';
import type { SshTarget } from '../target.ts';
import { Askpass } from './askpass.ts';
import { aliasOf, clientConfig } from './client-config.ts';
import { ClientProcess } from './client-process.ts';
import type { LoginClock } from './login-clock.ts';

export interface ClientOptions extends Omit<ConnectOptions, 'stream'> {
  /** What runs JavaScript, to answer the client's questions. */
  nodePath: string;
}

export interface ClientStart {
  target: SshTarget;
  /** Path of the ssh program. */
  program: string;
  options: ClientOptions;
  clock: LoginClock;
}

export interface Client {
  folder: string;
  process: ClientProcess;
  askpass: Askpass;
}

/** ssh binds a name 17 bytes longer than the socket's first, and 104 bytes is what the shortest systems take (sockaddr_un). */
const LONGEST_FOLDER_BYTES = 104 - 17 - 2 - '/control'.length;

/** Where ssh is to make its control socket. */
export function controlPath(folder: string): string {
  return join(folder, 'control');
}

/** `args`: besides the configuration and the host. Throws SshError `badConfiguration`, or what the system says. */
export async function startClient(start: ClientStart, args: (folder: string) => readonly string[]): Promise<Client> {
  const { target, program, options, clock } = start;
  const config = clientConfig(target, options);
  const folder = await makeFolder();
  const askpass = new Askpass({
    folder,
    target,
    nodePath: options.nodePath,
    waitingForSecret: (waiting) => clock.waitingForSecret(waiting),
  });
  try {
    const configPath = join(folder, 'config');
    await writeFile(configPath, config, { mode: 0o600 });
    await askpass.start();
    const all = ['-F', configPath, ...args(folder), '--', aliasOf(target)];
    const process = new ClientProcess({ program, args: all, folder, environment: askpass.environment });
    return { folder, process, askpass };
  } catch (error) {
    askpass.close();
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Mode 0700, on a path short enough for a socket. */
async function makeFolder(): Promise<string> {
  const bases = [process.env['XDG_RUNTIME_DIR'] ?? '', tmpdir(), '/tmp'].filter((base) => base.startsWith('/'));
  const name = 'synod-ssh-';
  const isShort = (base: string): boolean => Buffer.byteLength(join(base, `${name}XXXXXX`)) <= LONGEST_FOLDER_BYTES;
  let problem: unknown = new Error('no folder for sockets');
  for (const base of bases.filter(isShort)) {
    try {
      return await mkdtemp(join(base, name));
    } catch (error) {
      problem = error;
    }
  }
  throw problem;
}
