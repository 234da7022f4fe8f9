/** Where to log in and how. Secrets are asked for through callbacks when the host wants them, and never kept here. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export type SshAuth =
  /** `path`: a private key file. `passphrase` is asked only where the key is encrypted. */
  | { kind: 'key'; path: string; passphrase?: (() => Promise<string>) | undefined }
  /** `socket` defaults to $SSH_AUTH_SOCK. */
  | { kind: 'agent'; socket?: string | undefined }
  | { kind: 'password'; password: () => Promise<string> };

export interface SshTarget {
  /** How people call the host; put first in errors. */
  name?: string | undefined;
  /** Name or IP address, without port. */
  address: string;
  port: number;
  user: string;
  /** Tried in this order. */
  auth: readonly SshAuth[];
  /** When given, the only known_hosts file that is asked about this host (the lab's hosts have one of their own). */
  knownHostsPath?: string | undefined;
}

/** "user@address:port": where the login is; the pool's key. */
export function targetLabel(target: SshTarget): string {
  const address = target.address.includes(':') ? `[${target.address}]` : target.address;
  return `${target.user}@${address}:${target.port}`;
}

/** "name (user@address:port)", or without a name only the place: how a host is named in errors. */
export function hostLabel(target: SshTarget): string {
  return target.name === undefined ? targetLabel(target) : `${target.name} (${targetLabel(target)})`;
}

/** As ssh does it: the agent where there is one, then those of the user's usual keys that exist. */
export function defaultAuth(environment: NodeJS.ProcessEnv = process.env, home: string = homedir()): SshAuth[] {
  const socket = environment['SSH_AUTH_SOCK'];
  const agent: SshAuth[] = socket === undefined || socket === '' ? [] : [{ kind: 'agent', socket }];
  const keys = ['id_ed25519', 'id_ecdsa', 'id_rsa']
    .map((name) => join(home, '.ssh', name))
    .filter((path) => existsSync(path))
    .map((path): SshAuth => ({ kind: 'key', path }));
  return [...agent, ...keys];
}
