/** The scripts run here, on folders of this computer. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyScript, deleteScript, roomScript, THERE_IS_SOMETHING } from './move-scripts.ts';

const run = (script: string) => execFileSync('/bin/sh', ['-s'], { input: script, encoding: 'utf8', stdio: 'pipe' });

describe.skipIf(process.platform !== 'linux')('moving the data of a node', () => {
  let root = '';
  const at = (...names: string[]) => join(root, ...names);
  const folders = (isBegun = false) => ({ old: at('node/data'), new: at('disk/synod/n-1/data'), isBegun });
  const segment = (folder: string) => readFileSync(join(folder, 'log/1'), 'utf8');

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'sy-move-'));
    mkdirSync(at('node/data/log'), { recursive: true });
    writeFileSync(at('node/data/log/1'), 'votes');
    mkdirSync(at('disk'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('copies, compares, and leaves nothing to start on in the old place', () => {
    expect(run(roomScript(folders()))).toMatch(/MiB free/);
    expect(run(copyScript(folders()))).toMatch(/1 files, equal/);
    expect(segment(folders().new)).toBe('votes');
    expect(existsSync(folders().old)).toBe(false);
    run(deleteScript(folders().old, { isChosen: false }));
    expect(existsSync(`${folders().old}.moved`)).toBe(false);
    expect(existsSync(at('node'))).toBe(true);
  });

  it('takes what was renamed for the truth, whatever a refused start left in the old place', () => {
    run(copyScript(folders()));
    mkdirSync(folders().old);
    writeFileSync(join(folders().old, 'lock'), '');
    writeFileSync(join(folders().new, 'log/1'), 'cut');
    run(copyScript(folders(true)));
    expect(segment(folders().new)).toBe('votes');
    expect(segment(`${folders().old}.moved`)).toBe('votes');
    run(deleteScript(folders().old, { isChosen: false }));
    expect(existsSync(folders().old)).toBe(false);
  });

  it('touches nothing that is in the new place, and puts the old one back where it cannot go on', () => {
    mkdirSync(folders().new, { recursive: true });
    writeFileSync(join(folders().new, 'theirs'), 'x');
    for (const script of [roomScript(folders()), copyScript(folders())])
      expect(() => run(script)).toThrow(expect.objectContaining({ status: THERE_IS_SOMETHING }));
    expect(segment(folders().old)).toBe('votes');
    const inside = { ...folders(), new: at('node/data/log/n-1/data') };
    expect(() => run(roomScript(inside))).toThrow(/is inside of/);
    writeFileSync(at('file'), '');
    expect(() => run(copyScript({ ...folders(), new: at('file/synod/n-1/data') }))).toThrow(/file/);
    expect(segment(folders().old)).toBe('votes');
    expect(existsSync(`${folders().old}.moved`)).toBe(false);
  });
});
