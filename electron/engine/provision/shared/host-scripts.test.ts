/** The scripts in real shells on a folder as the login's home: whoever comes first wins, and nothing newer is ever replaced. */
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hostPlace } from '../../../../cluster-node/contract/host-layout.ts';
import {
  fenceLines,
  LOCK_LOST,
  lookScript,
  recordScript,
  releaseScript,
  renewScript,
  takeScript,
} from './host-scripts.ts';
import { lockLines, ownerIn } from './lock-file.ts';

const run = promisify(execFile);

describe.skipIf(process.platform !== 'linux')('lock and record on a host', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'sy-lock-'));
  });
  afterEach(() => rmSync(home, { recursive: true }));

  const clusterId = 'c-0000test';
  const at = (holder: string, token: string) => ({ place: hostPlace('home', home), clusterId, holder, token });
  const lockOf = (holder: string, token: string, ttlSeconds = 60) => {
    const owner = {
      who: 'ops@laptop',
      consoleId: holder,
      operationId: token,
      title: `Work of "${token}"`,
      sinceUnixMs: 1,
    };
    return { ttlSeconds, lines: lockLines({ ttlSeconds, holder, token, owner }) };
  };
  const shell = async (script: string) => {
    const child = run('/bin/sh', ['-s'], { env: { ...process.env, HOME: home } });
    child.child.stdin?.end(script);
    return (await child).stdout;
  };
  const take = (holder: string, token: string, ttlSeconds?: number) =>
    shell(takeScript(at(holder, token), lockOf(holder, token, ttlSeconds)));
  const lockFile = () => join(home, '.synod/locks', `${clusterId}.json`);
  const recordFile = () => join(home, '.synod/clusters', `${clusterId}.json`);
  const put = (token: string, sequence: number) =>
    shell(
      recordScript(at('k-1/a', token), { text: `{\n  "formatVersion": 1,\n  "sequence": ${sequence},\n}\n`, sequence }),
    );
  const states = /^lock\t(\w+)\t(-?\d+)/m;
  const stateFor = async (holder: string) => states.exec(await shell(lookScript(at(holder, 'o-look'))))?.slice(1, 3);
  const editLock = (field: string, value: string) => {
    const text = readFileSync(lockFile(), 'utf8');
    writeFileSync(lockFile(), text.replace(new RegExp(`"${field}": [^,]*,`), `"${field}": ${value},`));
  };

  it('is given to exactly one of many that come at once', async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, (_, at) => take(`k-${at}/a`, `o-${at}`)));
    const winners = answers.flatMap((answer, at) => (answer.includes('taken') ? [at] : []));
    expect(winners).toHaveLength(1);
    expect(ownerIn(readFileSync(lockFile(), 'utf8'))).toMatchObject({
      operationId: `o-${winners[0]}`,
      title: `Work of "o-${winners[0]}"`,
    });
  });

  it('is kept by renewing, and given back with the folders that it needed', async () => {
    expect(await take('k-1/a', 'o-1')).toContain(`made\t${home}/.synod\n`);
    expect(await stateFor('k-2/b')).toEqual(['held', '60']);
    editLock('expiresUptimeSeconds', '1');
    expect(await shell(renewScript(at('k-1/a', 'o-1'), lockOf('k-1/a', 'o-1')))).toContain('renewed');
    expect((await stateFor('k-2/b'))?.[0]).toBe('held');
    await shell(releaseScript(at('k-2/b', 'o-2'), []));
    expect(existsSync(lockFile())).toBe(true);
    await shell(releaseScript(at('k-1/a', 'o-1'), [`${home}/.synod`, `${home}/.synod/locks`]));
    expect(readdirSync(home)).toEqual([]);
    expect(await shell(renewScript(at('k-1/a', 'o-1'), lockOf('k-1/a', 'o-1')))).not.toContain('renewed');
    expect(readdirSync(home)).toEqual([]);
  });

  it('goes to another only once it has expired by the boot clock, and at once to its own console', async () => {
    await take('k-1/a', 'o-1');
    expect(await take('k-2/b', 'o-2')).not.toContain('taken');
    expect(await take('k-1/other-computer', 'o-2')).not.toContain('taken');
    expect(await take('k-1/a', 'o-3')).toMatch(/lock\town[^]*taken/);
    // Uptime counts in seconds since the start: by now it has passed the first one.
    editLock('expiresUptimeSeconds', '1');
    expect(await take('k-2/b', 'o-4')).toMatch(/lock\texpired[^]*taken/);
    expect(await shell(renewScript(at('k-1/a', 'o-3'), lockOf('k-1/a', 'o-3')))).toMatch(/lock\theld/);
  });

  it('holds for its time after a restart of the host, whose clock begins anew', async () => {
    await take('k-1/a', 'o-1', 1_000_000_000);
    editLock('bootId', '"another-boot"');
    editLock('expiresUptimeSeconds', '1');
    expect((await stateFor('k-2/b'))?.[0]).toBe('held');
    editLock('ttlSeconds', '1');
    expect(await stateFor('k-2/b')).toEqual(['expired', expect.anything()]);
  });

  it('is not taken where something else is in its place', async () => {
    mkdirSync(join(home, '.synod/locks'), { recursive: true });
    writeFileSync(lockFile(), 'notes of somebody');
    expect(await take('k-1/a', 'o-1')).toMatch(/lock\tforeign/);
    expect(readFileSync(lockFile(), 'utf8')).toBe('notes of somebody');
    rmSync(join(home, '.synod/locks'), { recursive: true });
    mkdirSync(join(home, 'elsewhere'));
    symlinkSync(join(home, 'elsewhere'), join(home, '.synod/locks'));
    await expect(take('k-1/a', 'o-1')).rejects.toThrow(/is a link/);
    expect(readdirSync(join(home, 'elsewhere'))).toEqual([]);
  });

  it('lets only its holder write the record, and only upwards', async () => {
    expect(await put('o-1', 3)).not.toContain('written');
    await take('k-1/a', 'o-1');
    expect(await put('o-2', 3)).not.toContain('written');
    expect(existsSync(recordFile())).toBe(false);
    expect(await put('o-1', 3)).toContain('written');
    for (const sequence of [2, 3]) expect(await put('o-1', sequence)).not.toContain('written');
    expect(await put('o-1', 4)).toContain('written');
    expect(readFileSync(recordFile(), 'utf8')).toContain('"sequence": 4,');
    writeFileSync(recordFile(), 'something else');
    expect(await put('o-1', 5)).not.toContain('written');
  });

  it('keeps the scripts of an operation that has lost it from changing the host', async () => {
    const fenced = (token: string, mayVanish = false) =>
      shell(`${fenceLines(at('k-1/a', token), { mayVanish })}\necho changed`);
    await expect(fenced('o-1')).rejects.toMatchObject({ code: LOCK_LOST, stdout: '' });
    expect(await fenced('o-1', true)).toBe('changed\n');
    await take('k-1/a', 'o-1');
    for (const mayVanish of [false, true]) {
      expect(await fenced('o-1', mayVanish)).toBe('changed\n');
      await expect(fenced('o-2', mayVanish)).rejects.toMatchObject({ code: LOCK_LOST, stdout: '' });
    }
  });
});
