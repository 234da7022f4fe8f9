import { appendFileSync, closeSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { appendSupervisorLine, lastLinesSince, lineInWords, logSize, openLog, turnLogOver } from './node-log.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'synod-log-'));
  path = join(folder, 'log', 'node.log');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const bounds = { fileBytes: 100, files: 3 };

it('keeps at most three files while the writer goes on with its descriptor', async () => {
  const fd = openLog(path);
  if (fd === null) throw new Error('no log');
  for (let round = 1; round <= 5; round++) {
    writeSync(fd, `round ${round}\n${'x'.repeat(100)}\n`);
    expect(await turnLogOver(path, bounds)).toBe(true);
  }
  writeSync(fd, 'after\n');
  closeSync(fd);
  expect(readdirSync(join(folder, 'log')).sort()).toEqual(['node.log', 'node.log.1', 'node.log.2']);
  expect(readFileSync(path, 'utf8')).toBe('after\n');
  expect(readFileSync(`${path}.1`, 'utf8')).toMatch(/^round 5\n/);
  expect(readFileSync(`${path}.2`, 'utf8')).toMatch(/^round 4\n/);
  expect(await turnLogOver(path, bounds)).toBe(false);
});

it('gives the lines written since a moment, also when the log was turned over since', async () => {
  appendSupervisorLine(path, 'info', 'before');
  const offset = logSize(path);
  appendFileSync(path, 'one\ntwo\nthree\n');
  expect(lastLinesSince(path, offset, 2)).toEqual(['two', 'three']);
  appendFileSync(path, 'x'.repeat(200));
  await turnLogOver(path, bounds);
  appendFileSync(path, 'later\n');
  expect(lastLinesSince(path, offset, 2)).toEqual(['later']);
  expect(lastLinesSince(join(folder, 'absent'), 0, 2)).toEqual([]);
});

it('takes the words out of a line of either process, and leaves any other line as it is', () => {
  appendSupervisorLine(path, 'warn', 'it is cold');
  expect(lineInWords(readFileSync(path, 'utf8'))).toBe('it is cold');
  for (const line of ['plain', 'null', '{"half', '{"msg":5}']) expect(lineInWords(line)).toBe(line);
});
