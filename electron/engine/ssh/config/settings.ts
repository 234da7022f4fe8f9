/**
 * What ssh_config(5) says about one host, as `ssh -G` would answer. Synod reads the files itself: `ssh` may be missing where the
 * console runs (Windows), its answer loses the order of what it merges, and one process a host and connect is dear in a large
 * fleet. Where ssh is there, the tests compare the two over many configurations.
 */
import { ConfigError } from './config-error.ts';
import { Evaluation, type RawSettings } from './evaluate.ts';
import { type JumpHost, parseJumps } from './jumps.ts';
import { expandHostName, expandPath, expandTilde, expandTokens, type TokenValues } from './tokens.ts';
import { type ConfigWorld, realWorld } from './world.ts';

export interface SshSettings {
  hostName: string;
  user: string;
  port: number;
  /** Absolute or relative to the current folder, in the order to try; null: none is configured, so the usual ones. */
  identityFiles: readonly string[] | null;
  certificateFiles: readonly string[];
  /** Socket path; `none`: no agent; null: the one of $SSH_AUTH_SOCK. */
  identityAgent: string | null;
  identitiesOnly: boolean;
  /** Lower case. */
  hostKeyAlias: string | null;
  userKnownHostsFiles: readonly string[];
  globalKnownHostsFiles: readonly string[];
  proxyJump: readonly JumpHost[];
  /** For a shell, tokens expanded; null: connects directly or by `proxyJump`. */
  proxyCommand: string | null;
  /** null: not configured. */
  connectTimeoutS: number | null;
  /** null: not configured. */
  serverAliveIntervalS: number | null;
  serverAliveCountMax: number;
  /** As written, with `+`, `-` or `^` in front; null: not configured. */
  hostKeyAlgorithms: string | null;
  addressFamily: 4 | 6 | null;
  bindAddress: string | null;
  methods: { publicKey: boolean; keyboardInteractive: boolean; password: boolean };
  /** A token (smart card) whose keys only OpenSSH can use; null: none. */
  pkcs11Provider: string | null;
}

/** What the operator said, which wins over the files, as ssh's own options do. */
export interface SshOverrides {
  hostName?: string | undefined;
  user?: string | undefined;
  port?: number | undefined;
  /** As ssh's -J. */
  proxyJump?: string | undefined;
  identityFiles?: readonly string[] | undefined;
}

/** Throws ConfigError. */
export async function resolveSettings(
  host: string,
  overrides: SshOverrides = {},
  world: ConfigWorld = realWorld(),
): Promise<SshSettings> {
  const settings = overridden(overrides);
  const first = new Evaluation({ host, settings, finalHost: null }, world);
  await first.run();
  const named = settings.get('hostname')?.[0];
  const settled = (named === undefined ? host : expandHostName(named, host)).toLowerCase();
  const canonical = await canonicalName(settled, settings, world);
  if (first.wantsFinalPass || canonical !== null) {
    settings.set('hostname', [(canonical ?? settled).replaceAll('%', '%%')]);
    await new Evaluation({ host, settings, finalHost: canonical ?? settled }, world).run();
  }
  return settingsFrom(settings, { host, hostName: canonical ?? settled }, world);
}

function overridden(overrides: SshOverrides): RawSettings {
  const settings: RawSettings = new Map();
  const { hostName, user, port, proxyJump, identityFiles } = overrides;
  // The address is one, not a pattern: its percent signs (an IPv6 zone) are meant.
  if (hostName !== undefined) settings.set('hostname', [hostName.replaceAll('%', '%%')]);
  if (user !== undefined) settings.set('user', [user]);
  if (port !== undefined) settings.set('port', [String(port)]);
  if (proxyJump !== undefined) settings.set('proxyjump', [proxyJump]);
  if (identityFiles !== undefined) settings.set('identityfile', [...identityFiles]);
  return settings;
}

/** CanonicalizeHostname: the first of the domains in which the name exists; null: not asked for, or in none. */
async function canonicalName(host: string, settings: RawSettings, world: ConfigWorld): Promise<string | null> {
  const wish = settings.get('canonicalizehostname')?.[0]?.toLowerCase() ?? 'no';
  const isProxied = settings.has('proxyjump') || settings.has('proxycommand');
  if (wish !== 'always' && (wish !== 'yes' || isProxied)) return null;
  const maxDots = Number(settings.get('canonicalizemaxdots')?.[0] ?? 1);
  if (host.includes(':') || host.split('.').length - 1 > maxDots) return host;
  for (const domain of settings.get('canonicaldomains') ?? [])
    if (await world.resolves(`${host}.${domain}`)) return `${host}.${domain}`;
  return host;
}

function settingsFrom(raw: RawSettings, names: { host: string; hostName: string }, world: ConfigWorld): SshSettings {
  const first = (name: string): string | null => raw.get(name)?.[0] ?? null;
  const port = wholeNumber('Port', first('port') ?? '22', { min: 1, max: 65_535 });
  const proxyJump = parseJumps(first('proxyjump') ?? 'none');
  const alias = first('hostkeyalias')?.toLowerCase() ?? null;
  const user = first('user') ?? world.localUser;
  const jumpHost = proxyJump.at(-1)?.host ?? '';
  const tokens = { hostName: names.hostName, originalHost: names.host, hostKeyAlias: alias, port, user, jumpHost };
  const path = (value: string): string => expandPath(value, tokens, world);
  const listed = (name: string): string[] | null => {
    const files = raw.get(name)?.filter((file) => file.toLowerCase() !== 'none');
    return files?.map(path) ?? null;
  };
  const time = (name: string): number | null => seconds(name, first(name));
  return {
    hostName: names.hostName,
    user,
    port,
    identityFiles: listed('identityfile'),
    certificateFiles: listed('certificatefile') ?? [],
    identityAgent: agentSocket(first('identityagent'), tokens, world),
    identitiesOnly: isYes(first('identitiesonly') ?? 'no'),
    hostKeyAlias: alias,
    userKnownHostsFiles:
      listed('userknownhostsfile') ?? ['known_hosts', 'known_hosts2'].map((name) => `${world.home}/.ssh/${name}`),
    globalKnownHostsFiles: globalFiles(raw, world),
    proxyJump,
    proxyCommand: proxyCommand(first('proxycommand'), tokens, world),
    connectTimeoutS: time('connecttimeout'),
    serverAliveIntervalS: time('serveraliveinterval'),
    serverAliveCountMax: wholeNumber('ServerAliveCountMax', first('serveralivecountmax') ?? '3', {
      min: 0,
      max: 2 ** 31,
    }),
    hostKeyAlgorithms: first('hostkeyalgorithms'),
    addressFamily: addressFamily(first('addressfamily')),
    bindAddress: first('bindaddress'),
    methods: {
      publicKey: first('pubkeyauthentication')?.toLowerCase() !== 'no' && first('pubkeyauthentication') !== 'false',
      keyboardInteractive: isYes(first('kbdinteractiveauthentication') ?? 'yes'),
      password: isYes(first('passwordauthentication') ?? 'yes'),
    },
    pkcs11Provider: first('pkcs11provider')?.toLowerCase() === 'none' ? null : first('pkcs11provider'),
  };
}

/** `~` is all that is expanded in them. */
function globalFiles(raw: RawSettings, world: ConfigWorld): string[] {
  const files = raw.get('globalknownhostsfile') ?? ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2'];
  return files.filter((file) => file.toLowerCase() !== 'none').map((file) => expandTilde(file, world.home));
}

function proxyCommand(value: string | null, tokens: TokenValues, world: ConfigWorld): string | null {
  if (value === null || value.toLowerCase() === 'none') return null;
  return expandTokens(value, tokens, world);
}

function agentSocket(value: string | null, tokens: TokenValues, world: ConfigWorld): string | null {
  if (value === null || value === 'SSH_AUTH_SOCK') return null;
  const variable = /^\$([A-Za-z_][A-Za-z0-9_]*)$/.exec(value)?.[1];
  if (variable !== undefined) return world.environment[variable] ?? 'none';
  return value.toLowerCase() === 'none' ? 'none' : expandPath(value, tokens, world);
}

function addressFamily(value: string | null): 4 | 6 | null {
  return value?.toLowerCase() === 'inet' ? 4 : value?.toLowerCase() === 'inet6' ? 6 : null;
}

function isYes(value: string): boolean {
  return ['yes', 'true'].includes(value.toLowerCase());
}

function wholeNumber(name: string, value: string, range: { min: number; max: number }): number {
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (number >= range.min && number <= range.max) return number;
  throw new ConfigError(`${name} "${value}" is no number from ${range.min} to ${range.max}`);
}

/** sshd_config(5), "TIME FORMATS": "90", "1m30s". */
function seconds(name: string, value: string | null): number | null {
  if (value === null || value.toLowerCase() === 'none') return null;
  if (!/^(\d+[smhdw]?)+$/i.test(value)) throw new ConfigError(`${name} "${value}" is no time such as 30 or 1m30s`);
  const unitSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
  const parts = [...value.toLowerCase().matchAll(/(\d+)([smhdw]?)/g)];
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (unitSeconds[unit || 's'] ?? 1), 0);
}
