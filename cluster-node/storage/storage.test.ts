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
import type { DurableRecord } from '../paxos/interface.ts';
import { DataDamagedError } from './errors.ts';
import { recordBytes } from './record.ts';
import { SEGMENT_BYTES, SEGMENT_HEADER_BYTES } from './segment.ts';
import { openStorage, type Storage } from './storage.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'synod-storage-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const identity = { clusterId: 'c-test0001', nodeId: 'n-test0001', memberSlot: 1 };

/** A storage that tells when a sequence is durable. */
async function open(dataDir = join(root, 'data')) {
  let durableUpTo = 0;
  let waiting: { sequence: number; resolve: () => void }[] = [];
  const stalls: boolean[] = [];
  let sequence = 0;
  const storage = await openStorage({
    dataDir,
    birthPath: `${dataDir}-born.json`,
    identity,
    events: {
      onDurable: (upTo) => {
        durableUpTo = upTo;
        for (const waiter of waiting) if (waiter.sequence <= upTo) waiter.resolve();
        waiting = waiting.filter((waiter) => waiter.sequence > upTo);
      },
      onStalled: (isStalled) => stalls.push(isStalled),
      onFatal: (error) => {
        throw error;
      },
    },
  });
  const write = (...records: DurableRecord[]): Promise<void> => {
    storage.append(records.map((record) => ({ sequence: ++sequence, record })));
    storage.flush();
    const last = sequence;
    return new Promise((resolve) =>
      last <= durableUpTo ? resolve() : waiting.push({ sequence: last, resolve: () => resolve() }),
    );
  };
  return { storage, write, stalls };
}

function entry(slot: number, ballot: number, text: string): Entry {
  const value = new Uint8Array(Buffer.from(text));
  return { slot, ballot, value, digest: crc32(value) };
}
const accepted = (slot: number, ballot: number, text: string): DurableRecord => ({
  kind: 'accepted',
  entry: entry(slot, ballot, text),
});

async function readAll(storage: Storage, maxBytes: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (;;) {
    const page = await storage.readEntries(entries.length + 1, maxBytes);
    if (page.length === 0) return entries;
    entries.push(...page);
  }
}

test('a node that has run takes no emptied or other data folder for a first start', async () => {
  const first = await open();
  await first.write({ kind: 'promised', ballot: 1025 });
  await first.storage.close();
  const dataDir = join(root, 'data');
  renameSync(dataDir, join(root, 'away'));
  await expect(open()).rejects.toThrow(/has run since 2.*data has no superblock: what it promised is lost/);
  mkdirSync(join(dataDir, 'log'), { recursive: true });
  await expect(open()).rejects.toThrow(DataDamagedError);
  const birth = readFileSync(join(root, 'data-born.json'));
  rmSync(join(root, 'data-born.json'));
  await (await open()).storage.close();
  writeFileSync(join(root, 'data-born.json'), birth);
  await expect(open()).rejects.toThrow(/holds the data of another start/);
  rmSync(dataDir, { recursive: true });
  renameSync(join(root, 'away'), dataDir);
  // A first start that was cut off before the note: it is written now.
  rmSync(join(root, 'data-born.json'));
  const again = await open();
  expect(again.storage.recovered.promised).toBe(1025);
  expect(readFileSync(join(root, 'data-born.json'))).toEqual(birth);
  await again.storage.close();
});

test('a new folder remembers nothing', async () => {
  const { storage } = await open();
  expect(storage.recovered).toEqual({ promised: 0, decidedUpTo: 0, accepted: [], faulty: [] });
  await storage.close();
});

test('what was durable is recovered: the promise, the decided slot, and the highest accepted entries above it', async () => {
  const first = await open();
  await first.write({ kind: 'promised', ballot: 1025 }, accepted(1, 1025, 'one'), accepted(2, 1025, 'two'));
  await first.write({ kind: 'decided', upTo: 1 }, accepted(3, 1025, 'three'), accepted(5, 1025, 'five'));
  await first.write({ kind: 'promised', ballot: 4098 }, accepted(3, 2049, 'three again'));
  await first.storage.close();
  const { storage } = await open();
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
  const { storage, write } = await open();
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
  const again = await open();
  expect(again.storage.recovered).toEqual({ promised: 1025, decidedUpTo: 400, accepted: [], faulty: [] });
  expect(digestsOf(await readAll(again.storage, 1_000_000))).toEqual(digestsOf(entries));
  await again.storage.close();
});

test('what is not decided on disk is never read back', async () => {
  const { storage, write } = await open();
  await write(accepted(1, 1025, 'one'), accepted(2, 1025, 'two'), { kind: 'decided', upTo: 1 });
  expect(await storage.readEntries(1, 1000)).toEqual([entry(1, 1025, 'one')]);
  expect(await storage.readEntries(2, 1000)).toEqual([]);
  await storage.close();
});

test('the log cut at any byte of its last write keeps everything before it', async () => {
  const { storage, write } = await open();
  const records = [accepted(1, 1025, 'one'), { kind: 'decided', upTo: 1 } as const, accepted(2, 1025, 'two')];
  // A crash right after the last write: the mark has not followed yet.
  const mark = readFileSync(join(root, 'data/synced'));
  for (const record of records) await write(record);
  await storage.close();
  const path = join(root, 'data/log', '0000000000000001.log');
  const whole = readFileSync(path);
  const end = SEGMENT_HEADER_BYTES + records.reduce((total, record) => total + recordBytes(record), 0);
  const lastAt = end - recordBytes(records[2] as DurableRecord);
  for (let cutAt = lastAt; cutAt < end - 5; cutAt += 7) {
    const torn = Buffer.from(whole);
    torn.fill(0, cutAt);
    writeFileSync(path, torn);
    writeFileSync(join(root, 'data/synced'), mark);
    const { storage: recovered } = await open();
    expect(recovered.recovered).toEqual({ promised: 1025, decidedUpTo: 1, accepted: [], faulty: [] });
    await recovered.close();
  }
});

test('records after a torn tail are written over its remains', async () => {
  const first = await open();
  await first.write(accepted(1, 1025, 'one'));
  await first.storage.close();
  const path = join(root, 'data/log', '0000000000000001.log');
  const torn = readFileSync(path);
  torn.fill(0xee, SEGMENT_HEADER_BYTES + recordBytes(accepted(1, 1025, 'one')), 5000);
  writeFileSync(path, torn);
  const second = await open();
  expect(second.storage.droppedBytes).toBeGreaterThan(4000);
  await second.write(accepted(2, 1025, 'two'));
  await second.storage.close();
  const third = await open();
  expect(third.storage.recovered.accepted.map(({ slot }) => slot)).toEqual([1, 2]);
  expect(third.storage.droppedBytes).toBe(0);
  await third.storage.close();
});

test('damage anywhere before the last write refuses the start', async () => {
  const { storage, write } = await open();
  for (let slot = 1; slot <= 5; slot++) await write(accepted(slot, 1025, `value ${slot}`));
  await storage.close();
  const path = join(root, 'data/log', '0000000000000001.log');
  const whole = readFileSync(path);
  const size = recordBytes(accepted(1, 1025, 'value 1'));
  for (let record = 0; record < 4; record++)
    for (const at of [0, 8, 16, 24, 29, 34, 41, size - 9]) {
      const damaged = Buffer.from(whole);
      const offset = SEGMENT_HEADER_BYTES + record * size + at;
      damaged[offset] = (damaged[offset] as number) ^ 0x40;
      writeFileSync(path, damaged);
      await expect(open(), `record ${record + 1}, byte ${at}`).rejects.toThrow(
        new RegExp(`offset ${SEGMENT_HEADER_BYTES + record * size}: record ${record + 1} is damaged`),
      );
    }
  writeFileSync(path, whole);
  await (await open()).storage.close();
});

test('a missing segment refuses the start', async () => {
  const { storage, write } = await open();
  const text = 'x'.repeat(1_000_000);
  for (let slot = 1; slot <= 40; slot++) await write(accepted(slot, 1025, text));
  await storage.close();
  const logDir = join(root, 'data/log');
  const [, second] = readdirSync(logDir).filter((name) => name.endsWith('.log'));
  rmSync(join(logDir, second as string));
  await expect(open()).rejects.toThrow(DataDamagedError);
});

test('after a clean stop a log that lost its end refuses the start, however it lost it', async () => {
  const { storage, write } = await open();
  for (let slot = 1; slot <= 3; slot++) await write(accepted(slot, 1025, `value ${slot}`));
  await storage.close();
  const path = segmentPaths()[0] as string;
  const whole = readFileSync(path);
  const size = recordBytes(accepted(1, 1025, 'value 1'));
  const lastAt = SEGMENT_HEADER_BYTES + 2 * size;
  const flipped = Buffer.from(whole);
  flipped[lastAt + 45] = (flipped[lastAt + 45] as number) ^ 1;
  const damages: [string, Buffer, RegExp][] = [
    ['cut to its header', whole.subarray(0, SEGMENT_HEADER_BYTES), /has 64 of its 16777216 bytes/],
    ['cut in the middle', whole.subarray(0, 1_000_000), /has 1000000 of its 16777216 bytes/],
    ['records zeroed', Buffer.from(whole).fill(0, SEGMENT_HEADER_BYTES), /record 1 is damaged: record 3 was on disk/],
    ['tail zeroed', Buffer.from(whole).fill(0, lastAt), /record 3 is damaged: record 3 was on disk already/],
    ['a bit of the last record flipped', flipped, /record 3 is damaged: record 3 was on disk already/],
  ];
  for (const [what, bytes, said] of damages) {
    writeFileSync(path, bytes);
    await expect(open(), what).rejects.toThrow(said);
  }
  writeFileSync(path, whole);
  await (await open()).storage.close();
});

test('a deleted newest segment refuses the start', async () => {
  const { storage, write } = await open();
  const text = 'x'.repeat(1_000_000);
  for (let slot = 1; slot <= 18; slot++) await write(accepted(slot, 1025, text));
  await storage.close();
  expect(segmentPaths()).toHaveLength(2);
  rmSync(segmentPaths()[1] as string);
  await expect(open()).rejects.toThrow(/record \d+ is damaged: record 18 was on disk already/);
});

test('the mark follows the log without a stop, survives one bad slot, and is missed when it is gone', async () => {
  const { storage, write } = await open();
  await write(accepted(1, 1025, 'one'));
  const path = join(root, 'data/synced');
  const empty = readFileSync(path);
  const endMs = performance.now() + 10_000;
  while (readFileSync(path).equals(empty) && performance.now() < endMs)
    await new Promise((resolve) => setTimeout(resolve, 10));
  const marked = readFileSync(path);
  await storage.close();
  expect(marked).toEqual(readFileSync(path));
  writeFileSync(path, Buffer.from(marked).fill(0xff, 4096));
  const again = await open();
  expect(again.storage.recovered.accepted).toHaveLength(1);
  await again.storage.close();
  writeFileSync(path, Buffer.alloc(8192));
  await expect(open()).rejects.toThrow(/synced does not check/);
  rmSync(path);
  await expect(open()).rejects.toThrow(DataDamagedError);
});

test('the log is written with O_DSYNC: a write that returned is on disk', async ({ skip }) => {
  if (process.platform !== 'linux') skip('skipped: /proc is needed to see the flags of an open file');
  const { storage, write } = await open();
  await write(accepted(1, 1025, 'one'));
  for (const path of [segmentPaths()[0] as string, join(root, 'data/synced')]) {
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

function segmentPaths(): string[] {
  const logDir = join(root, 'data/log');
  return readdirSync(logDir)
    .filter((name) => name.endsWith('.log'))
    .sort()
    .map((name) => join(logDir, name));
}

test('a value that looks like records cannot pass for them', async () => {
  const first = await open();
  await first.write(accepted(1, 1025, 'one'));
  await first.storage.close();
  const path = join(root, 'data/log', '0000000000000001.log');
  const image = readFileSync(path).subarray(SEGMENT_HEADER_BYTES, 4096).toString('latin1');
  const value = new Uint8Array(Buffer.from(image, 'latin1'));
  const second = await open(join(root, 'other'));
  await second.write({ kind: 'accepted', entry: { slot: 1, ballot: 1025, value, digest: crc32(value) } });
  await second.storage.close();
  const third = await open(join(root, 'other'));
  expect(third.storage.recovered.accepted).toHaveLength(1);
  await third.storage.close();
});

/** A file system of 40 MiB; null without the right to mount one. */
function mountSmall(): string | null {
  const path = mkdtempSync(join(root, 'small-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', path], { stdio: 'ignore' });
    return path;
  } catch {
    return null;
  }
}

test('a full disk stalls the log, loses nothing, and the log goes on when there is room', async ({ skip }) => {
  const mounted = mountSmall();
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
