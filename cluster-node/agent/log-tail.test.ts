import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { tailLogFile } from './log-tail.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'synod-tail-'));
  path = join(folder, 'node.log');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => `line ${from + i} of the löwe`);

it('gives the last lines, oldest first, of a log much longer than a chunk', async () => {
  writeFileSync(path, `${numbered(1, 50_000).join('\n')}\n`);
  expect(await tailLogFile(path, 3)).toEqual(numbered(49_998, 50_000));
  expect(await tailLogFile(path, 2000)).toEqual(numbered(48_001, 50_000));
});

it('gives what there is: no log, an empty one, few lines, a line still being written', async () => {
  expect(await tailLogFile(path, 5)).toEqual([]);
  writeFileSync(path, '');
  expect(await tailLogFile(path, 5)).toEqual([]);
  writeFileSync(path, 'one\ntwo\nhalf');
  expect(await tailLogFile(path, 5)).toEqual(['one', 'two', 'half']);
  expect(await tailLogFile(path, 2)).toEqual(['two', 'half']);
});

it('goes on into the older files of a log that was turned over', async () => {
  writeFileSync(`${path}.2`, `${numbered(1, 10).join('\n')}\n`);
  writeFileSync(`${path}.1`, `${numbered(11, 12).join('\n')}\n`);
  writeFileSync(path, `${numbered(13, 14).join('\n')}\n`);
  expect(await tailLogFile(path, 5)).toEqual(numbered(10, 14));
});

it('stays within one protocol line whatever the log holds', async () => {
  writeFileSync(path, `${Array.from({ length: 2000 }, () => 'x'.repeat(20_000)).join('\n')}\n`);
  const lines = await tailLogFile(path, 2000);
  expect(lines.length).toBeGreaterThan(5);
  expect(JSON.stringify(lines).length).toBeLessThan(600_000);
  expect(lines[0]).toMatch(/… \(20000 characters\)$/);
});
