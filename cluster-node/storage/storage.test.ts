import { execFileSync } from 'node:child_process';
import {
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Entry } from '../contract/peer.ts';
import { DataDamagedError } from './errors.ts';
import { productSizes } from './sizes.ts';
import { accepted, entry, mountSmall, open, readAll, segmentPaths } from './storage-under-test.ts';
import { writeSuperblock } from './superblock.ts';

const SEGMENT_BYTES = productSizes.segmentBytes;

let root: string;
let dataDir: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'synod-storage-'));
  dataDir = join(root, 'data');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('a node that has run takes no emptied or other data folder for a first start', async () => {
  const first = await open(dataDir);
  await first.write({ kind: 'promised', ballot: 1025 });
  await first.storage.close();
  renameSync(dataDir, join(root, 'away'));
  await expect(open(dataDir)).rejects.toThrow(/has run since 2.*data has no superblock: what it promised is lost/);
  mkdirSync(join(dataDir, 'log'), { recursive: true });
  await expect(open(dataDir)).rejects.toThrow(DataDamagedError);
  const birth = readFileSync(join(root, 'data-born.json'));
  rmSync(join(root, 'data-born.json'));
  await (await open(dataDir)).storage.close();
  writeFileSync(join(root, 'data-born.json'), birth);
  await expect(open(dataDir)).rejects.toThrow(/holds the data of another start/);
  rmSync(dataDir, { recursive: true });
  renameSync(join(root, 'away'), dataDir);
  // A first start that was cut off before the note: it is written now.
  rmSync(join(root, 'data-born.json'));
  const again = await open(dataDir);
  expect(again.storage.recovered.promised).toBe(1025);
  expect(readFileSync(join(root, 'data-born.json'))).toEqual(birth);
  await again.storage.close();
});

test('a new folder remembers nothing', async () => {
  const { storage } = await open(dataDir);
  expect(storage.recovered).toEqual({ promised: 0, decidedUpTo: 0, accepted: [], faulty: [] });
  await storage.close();
});

test('what was durable is recovered: the promise, the decided slot, and the highest accepted entries above it', async () => {
  const first = await open(dataDir);
  await first.write({ kind: 'promised', ballot: 1025 }, accepted(1, 1025, 'one'), accepted(2, 1025, 'two'));
  await first.write({ kind: 'decided', upTo: 1 }, accepted(3, 1025, 'three'), accepted(5, 1025, 'five'));
  await first.write({ kind: 'promised', ballot: 4098 }, accepted(3, 2049, 'three again'));
  await first.storage.close();
  const { storage } = await open(dataDir);
  expect(storage.recovered).toEqual({
    promised: 4098,
    decidedUpTo: 1,
    accepted: [entry(2, 1025, 'two'), entry(3, 2049, 'three again'), entry(5, 1025, 'five')],
    faulty: [],
  });
  expect(await readAll(storage, 1000)).toEqual([entry(1, 1025, 'one')]);
  await storage.close();
});

test('entries are read back across segments, in pages, also while more are written', async () => {
  const { storage, write } = await open(dataDir);
  const text = 'x'.repeat(100_000);
  for (let slot = 1; slot <= 400; slot += 20)
    await write(...Array.from({ length: 20 }, (_, index) => accepted(slot + index, 1025, `${slot + index} ${text}`)), {
      kind: 'decided',
      upTo: slot + 19,
    });
  expect(storage.dataBytes).toBe(SEGMENT_BYTES * 3);
  const digestsOf = (list: readonly Entry[]) => list.map(({ slot, value, digest }) => [slot, crc32(value), digest]);
  const entries = await readAll(storage, 1_000_000);
  expect(entries.map(({ slot }) => slot)).toEqual(Array.from({ length: 400 }, (_, index) => index + 1));
  expect(digestsOf(entries).every(([, computed, digest]) => computed === digest)).toBe(true);
  expect((await storage.readEntries(7, 1)).map(({ slot }) => slot)).toEqual([7]);
  await storage.close();
  const again = await open(dataDir);
  expect(again.storage.recovered).toEqual({ promised: 1025, decidedUpTo: 400, accepted: [], faulty: [] });
  expect(digestsOf(await readAll(again.storage, 1_000_000))).toEqual(digestsOf(entries));
  await again.storage.close();
});

test('what is not decided on disk is never read back', async () => {
  const { storage, write } = await open(dataDir);
  await write(accepted(1, 1025, 'one'), accepted(2, 1025, 'two'), { kind: 'decided', upTo: 1 });
  expect(await storage.readEntries(1, 1000)).toEqual([entry(1, 1025, 'one')]);
  expect(await storage.readEntries(2, 1000)).toEqual([]);
  await storage.close();
});

test('trimming frees whole segments, and the log below says that it is trimmed', async () => {
  const { storage, write } = await open(dataDir);
  const text = 'x'.repeat(100_000);
  for (let slot = 1; slot <= 400; slot += 20)
    await write(...Array.from({ length: 20 }, (_, index) => accepted(slot + index, 1025, `${slot + index} ${text}`)), {
      kind: 'decided',
      upTo: slot + 19,
    });
  const before = storage.dataBytes;
  await storage.trimBelow(350, 20);
  expect(storage.baseSlot).toBe(350);
  await expect(storage.readEntries(330, 10)).rejects.toMatchObject({ name: 'LogTrimmedError', firstSlot: 331 });
  expect(await storage.readEntries(331, 10)).toHaveLength(1);
  expect(storage.dataBytes).toBe(before - SEGMENT_BYTES);
  await storage.close();
  expect(segmentPaths(dataDir)).not.toContain(join(root, 'data/log/0000000000000001.log'));
  const again = await open(dataDir);
  expect(again.storage.recovered).toEqual({ promised: 1025, decidedUpTo: 400, accepted: [], faulty: [] });
  expect(again.storage.damages).toEqual([]);
  expect(again.storage.firstSlot).toBe(331);
  await again.storage.installSnapshot(5000);
  await again.write(accepted(5001, 2049, 'after'), { kind: 'decided', upTo: 5001 });
  await again.storage.close();
  const third = await open(dataDir);
  expect(third.storage.recovered).toEqual({ promised: 2049, decidedUpTo: 5001, accepted: [], faulty: [] });
  expect(third.storage.baseSlot).toBe(5000);
  await third.storage.close();
});

test('the mark follows the log without a stop, survives one bad slot, and is missed when it is gone', async () => {
  const { storage, write } = await open(dataDir);
  await write(accepted(1, 1025, 'one'));
  const path = join(root, 'data/synced');
  const empty = readFileSync(path);
  const endMs = performance.now() + 10_000;
  while (readFileSync(path).equals(empty) && performance.now() < endMs)
    await new Promise((resolve) => setTimeout(resolve, 10));
  const marked = readFileSync(path);
  await storage.close();
  writeFileSync(path, Buffer.from(marked).fill(0xff, 4096));
  const again = await open(dataDir);
  expect(again.storage.recovered.accepted).toHaveLength(1);
  await again.storage.close();
  writeFileSync(path, Buffer.alloc(8192));
  await expect(open(dataDir)).rejects.toThrow(/synced does not check/);
  rmSync(path);
  await expect(open(dataDir)).rejects.toThrow(DataDamagedError);
});

test('the log is written with O_DSYNC: a write that returned is on disk', async ({ skip }) => {
  if (process.platform !== 'linux') skip('skipped: /proc is needed to see the flags of an open file');
  const { storage, write } = await open(dataDir);
  await write(accepted(1, 1025, 'one'));
  for (const path of segmentPaths(dataDir)) {
    const descriptor = readdirSync('/proc/self/fd').find((fd) => linkOf(fd) === path && isWritable(fd));
    const flags = flagsOf(descriptor as string);
    expect(flags & constants.O_DSYNC, path).toBe(constants.O_DSYNC);
  }
  await storage.close();
});

function linkOf(fd: string): string | null {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return null;
  }
}

function flagsOf(fd: string): number {
  return Number.parseInt(/^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '', 8);
}

function isWritable(fd: string): boolean {
  return (flagsOf(fd) & constants.O_RDWR) !== 0;
}

test('a value that looks like records cannot pass for them', async () => {
  const first = await open(dataDir);
  await first.write(accepted(1, 1025, 'one'));
  await first.storage.close();
  const path = join(root, 'data/log', '0000000000000001.log');
  const image = readFileSync(path).subarray(8, 4096).toString('latin1');
  const value = new Uint8Array(Buffer.from(image, 'latin1'));
  const second = await open(join(root, 'other'));
  await second.write({ kind: 'accepted', entry: { slot: 1, ballot: 1025, value, digest: crc32(value) } });
  await second.storage.close();
  const third = await open(join(root, 'other'));
  expect(third.storage.recovered.accepted).toHaveLength(1);
  await third.storage.close();
});

test('a full disk stalls the log, loses nothing, and the log goes on when there is room', async ({ skip }) => {
  const mounted = mountSmall(root);
  if (mounted === null) skip('skipped: no right to mount a small file system');
  try {
    const dataDir = join(mounted as string, 'data');
    const { storage, write, stalls } = await open(dataDir);
    const text = 'x'.repeat(1_000_000);
    let written = 0;
    const writing = (async () => {
      for (let slot = 1; slot <= 40; slot++) {
        await write(accepted(slot, 1025, text));
        written = slot;
      }
    })();
    const endMs = performance.now() + 10_000;
    while (stalls.length === 0 && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(stalls).toEqual([true]);
    expect(written).toBeGreaterThan(20);
    expect(storage.unsyncedBytes).toBeGreaterThan(1_000_000);
    execFileSync('mount', ['-o', 'remount,size=100m', mounted as string]);
    await writing;
    expect(stalls).toEqual([true, false]);
    expect(storage.unsyncedBytes).toBe(0);
    await storage.close();
    const again = await open(dataDir);
    expect(again.storage.recovered.accepted).toHaveLength(40);
    await again.storage.close();
  } finally {
    // Lazily: after a failed expectation files may still be open.
    execFileSync('umount', ['-l', mounted as string]);
  }
});

test('a folder of another format is refused and left alone, and the refusal says what to do', async () => {
  const first = await open(dataDir);
  const { superblock } = first.storage;
  await first.storage.close();
  await writeSuperblock(join(dataDir, 'superblock'), { ...superblock, formatVersion: 1 as 2 });
  const refused =
    /format 1, and this version of Synod reads format 2 .*Run the version .* that wrote it, or replace the node/;
  await expect(open(dataDir)).rejects.toThrow(refused);
});
