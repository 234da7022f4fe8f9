/** Our reading of ssh_config beside what `ssh -G` says, over seeded configurations and over the ones that people get wrong. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { formatJumps } from './jumps.ts';
import { resolveSettings, type SshSettings } from './settings.ts';
import { type ConfigWorld, realWorld } from './world.ts';

/** Each costs five processes; 120 have been run without a difference. */
const SEEDS = Number(process.env['SYNOD_CONFIG_SEEDS'] ?? 15);
const hasSsh = existsSync('/usr/bin/ssh');
const folder = mkdtempSync(join(tmpdir(), 'synod-config-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = join(folder, 'config');
const environment = { ...process.env, SYNOD_TEST: '/from/environment' };
const world: ConfigWorld = realWorld({ files: [{ path, kind: 'user' }], home: userInfo().homedir, environment });

/** The lines of `ssh -G` that Synod has a use for; null: ssh refused the configuration. */
function oracle(host: string): Record<string, string[]> | null {
  const { status, stdout } = spawnSync('ssh', ['-G', '-F', path, host], { encoding: 'utf8', env: environment });
  if (status !== 0) return null;
  const said: Record<string, string[]> = {};
  for (const line of stdout.trim().split('\n')) {
    const [keyword = '', ...words] = line.split(' ');
    (said[keyword] ??= []).push(words.join(' '));
  }
  return said;
}

/** Those lines as our answer would print them. IdentityFile is compared apart: ssh prints it without expanding it. */
function printed(settings: SshSettings): Record<string, string[]> {
  const one = (keyword: string, value: string | number | null) =>
    value === null ? {} : { [keyword]: [String(value)] };
  const files = (names: readonly string[]) => (names.length === 0 ? 'none' : names.join(' '));
  return {
    ...one('hostname', settings.hostName),
    ...one('user', settings.user),
    ...one('port', settings.port),
    ...one('identitiesonly', settings.identitiesOnly ? 'yes' : 'no'),
    ...one('hostkeyalias', settings.hostKeyAlias),
    ...one('userknownhostsfile', files(settings.userKnownHostsFiles)),
    ...one('globalknownhostsfile', files(settings.globalKnownHostsFiles)),
    ...one('proxyjump', settings.proxyJump.length === 0 ? null : formatJumps(settings.proxyJump)),
    ...one('connecttimeout', settings.connectTimeoutS),
    ...one('serveraliveinterval', settings.serverAliveIntervalS ?? 0),
    ...one('serveralivecountmax', settings.serverAliveCountMax),
  };
}

function compared(said: Record<string, string[]>): Record<string, string[]> {
  const names = [
    'hostname',
    'user',
    'port',
    'identitiesonly',
    'hostkeyalias',
    'userknownhostsfile',
    'globalknownhostsfile',
  ];
  const more = ['proxyjump', 'connecttimeout', 'serveraliveinterval', 'serveralivecountmax'];
  const isDefault = (name: string): boolean => name === 'connecttimeout' && said[name]?.[0] === 'none';
  return Object.fromEntries(
    [...names, ...more].flatMap((name) => (said[name] && !isDefault(name) ? [[name, said[name]]] : [])),
  );
}

/** mulberry32: the same seed, the same configuration. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const hosts = ['db1', 'db2.lan', 'DB1', 'gate', '10.0.0.7'];
const patterns = ['db1', 'db?', 'db*', '*', '!db2.lan', '*.lan', '10.0.0.*', 'gate', '!gate', 'DB1', '"db1"'];
const matches = [
  'all',
  'final all',
  'canonical',
  'final host db*',
  'host db*,!db1',
  '!host gate',
  'originalhost db1,gate',
];
const moreMatches = [
  'user ops',
  `localuser ${userInfo().username}`,
  'exec "test %n = db1"',
  'host=*.internal user root',
];
const lines = [
  'HostName %h.internal',
  'hostname = gate.example',
  'User ops',
  'User=root # why',
  'Port 2200',
  'Port = "2201"',
];
const files = ['IdentityFile ~/.ssh/id_%r', 'IdentityFile "~/a b"', 'identityfile ~/.ssh/%h', 'IdentityFile none'];
const others = ['IdentitiesOnly yes', 'IdentitiesOnly no', 'HostKeyAlias Alias-%h', 'UserKnownHostsFile ~/k1 "%d/k 2"'];
const proxies = [
  'ProxyJump ops@gate:2222',
  'ProxyJump none',
  'ProxyJump a,b:22 # x',
  'ProxyCommand none',
  'ProxyCommand nc %h',
];
const rest = [
  'GlobalKnownHostsFile none',
  'ConnectTimeout 1m30s',
  'ServerAliveInterval 7',
  'ServerAliveCountMax 9',
  '',
];
const odd = [
  '\tUser\tlee',
  'UserKnownHostsFile=none',
  '# User nobody',
  'User "li"',
  '  Include extra/*.conf',
  'Include none-there',
];

function randomConfig(random: () => number, depth = 0): string {
  const pick = (from: readonly string[]): string => from[Math.floor(random() * from.length)] ?? '';
  const block = (): string => {
    const body = Array.from({ length: 1 + Math.floor(random() * 4) }, () =>
      pick([...lines, ...files, ...others, ...proxies, ...rest, ...(depth === 0 ? odd : [])]),
    );
    const names = Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(patterns));
    const head = random() < 0.6 ? `Host ${names.join(' ')}` : `Match ${pick([...matches, ...moreMatches])}`;
    return `${random() < 0.15 ? '' : head}\n${body.map((line) => `  ${line}`).join('\n')}\n`;
  };
  return Array.from({ length: 1 + Math.floor(random() * 6) }, block).join('');
}

let compares = 0;

async function differenceOf(seed: number): Promise<unknown> {
  const random = randomOf(seed);
  mkdirSync(join(folder, 'extra'), { recursive: true });
  writeFileSync(path, randomConfig(random).replaceAll('extra/', `${folder}/extra/`));
  for (const name of ['1.conf', '2.conf', 'no']) writeFileSync(join(folder, 'extra', name), randomConfig(random, 1));
  for (const host of hosts) {
    const said = oracle(host);
    const ours = await resolveSettings(host, {}, world).catch((error: Error) => error);
    if (said === null) continue;
    compares += 1;
    if (ours instanceof Error) return { seed, host, error: ours.message };
    const [expected, got] = [compared(said), printed(ours)];
    if (!isDeepStrictEqual(expected, got)) return { seed, host, expected, got };
    const tokens = { '%r': ours.user, '%h': ours.hostName, '~': world.home };
    const named = said['identityfile']?.filter((file) => file !== 'none');
    const expanded = named?.map((file) => file.replace(/%r|%h|~/g, (token) => tokens[token as '~']));
    const isUsual = ours.identityFiles === null;
    if (!isUsual && JSON.stringify(expanded ?? []) !== JSON.stringify(ours.identityFiles))
      return { seed, host, expected: expanded, got: ours.identityFiles };
  }
  return null;
}

async function resolved(config: string, host: string): Promise<SshSettings> {
  writeFileSync(path, config);
  return await resolveSettings(host, {}, world);
}

describe('ssh_config', () => {
  it(`is read as ssh -G reads it, over ${SEEDS} seeded configurations`, async ({ skip }) => {
    if (!hasSsh) return skip('skipped: no ssh here to compare with');
    for (let seed = 1; seed <= SEEDS; seed++) expect(await differenceOf(seed)).toBeNull();
    // What ssh refuses is not compared: most of it must not be.
    expect(compares).toBeGreaterThan(SEEDS * hosts.length * 0.7);
  }, 600_000);

  it('is compared by something that notices a wrong answer', async ({ skip }) => {
    if (!hasSsh) return skip('skipped: no ssh here to compare with');
    // Negative control: a reader for which the last value wins.
    writeFileSync(path, 'Host db1\n User ops\nHost *\n User root\n');
    const said = oracle('db1');
    writeFileSync(path, 'Host *\n User root\nHost db1\n User ops\n');
    expect(compared(said ?? {})).not.toEqual(printed(await resolveSettings('db1', {}, world)));
  });

  it('expands the paths of keys and agents as ssh does', async ({ skip }) => {
    if (!hasSsh) return skip('skipped: no ssh here to compare with');
    const config = `Host db1
  HostName db1.example
  User ops
  Port 2200
  HostKeyAlias Alias
  ProxyCommand false
  IdentityFile ~/%r@%h-%n:%p
  IdentityFile %d/%u-%i-%L-%l-%k-%%
  IdentityFile \${SYNOD_TEST}/key
  IdentityFile /%C`;
    const { identityFiles } = await resolved(config, 'db1');
    const { stderr } = spawnSync('ssh', ['-v', '-F', path, 'db1', 'true'], { encoding: 'utf8', env: environment });
    const tried = [...stderr.matchAll(/identity file (.*) type -?\d+/g)].map(([, file]) => file ?? '');
    expect(identityFiles).toEqual(tried.filter((file) => !file.endsWith('-cert')));
    expect(identityFiles?.[1]).toContain(hostname().split('.')[0]);
  });

  it('knows where the agent is', async () => {
    const agentOf = async (value: string) => (await resolved(`IdentityAgent ${value}`, 'x')).identityAgent;
    expect(await agentOf('SSH_AUTH_SOCK')).toBeNull();
    expect(await agentOf('none')).toBe('none');
    expect(await agentOf('$SYNOD_TEST')).toBe('/from/environment');
    expect(await agentOf('${SYNOD_TEST}/%r')).toBe(`/from/environment/${userInfo().username}`);
    expect(await agentOf('"~/my agent.sock"')).toBe(`${world.home}/my agent.sock`);
  });

  it('expands a ProxyCommand and leaves the shell its own', async () => {
    const { proxyCommand } = await resolved('ProxyCommand nc -X "5" %h %p # $HOME %%', 'db1');
    expect(proxyCommand).toBe('nc -X "5" db1 22 # $HOME %');
  });

  it('lets what the operator said win', async () => {
    writeFileSync(path, 'User ops\nPort 2200\nProxyJump gate\nHostName other\n');
    const overrides = { user: 'me', port: 22, proxyJump: 'none', hostName: 'fe80::1%eth0' };
    const settings = await resolveSettings('db1', overrides, world);
    expect(settings).toMatchObject({ user: 'me', port: 22, proxyJump: [], hostName: 'fe80::1%eth0' });
  });

  it('finds the domain of a short name and reads on with the whole one', async () => {
    const config =
      'CanonicalizeHostname yes\nCanonicalDomains a.example b.example\nMatch final host *.b.example\n User ops\n';
    writeFileSync(path, config);
    const resolves = async (name: string) => name === 'db1.b.example';
    expect(await resolveSettings('db1', {}, { ...world, resolves })).toMatchObject({
      hostName: 'db1.b.example',
      user: 'ops',
    });
    expect(await resolveSettings('db2', {}, { ...world, resolves })).toMatchObject({
      hostName: 'db2',
      user: world.localUser,
    });
  });

  it('names file and line of what is wrong', async () => {
    for (const [line, what] of [
      ['User', 'user has no value'],
      ['User a b', 'user takes one value'],
      ['User "a', 'a quote is not closed'],
      ['Match user', 'Match user has no value'],
      ['Match tomorrow x', 'Match tomorrow is not known'],
      ['Match host a all host b', '"all"'],
    ] as const)
      await expect(resolved(`Host *\n ${line}\n`, 'db1')).rejects.toThrow(new RegExp(`config line 2: ${what}`));
    await expect(resolved('Port 70000', 'db1')).rejects.toThrow('Port "70000"');
    await expect(resolved('IdentityFile ${NO_SUCH_VARIABLE}/x', 'db1')).rejects.toThrow('NO_SUCH_VARIABLE');
    await expect(resolved(`Include ${path}`, 'db1')).rejects.toThrow('too many Includes');
  });

  it('is not stopped by keywords of a later OpenSSH', async () => {
    expect(await resolved('WarnWeakCrypto no\nUser ops\n', 'db1')).toMatchObject({ user: 'ops' });
  });

  it('runs no command of a block that is decided already', async () => {
    const marker = join(folder, 'ran');
    await resolved(`Match host other exec "touch ${marker}"\n User x\n`, 'db1');
    expect(existsSync(marker)).toBe(false);
  });
});
