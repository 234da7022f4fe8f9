/** Where to log in and how. Secrets are asked for through callbacks when the host wants them, and never kept here. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Gives a secret, or throws where there is none. `wasWrong`: what it gave last did not serve. */
export type SecretCallback = (wasWrong: boolean) => Promise<string>;

/** What a host asks of a person who logs in: a one-time code, a password that has to be changed. */
export interface Questions {
  title: string;
  instructions: string;
  prompts: readonly { text: string; echo: boolean }[];
}

export type SshAuth =
  /** `path`: a private key file. `passphrase` is asked only where the key is encrypted. */
  | { kind: 'key'; path: string; passphrase?: SecretCallback | undefined }
  /** `socket` defaults to $SSH_AUTH_SOCK. `first`: key files whose keys are offered before others; `only`: and no others. */
  | { kind: 'agent'; socket?: string | undefined; first?: readonly string[] | undefined; only?: boolean | undefined }
  | { kind: 'password'; password: SecretCallback }
  /** One answer for each prompt; null: nobody answers. */
  | { kind: 'interactive'; answer: (questions: Questions) => Promise<readonly string[] | null> };

/** With what a host is reached: Synod's own SSH, or the system's OpenSSH client. */
export type Transport = 'builtin' | 'openssh';

/** What the operator chose; `default`: as ssh would do it. */
export type AuthChoice = { kind: 'default' } | { kind: 'key'; path: string } | { kind: 'agent' } | { kind: 'password' };

/** Where secrets come from when a login wants them. `login`: "user@address:port". */
export interface LoginSecrets {
  passphrase: (keyPath: string) => SecretCallback;
  password: (login: string) => SecretCallback;
  answer: (login: string) => (questions: Questions) => Promise<readonly string[] | null>;
}

/** What the system's OpenSSH client is given, for a host that is reached with it (`openssh/`). */
export interface OpenSshLogin {
  /** The name under which it looks the host up in its configuration. */
  alias: string;
  /** Its configuration files, in the order in which they are asked. */
  configPaths: readonly string[];
  auth: AuthChoice;
  secrets: LoginSecrets;
}

/** How the bytes get to the host where it is not reached directly. */
export type Way = { kind: 'jump'; hop: SshTarget } | { kind: 'command'; command: string };

export interface SshTarget {
  /** How people call the host; put first in errors. */
  name?: string | undefined;
  /** Name or IP address, without port. */
  address: string;
  port: number;
  user: string;
  /** Tried in this order. */
  auth: readonly SshAuth[];
  via?: Way | undefined;
  /** When given, the only known_hosts file that is asked about this host (the lab's hosts have one of their own). */
  knownHostsPath?: string | undefined;
  /** Asked after Synod's own file, instead of the user's and the system's usual ones. */
  knownHostsPaths?: readonly string[] | undefined;
  /** Its key is looked up under this name. */
  hostKeyAlias?: string | undefined;
  /** As in ssh_config: a list, or one with `+`, `-` or `^` in front. */
  hostKeyAlgorithms?: string | undefined;
  /** Instead of the pool's. */
  connectTimeoutMs?: number | undefined;
  keepaliveIntervalMs?: number | undefined;
  keepaliveCountMax?: number | undefined;
  addressFamily?: 4 | 6 | undefined;
  localAddress?: string | undefined;
  /** Reached with the system's OpenSSH client, and so are the jump hosts before it; absent: with Synod's own SSH. */
  openSsh?: OpenSshLogin | undefined;
  /** What is configured for its login and only OpenSSH can use, in words. */
  onlyOpenSsh?: string | undefined;
}

/** "user@address:port": where the login is. */
export function targetLabel(target: SshTarget): string {
  const address = target.address.includes(':') ? `[${target.address}]` : target.address;
  return `${target.user}@${address}:${target.port}`;
}

/** The login and the way to it: two hosts behind different bastions may share an address. The pool's key. */
export function targetKey(target: SshTarget): string {
  const { via } = target;
  if (via === undefined) return targetLabel(target);
  return `${targetLabel(target)} via ${via.kind === 'jump' ? targetKey(via.hop) : via.command}`;
}

/** "name (user@address:port)", or without a name only the place: how a host is named in errors. */
export function hostLabel(target: SshTarget): string {
  return target.name === undefined ? targetLabel(target) : `${target.name} (${targetLabel(target)})`;
}

const USUAL_KEYS = ['id_rsa', 'id_ecdsa', 'id_ed25519'];

/** Those of the user's usual keys that exist. */
export function usualKeyFiles(home: string = homedir()): string[] {
  return USUAL_KEYS.map((name) => join(home, '.ssh', name)).filter((path) => existsSync(path));
}
