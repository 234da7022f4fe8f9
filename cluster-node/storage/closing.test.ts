import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LogClosedError } from './errors.ts';
import { accepted, mountSmall, open } from './storage-under-test.ts';

/** Twenty of them fill a segment and a quarter, ten more go into the second one. */
const VALUE = 'x'.repeat(1_000_000);
const values = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, at) => accepted(from + at, 1025, VALUE));

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'synod-closing-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Runs `body` with a data folder on a file system that has room for two segments and no third. */
async function onSmallDisk(skip: (why: string) => void, body: (dataDir: string) => Promise<void>): Promise<void> {
  const mounted = mountSmall(root);
  if (mounted === null) return skip('skipped: no right to mount a small file system');
  try {
    await body(join(mounted, 'data'));
  } finally {
    execFileSync('umount', ['-l', mounted]);
  }
}

test('closing does not wait for a next segment that does not fit, and what fits is kept', async ({ skip }) => {
  await onSmallDisk(skip, async (dataDir) => {
    const { storage, write, stalls } = await open(dataDir);
    // The third segment is wanted from here on, and nothing waits for it yet.
    for (const value of values(1, 21)) await write(value);
    expect(stalls).toEqual([]);
    await storage.close();
    const again = await open(dataDir);
    expect(again.storage.recovered.accepted).toHaveLength(21);
    await again.storage.close();
  });
}, 10_000);

test('closing ends when the disk turns out to be full only then, and says so to who waits for it', async ({ skip }) => {
  await onSmallDisk(skip, async (dataDir) => {
    const { storage, write } = await open(dataDir);
    for (const value of values(1, 10)) await write(value);
    void write(...values(11, 40));
    const trimming = storage.trimBelow(5, 1).catch((error: unknown) => error);
    await storage.close();
    expect(await trimming).toBeInstanceOf(LogClosedError);
    const again = await open(dataDir);
    const { accepted: found } = again.storage.recovered;
    expect(found.length).toBeGreaterThan(20);
    expect(found.map(({ slot }) => slot)).toEqual(found.map((_, at) => at + 1));
    await again.storage.close();
  });
}, 10_000);

test('whoever waits for the log to say that a snapshot is there learns that it was closed', async () => {
  const { storage } = await open(join(root, 'data'));
  await storage.close();
  await expect(storage.trimBelow(5, 1)).rejects.toThrow(LogClosedError);
});
