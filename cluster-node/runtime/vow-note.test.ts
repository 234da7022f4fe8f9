import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { noteVows } from './vow-note.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'synod-vowed-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

/** How long a start with this duration waits, in milliseconds; null: not at all. */
async function waited(durationMs: number): Promise<number | null> {
  let waitedMs: number | null = null;
  await noteVows(dataDir, durationMs, (milliseconds) => {
    waitedMs = milliseconds;
    return Promise.resolve();
  });
  return waitedMs;
}

test('a start with a shorter lease, or none, waits for what longer ones may have vowed, once', async () => {
  const waits: (number | null)[] = [];
  for (const durationMs of [0, 600, 600, 1000, 300, 300, 0, 0]) waits.push(await waited(durationMs));
  expect(waits).toEqual([null, null, null, null, 1000, null, 300, null]);
});

test('a start that is cut off while it waits has forgotten nothing', async () => {
  await waited(1000);
  const cutOff = noteVows(dataDir, 300, () => Promise.reject(new Error('cut off')));
  await expect(cutOff).rejects.toThrow('cut off');
  expect(await waited(300)).toBe(1000);
});

test('a note that cannot be read may have been of the longest duration', async () => {
  writeFileSync(join(dataDir, 'vowed'), 'garbled');
  expect(await waited(300)).toBe(60_000);
});
