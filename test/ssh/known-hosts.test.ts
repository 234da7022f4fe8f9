/** Which host keys are trusted, beside what OpenSSH's own client decides over the same known_hosts files and a real sshd. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SshPool } from '../../electron/engine/ssh/pool.ts';
import { hasSshd, type Place, SSHD, startOpenSsh } from './places.ts';

const canCompare = hasSshd && existsSync('/usr/bin/ssh');
it.for(canCompare ? [] : [`skipped: no ssh and ${SSHD} here to compare with`])('%s', (_reason, { skip }) => skip());

describe.runIf(canCompare)('known_hosts', () => {
  let place: Place;
  let stranger: string;
  beforeAll(async () => {
    place = await startOpenSsh('', '127.0.0.7');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(place.folder, 'stranger')]);
    stranger = readFileSync(join(place.folder, 'stranger.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
  });
  afterAll(async () => await place.stop());

  const files = (): string[] => ['first', 'second'].map((name) => join(place.folder, name));

  function opensshVerdict(alias: string | undefined): string {
    const { port, user } = place.target;
    const settings = {
      BatchMode: 'yes',
      StrictHostKeyChecking: 'yes',
      GlobalKnownHostsFile: 'none',
      UserKnownHostsFile: files().join(' '),
      ...(alias === undefined ? {} : { HostKeyAlias: alias }),
    };
    const set = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    const options = ['-F', 'none', ...set, '-i', join(place.folder, 'client'), '-p', String(port)];
    const { status, stderr } = spawnSync('ssh', [...options, `${user}@127.0.0.7`, 'true'], { encoding: 'utf8' });
    if (status === 0) return 'known';
    if (/REVOKED HOST KEY/.test(stderr)) return 'hostKeyRevoked';
    return /IDENTIFICATION HAS CHANGED/.test(stderr) ? 'hostKeyChanged' : 'hostKeyUnknown';
  }

  async function ourVerdict(hostKeyAlias: string | undefined): Promise<string> {
    const pool = new SshPool({ knownHostsPaths: [join(place.folder, 'own')] });
    const { knownHostsPath: _lab, ...target } = place.target;
    try {
      await pool.connection({ ...target, knownHostsPaths: files(), hostKeyAlias });
      return 'known';
    } catch (error) {
      return (error as { kind: string }).kind;
    } finally {
      pool.close();
    }
  }

  async function compare(lines: { first?: string; second?: string; hash?: boolean; alias?: string }): Promise<string> {
    const [first = '', second = ''] = files();
    writeFileSync(first, lines.first ?? '');
    writeFileSync(second, lines.second ?? '');
    if (lines.hash) execFileSync('ssh-keygen', ['-H', '-f', first], { stdio: 'ignore' });
    const ours = await ourVerdict(lines.alias);
    expect(ours).toBe(opensshVerdict(lines.alias));
    return ours;
  }

  it('is judged as ssh judges it', async () => {
    const key = readFileSync(join(place.folder, 'host.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
    const ecdsa = readFileSync(join(place.folder, 'host-ecdsa.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
    const { port } = place.target;
    const name = `[127.0.0.7]:${port}`;
    expect(await compare({ first: `${name} ${key}\n` })).toBe('known');
    expect(await compare({ first: `${name} ${key}\n`, hash: true })).toBe('known');
    expect(await compare({ second: `${name} ${ecdsa}\n` })).toBe('known');
    expect(await compare({ first: `127.0.0.7 ${key}\n` })).toBe('known');
    expect(await compare({ first: `*.0.7]:${port} ${key}\n` })).toBe('known');
    expect(await compare({ first: `[127.0.0.?]:*,!${name} ${key}\n` })).toBe('hostKeyUnknown');
    expect(await compare({ first: `[127.0.0.7]:1 ${key}\n` })).toBe('hostKeyUnknown');
    expect(await compare({ first: `${name} ${stranger}\n` })).toBe('hostKeyChanged');
    expect(await compare({ first: `${name} ${stranger}\n${name} ${key}\n` })).toBe('known');
    expect(await compare({ first: `${name} ${stranger}\n`, second: `${name} ${key}\n` })).toBe('known');
    expect(await compare({ first: `${name} ${key}\n`, second: `@revoked * ${key}\n` })).toBe('hostKeyRevoked');
    expect(await compare({ first: `db1 ${key}\n${name} ${stranger}\n`, alias: 'db1' })).toBe('known');
    expect(await compare({ first: `${name} ${key}\n`, alias: 'db1' })).toBe('hostKeyUnknown');
    expect(await compare({ first: `# ${name} ${key}\n\n${name} ssh-ed25519 AAAA\n` })).toBe('hostKeyUnknown');
  }, 240_000);
});
