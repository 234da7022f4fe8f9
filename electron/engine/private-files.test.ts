import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStateFolder } from './fleet/state-folder.ts';
import { FleetStore } from './fleet/store.ts';
import { withLabLock } from './lab/lab-lock.ts';
import { makePrivateFolder } from './private-files.ts';

describe.skipIf(process.platform === 'win32')('private files', () => {
  let dir: string;
  let umask: number;
  beforeEach(() => {
    umask = process.umask(0o000);
    dir = mkdtempSync(join(tmpdir(), 'synod-private-'));
  });
  afterEach(() => {
    process.umask(umask);
    rmSync(dir, { recursive: true });
  });
  const wide = (folder: string) =>
    readdirSync(folder).filter((name) => (statSync(join(folder, name)).mode & 0o077) !== 0);

  it('whatever an engine keeps is for its user alone, whatever the umask', async () => {
    const folder = openStateFolder(join(dir, 'a', 'state'), 0);
    const store = new FleetStore({ path: folder.file('fleet.db'), clock: () => 0 });
    store.appendEvent({ clusterId: null, hostId: null, nodeId: null, subject: 's', level: 'action', text: 't' });
    mkdirSync(folder.file('lab'), { mode: 0o700 });
    await withLabLock(folder.file('lab', 'lock'), async () => expect(wide(folder.file('lab'))).toEqual([]));
    expect(readdirSync(folder.path)).toEqual(expect.arrayContaining(['engine.lock', 'fleet.db', 'fleet.db-wal']));
    expect(wide(folder.path)).toEqual([]);
    expect(wide(join(dir, 'a'))).toEqual([]);
    store.close();
    folder.release();
  });

  it('narrowing a file keeps the lock that this process holds on it', () => {
    const folder = openStateFolder(join(dir, 'state'), 0);
    chmodSync(folder.file('engine.lock'), 0o644);
    expect(() => openStateFolder(folder.path, 0)).toThrow(/Another engine/);
    expect(wide(folder.path)).toEqual([]);
    const script = `new (require('node:sqlite').DatabaseSync)(${JSON.stringify(folder.file('engine.lock'))}).exec('BEGIN EXCLUSIVE')`;
    expect(spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' }).stderr).toContain('database is locked');
    folder.release();
  });

  it('what an earlier build left open is narrowed', () => {
    const path = join(dir, 'state');
    mkdirSync(path);
    chmodSync(path, 0o755);
    writeFileSync(join(path, 'engine.lock'), '');
    const folder = openStateFolder(path, 0);
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(wide(path)).toEqual([]);
    folder.release();
  });

  it.skipIf(process.platform !== 'linux')('a place where nothing can be made is a failure, and soon', () => {
    expect(() => makePrivateFolder('/proc/nope/deeper')).toThrow(/ENOENT|EACCES|EPERM/);
    expect(() => openStateFolder('/proc/nope', 0)).toThrow(/The state folder \/proc\/nope cannot be used/);
    writeFileSync(join(dir, 'file'), '');
    expect(() => openStateFolder(join(dir, 'file', 'state'), 0)).toThrow(/cannot be used: ENOTDIR/);
  });
});
