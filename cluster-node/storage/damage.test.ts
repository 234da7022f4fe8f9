import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { inspectData, ownerOf } from '../inspect/inspect.ts';
import { noteDiskFailure } from './disk-failures.ts';
import { randomFrom } from './log/log-under-test.ts';
import { accepted, endOfLog, entry, offsetsOf, open, readAll, segmentPaths } from './storage-under-test.ts';

// Hundreds of starts from a real disk, on a machine that may be busy.
vi.setConfig({ testTimeout: 60_000 });

let root: string;
let dataDir: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'synod-storage-'));
  dataDir = join(root, 'data');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('the log cut at any byte of its last write keeps everything before it', async () => {
  const { storage, write } = await open(dataDir);
  await write(accepted(1, 1025, 'one'));
  await write({ kind: 'decided', upTo: 1 });
  const before = endOfLog(dataDir);
  // A crash right after the last write: neither the mark nor a head has followed yet.
  const mark = readFileSync(join(root, 'data/synced'));
  await write(accepted(2, 1025, 'two'));
  const whole = readFileSync(segmentPaths(dataDir)[0] as string);
  await storage.close();
  const [lastAt] = offsetsOf(segmentPaths(dataDir)[0] as string, 'two') as [number];
  const end = lastAt + 72;
  for (let cutAt = before; cutAt < end - 5; cutAt += 16) {
    const torn = Buffer.from(whole);
    torn.fill(0, cutAt);
    writeFileSync(segmentPaths(dataDir)[0] as string, torn);
    writeFileSync(join(root, 'data/synced'), mark);
    const { storage: recovered } = await open(dataDir);
    expect(recovered.recovered).toEqual({ promised: 1025, decidedUpTo: 1, accepted: [], faulty: [] });
    await recovered.close();
  }
});

test('records after a torn tail are written over its remains', async () => {
  const first = await open(dataDir);
  await first.write(accepted(1, 1025, 'one'));
  await first.storage.close();
  const path = segmentPaths(dataDir)[0] as string;
  const torn = readFileSync(path);
  const end = Math.ceil(endOfLog(dataDir) / 8) * 8;
  torn.fill(0xee, end, end + 5000);
  writeFileSync(path, torn);
  const second = await open(dataDir);
  expect(second.storage.droppedBytes).toBeGreaterThan(4000);
  expect(second.storage.damages).toMatchObject([{ kind: 'tornTail', offset: end }]);
  await second.write(accepted(2, 1025, 'two'));
  await second.storage.close();
  const third = await open(dataDir);
  expect(third.storage.recovered.accepted.map(({ slot }) => slot)).toEqual([1, 2]);
  expect(third.storage.droppedBytes).toBe(0);
  await third.storage.close();
});

test('a damaged record that was synced is a faulty slot under its ballot, wherever the damage is, until it is written anew', async () => {
  const { storage, write } = await open(dataDir);
  for (let slot = 1; slot <= 5; slot++) await write(accepted(slot, 1025, `value ${slot}`));
  await write({ kind: 'decided', upTo: 4 });
  await storage.close();
  const path = segmentPaths(dataDir)[0] as string;
  const whole = readFileSync(path);
  const offsets = offsetsOf(path, ...[1, 2, 3, 4, 5].map((slot) => `value ${slot}`));
  for (const [index, offset] of offsets.entries())
    for (const at of [0, 41, 61, 64]) {
      const damaged = Buffer.from(whole);
      damaged[offset + at] = (damaged[offset + at] as number) ^ 0x40;
      writeFileSync(path, damaged);
      const { storage: found } = await open(dataDir);
      const slot = index + 1;
      expect(found.recovered, `slot ${slot}, byte ${at}`).toEqual({
        promised: 1025,
        decidedUpTo: Math.min(4, index),
        accepted: [1, 2, 3, 4, 5]
          .filter((other) => other > Math.min(4, index) && other !== slot)
          .map((other) => entry(other, 1025, `value ${other}`)),
        faulty: [{ slot, ballot: 1025 }],
      });
      expect(found.damages).toMatchObject([{ kind: 'bitRot', file: 'log/0000000000000001.log', offset }]);
      await found.close();
    }
  const repairing = await open(dataDir);
  await repairing.write(accepted(5, 1025, 'value 5'), { kind: 'decided', upTo: 5 });
  await repairing.storage.close();
  const repaired = await open(dataDir);
  expect(repaired.storage.recovered).toMatchObject({ decidedUpTo: 5, faulty: [] });
  expect(await readAll(repaired.storage, 1000)).toHaveLength(5);
  await repaired.storage.close();
});

test('lost, misdirected and missing are told apart, and each names its place', async () => {
  const { storage, write } = await open(dataDir);
  const text = 'x'.repeat(1_000_000);
  for (let slot = 1; slot <= 40; slot++) await write(accepted(slot, 1025, `${slot} ${text}`));
  await storage.close();
  const [first, second] = segmentPaths(dataDir) as [string, string];
  const whole = readFileSync(first);
  const [two, three] = offsetsOf(first, '2 x', '3 x') as [number, number];
  const damageOf = async () => {
    const { storage: found } = await open(dataDir);
    const { damages, recovered } = found;
    await found.close();
    return { damages, faulty: recovered.faulty };
  };
  writeFileSync(first, Buffer.from(whole).fill(0, two, two + 1_000_072));
  expect(await damageOf()).toMatchObject({
    damages: [{ kind: 'lostWrite', offset: two }],
    faulty: [{ slot: 2, ballot: 1025 }],
  });
  const misdirected = Buffer.from(whole);
  whole.copy(misdirected, two, three, three + 1_000_072);
  writeFileSync(first, misdirected);
  expect(await damageOf()).toMatchObject({
    damages: [{ kind: 'misdirectedWrite', offset: two }],
    faulty: [{ slot: 2 }],
  });
  writeFileSync(first, whole);
  const secondBytes = readFileSync(second);
  rmSync(second);
  const missing = await damageOf();
  expect(missing.damages).toMatchObject([{ kind: 'missingSegment', file: 'log/0000000000000002.log' }]);
  expect(missing.faulty.map(({ slot }) => slot)).toEqual(expect.arrayContaining([20, 25, 30]));
  writeFileSync(second, secondBytes.subarray(0, 10_000_000));
  expect((await damageOf()).damages.map(({ kind }) => kind)).toContain('shortSegment');
});

test('after a clean stop a log that lost its end refuses the start, however it lost it', async () => {
  const { storage, write } = await open(dataDir);
  for (let slot = 1; slot <= 3; slot++) await write(accepted(slot, 1025, `value ${slot}`));
  await storage.close();
  const path = segmentPaths(dataDir)[0] as string;
  const whole = readFileSync(path);
  const [lastAt] = offsetsOf(path, 'value 3') as [number];
  const damages: [string, Buffer][] = [
    ['cut to nothing', whole.subarray(0, 8)],
    ['cut in the middle of a record', whole.subarray(0, lastAt + 20)],
    ['records zeroed', Buffer.from(whole).fill(0, 8)],
    ['tail zeroed', Buffer.from(whole).fill(0, lastAt)],
  ];
  for (const [what, bytes] of damages) {
    writeFileSync(path, bytes);
    await expect(open(dataDir), what).rejects.toThrow(/has lost what this node promised: record \d+ was on disk once/);
  }
  writeFileSync(path, whole);
  await (await open(dataDir)).storage.close();
});

test('a deleted newest segment refuses the start', async () => {
  const { storage, write } = await open(dataDir);
  const text = 'x'.repeat(1_000_000);
  for (let slot = 1; slot <= 18; slot++) await write(accepted(slot, 1025, text));
  await storage.close();
  rmSync(segmentPaths(dataDir)[1] as string);
  await expect(open(dataDir)).rejects.toThrow(/record \d+ was on disk once, but the log ends before record/);
});

test('a decided entry that is damaged in service is named, and what stands before it is given', async () => {
  const { storage, write } = await open(dataDir);
  for (let slot = 1; slot <= 3; slot++) await write(accepted(slot, 1025, `value ${slot}`));
  await write({ kind: 'decided', upTo: 3 });
  const path = segmentPaths(dataDir)[0] as string;
  const [, twoAt] = offsetsOf(path, 'value 1', 'value 2') as [number, number];
  const damaged = readFileSync(path);
  damaged[twoAt + 66] = 0;
  writeFileSync(path, damaged);
  expect(await storage.readEntries(1, 1000)).toHaveLength(1);
  await expect(storage.readEntries(2, 1000)).rejects.toMatchObject({ name: 'EntryDamagedError', slot: 2 });
  expect(await storage.readEntries(3, 1000)).toHaveLength(1);
  await storage.close();
});

test('a second failure of the disk soon after the first one is the last', () => {
  mkdirSync(dataDir);
  const startMs = 1_700_000_000_000;
  expect(noteDiskFailure(dataDir, startMs)).toBe(false);
  expect(noteDiskFailure(dataDir, startMs + 60_000)).toBe(true);
  expect(noteDiskFailure(dataDir, startMs + 120_000)).toBe(false);
  expect(noteDiskFailure(dataDir, startMs + 120_000 + 2 * 3_600_000)).toBe(false);
  expect(noteDiskFailure(join(root, 'gone'), startMs)).toBe(true);
});

test('random damage to a real log: nothing acknowledged is wrong or forgotten without a word', async () => {
  const { storage, write } = await open(dataDir);
  const random = randomFrom(20260101);
  for (let slot = 1; slot <= 60; slot++) {
    await write(accepted(slot, 1025 + 1024 * Math.floor(slot / 20), `${slot} ${'y'.repeat(random(200))}`));
    if (slot % 7 === 0) await write({ kind: 'decided', upTo: slot - 3 });
  }
  await storage.close();
  const path = segmentPaths(dataDir)[0] as string;
  const whole = readFileSync(path);
  const end = endOfLog(dataDir);
  const sound = await inspectData(dataDir, null);
  expect(sound).toMatchObject({ verdict: 'sound', damages: [], state: { promised: 4097 } });
  for (let round = 0; round < 60; round++) {
    const damaged = Buffer.from(whole);
    for (let count = 1 + random(4); count > 0; count--) {
      const at = 8 + random(end - 8);
      damaged[at] = (damaged[at] as number) ^ (1 << random(8));
    }
    writeFileSync(path, damaged);
    const report = await inspectData(dataDir, null);
    const state = report.state ?? { promised: 4097, decidedUpTo: 60, undecided: 0 };
    expect(report.verdict === 'sound', `round ${round}`).toBe(report.damages.length === 0);
    expect(state.promised).toBe(4097);
    const covered = new Set(report.faulty.map(({ slot }) => slot));
    expect(state.decidedUpTo + state.undecided + covered.size).toBe(60);
  }
  writeFileSync(path, whole);
});

test('inspect lists records, changes nothing, and says why a folder refuses', async () => {
  const { storage, write } = await open(dataDir);
  await write({ kind: 'promised', ballot: 2049 }, accepted(1, 2049, 'one'), { kind: 'decided', upTo: 1 });
  const whileOpen = await inspectData(dataDir, { from: 1, upTo: 4 });
  expect(whileOpen.records.map(({ kind }) => kind)).toEqual(['head', 'promised', 'accepted', 'decided']);
  expect(ownerOf(dataDir)).toBe(process.pid);
  await storage.close();
  const path = segmentPaths(dataDir)[0] as string;
  const before = readFileSync(path);
  expect(await inspectData(dataDir, null)).toMatchObject({
    superblock: { intactCopies: 4, contents: { nodeId: 'n-test0001' } },
    segments: [{ firstRecord: 1, slots: { from: 1, upTo: 1 }, records: { promised: 1, accepted: 1, decided: 1 } }],
    verdict: 'sound',
  });
  expect(readFileSync(path).equals(before)).toBe(true);
  rmSync(path);
  expect(await inspectData(dataDir, null)).toMatchObject({ verdict: 'refuses', reason: 'the log is gone' });
  writeFileSync(path, before);
  writeFileSync(join(dataDir, 'superblock'), Buffer.alloc(16_384));
  expect(await inspectData(dataDir, null)).toMatchObject({ verdict: 'refuses', superblock: { intactCopies: 0 } });
});
