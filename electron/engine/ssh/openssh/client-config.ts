/**
 * The configuration that OpenSSH's client is given for one connection: first what Synod insists on, for the host and for the
 * jump hosts that the client starts itself (it hands the file on to them), then the operator's own files. In ssh_config the
 * first value of an option counts. Pure; no secret stands in it.
 */
import { knownHostsPathsOf } from '../connect.ts';
import { formatJumps, type JumpHost } from '../config/jumps.ts';
import { SshError } from '../ssh-error.ts';
import { hostLabel, type SshTarget } from '../target.ts';

export interface ClientConfigParts {
  /** Synod's own known_hosts file, and the usual ones. */
  knownHostsPaths: readonly string[];
  connectTimeoutMs: number;
  keepaliveIntervalMs: number;
}

/** Nothing of the console's computer is lent to a host, nothing is opened or run besides, and nobody's key is taken on trust. */
const INSISTED = [
  'StrictHostKeyChecking yes',
  'NoHostAuthenticationForLocalhost no',
  'VerifyHostKeyDNS no',
  'UpdateHostKeys no',
  'CheckHostIP no',
  'HashKnownHosts no',
  'GlobalKnownHostsFile /dev/null',
  'ForwardAgent no',
  'ForwardX11 no',
  'ClearAllForwardings yes',
  'Tunnel no',
  'PermitLocalCommand no',
  'RemoteCommand none',
  'RequestTTY no',
  'EscapeChar none',
  'ControlMaster no',
  'ControlPath none',
  'ControlPersist no',
  'AddKeysToAgent no',
  'BatchMode no',
  'VisualHostKey no',
  'LogLevel INFO',
];

/** Throws SshError `badConfiguration` for what cannot be written in ssh_config. */
export function clientConfig(target: SshTarget, parts: ClientConfigParts): string {
  const { connectTimeoutMs, keepaliveIntervalMs } = parts;
  const lines = [
    ...INSISTED,
    `ConnectTimeout ${inSeconds(target.connectTimeoutMs ?? connectTimeoutMs)}`,
    `ServerAliveInterval ${inSeconds(target.keepaliveIntervalMs ?? keepaliveIntervalMs)}`,
    `ServerAliveCountMax ${target.keepaliveCountMax ?? 3}`,
    ...chainOf(target).flatMap((one) => hostBlock(one, parts.knownHostsPaths)),
    // The record or the choice of the operator; jump hosts log in as they are configured.
    'Host *',
    ...(target.openSsh?.configPaths ?? []).map((path) => `Include ${quoted(path, target)}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** The host, and then its jump hosts from the last to the first. */
export function chainOf(target: SshTarget): SshTarget[] {
  return [target, ...(target.via?.kind === 'jump' ? chainOf(target.via.hop) : [])];
}

/** What the client is given as the host. Throws SshError `badConfiguration`. */
export function aliasOf(target: SshTarget): string {
  const alias = target.openSsh?.alias ?? target.address;
  if (/^[A-Za-z0-9_.:%][A-Za-z0-9_.:%-]*$/.test(alias)) return alias;
  throw unwritable(target, alias);
}

function hostBlock(target: SshTarget, usualKnownHosts: readonly string[]): string[] {
  const knownHosts = knownHostsPathsOf(target, usualKnownHosts).map((path) => tokenless(path, target));
  return [
    `Host ${aliasOf(target)}`,
    ` HostName ${tokenless(target.address, target)}`,
    ` Port ${target.port}`,
    ` User ${quoted(target.user, target)}`,
    ` UserKnownHostsFile ${knownHosts.join(' ') || '/dev/null'}`,
    ...wayLines(target),
    ...loginLines(target),
  ];
}

/** A command stands in the operator's files already. */
function wayLines(target: SshTarget): string[] {
  const { via } = target;
  if (via?.kind === 'command') return [];
  if (via === undefined) return [' ProxyJump none'];
  const hops = chainOf(via.hop).reverse();
  const jumps = hops.map((hop): JumpHost => ({ host: aliasOf(hop), user: hop.user, port: hop.port }));
  // The rest of the line as it is: ssh takes no quotes there.
  return [` ProxyJump ${plain(formatJumps(jumps), target)}`];
}

function loginLines(target: SshTarget): string[] {
  const auth = target.openSsh?.auth ?? { kind: 'default' };
  switch (auth.kind) {
    case 'key':
      return [
        ' IdentitiesOnly yes',
        ` IdentityFile ${tokenless(auth.path, target)}`,
        ' PreferredAuthentications publickey',
      ];
    case 'agent':
      return [' PreferredAuthentications publickey'];
    case 'password':
      return [' PubkeyAuthentication no', ' PreferredAuthentications password,keyboard-interactive'];
    case 'default':
      return [];
  }
}

function inSeconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}

function plain(value: string, target: SshTarget): string {
  if (/[\s"'#\\]/.test(value)) throw unwritable(target, value);
  return value;
}

/** Where ssh would expand tokens. */
function tokenless(value: string, target: SshTarget): string {
  return quoted(value.replaceAll('%', '%%'), target);
}

function quoted(value: string, target: SshTarget): string {
  if (value === '' || /["\\\p{Cc}]|\$\{/u.test(value)) throw unwritable(target, value);
  return `"${value}"`;
}

function unwritable(target: SshTarget, value: string): SshError {
  return new SshError({
    kind: 'badConfiguration',
    host: hostLabel(target),
    problem: `${JSON.stringify(value)} cannot be given to the system's ssh`,
    nextStep: 'Use a name of letters, digits, ".", "-" and "_" for it, or reach this host with the builtin transport.',
  });
}
