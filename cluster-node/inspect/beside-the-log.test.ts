import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkKind, checkKinds } from '../storage/folder-check.ts';
import { encodeKnownDisks, encodeQuarantine, type Quarantine } from '../storage/notes.ts';
import { openSnapshotStore } from '../storage/snapshot-store.ts';
import { openStorage } from '../storage/storage.ts';
import { inWords } from './command.ts';
import { inspectData } from './inspect.ts';

let folder: string;
let dataDir: string;
const clusterId = 'c-test0001';

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'synod-inspect-'));
  dataDir = join(folder, 'data');
  const identity = { clusterId, nodeId: 'n-test0001', memberSlot: 1 };
  const events = { onDurable: () => {}, onStalled: () => {}, onFatal: () => {} };
  await (await openStorage({ dataDir, birthPath: join(folder, 'born.json'), identity, events })).close();
  await snapshot(1024);
  await snapshot(2048);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function snapshot(slot: number, ofCluster = clusterId): Promise<void> {
  const store = await openSnapshotStore({ dataDir, clusterId: ofCluster });
  await store.write({ slot, configuration: Uint8Array.of(2), chunks: [Buffer.alloc(100_000, `slot ${slot}`)] });
}

const inspect = () => inspectData(dataDir, null);
const fileOf = (slot: number) => `snapshots/${String(slot).padStart(16, '0')}.snapshot`;

function flip(file: string, offset: number): void {
  const bytes = readFileSync(join(dataDir, file));
  bytes[offset] = (bytes[offset] as number) ^ 1;
  writeFileSync(join(dataDir, file), bytes);
}

const quarantine: Quarantine = {
  trustedUpTo: 1024,
  reason: 'differs at slot 2048',
  atUnixMs: 1_700_000_000_000,
  count: 1,
  isOver: false,
};

test('a sound folder shows its snapshots, newest first, and no notes', async () => {
  const report = await inspect();
  expect(report).toMatchObject({ verdict: 'sound', knownDisks: null, quarantine: null, incoming: [] });
  expect(report.snapshots).toEqual(
    [2048, 1024].map((slot) => ({
      file: fileOf(slot),
      slot,
      sizeBytes: expect.any(Number),
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      damage: null,
    })),
  );
});

test.each([
  ['a flipped bit', async () => flip(fileOf(2048), 50_000), /chunk 0 at byte \d+ does not check/],
  [
    'a cut file',
    async () => writeFileSync(join(dataDir, fileOf(2048)), readFileSync(join(dataDir, fileOf(2048))).subarray(0, 99)),
    /./,
  ],
  ['another cluster', () => snapshot(2048, 'c-other001'), /holds slot 2048 of the cluster c-other001/],
])('a snapshot with %s is told of', async (_, harm, what) => {
  await harm();
  const report = await inspect();
  expect(report).toMatchObject({ verdict: 'faulty', reason: expect.stringContaining(`${fileOf(2048)} is damaged`) });
  expect(report.snapshots.map(({ damage }) => damage)).toEqual([expect.stringMatching(what), null]);
});

test('a snapshot on its way is listed and harms nothing', async () => {
  const store = await openSnapshotStore({ dataDir, clusterId });
  const incoming = await store.receive({ slot: 4096, sha256: 'a'.repeat(64), fileBytes: 100 });
  await incoming.append(0, new Uint8Array(60));
  await incoming.close();
  expect(await inspect()).toMatchObject({ verdict: 'sound', incoming: [{ sizeBytes: 60 }] });
});

test('the note of the others’ disks is read and checked', async () => {
  writeFileSync(join(dataDir, 'peers.json'), encodeKnownDisks({ 2: '0123456789abcdef' }));
  expect(await inspect()).toMatchObject({
    verdict: 'sound',
    knownDisks: { contents: { 2: '0123456789abcdef' }, damage: null },
  });
  flip('peers.json', 20);
  const { verdict, reason, knownDisks } = await inspect();
  expect({ verdict, reason }).toEqual({ verdict: 'faulty', reason: expect.stringContaining('met anew') });
  expect(knownDisks).toEqual({ contents: null, damage: expect.stringContaining('does not check') });
});

test('a quarantine is told of: in force, over, damaged', async () => {
  const path = join(dataDir, 'quarantine.json');
  writeFileSync(path, encodeQuarantine(quarantine));
  expect(await inspect()).toMatchObject({
    verdict: 'faulty',
    reason: expect.stringContaining('differ from the majority'),
    quarantine: { contents: quarantine },
  });
  writeFileSync(path, encodeQuarantine({ ...quarantine, isOver: true }));
  expect(await inspect()).toMatchObject({ verdict: 'sound', quarantine: { contents: { isOver: true } } });
  writeFileSync(path, '{"trustedUpTo":');
  expect(await inspect()).toMatchObject({ verdict: 'faulty', quarantine: { contents: null } });
});

test('a folder where a file should be refuses', async () => {
  rmSync(join(dataDir, 'synced'));
  mkdirSync(join(dataDir, 'synced'));
  expect(await inspect()).toMatchObject({
    verdict: 'refuses',
    reason: expect.stringContaining(`${join(dataDir, 'synced')} is a folder where a file should be`),
  });
});

test('what goes while one looks is passed over, and a link that leads nowhere is not', () => {
  writeFileSync(join(dataDir, 'peers.json.tmp'), '');
  const seen: string[] = [];
  const vanish = (path: string, expected: 'file' | 'folder') => {
    seen.push(path);
    if (expected === 'file') rmSync(path);
    checkKind(path, expected);
  };
  checkKinds(dataDir, vanish);
  expect(seen.length).toBeGreaterThan(5);
  symlinkSync('nowhere', join(dataDir, 'vowed'));
  expect(() => checkKinds(dataDir)).toThrow(/vowed cannot be looked at, perhaps a link that leads nowhere/);
});

test('a folder of a node without its log says to replace the node, and one that is none does not', async () => {
  rmSync(join(dataDir, 'log'), { recursive: true });
  const words = async () => inWords(await inspect(), null);
  expect(await words()).toMatch(/superblock {4}4 of 4 copies intact[^]*verdict {7}refuses[^]*replace the node/);
  rmSync(join(dataDir, 'superblock'));
  const nobodys = await words();
  expect(nobodys).toMatch(/verdict {7}refuses/);
  expect(nobodys).not.toContain('replace the node');
});

test('a note of known disks that names none is told as nobody met', async () => {
  writeFileSync(join(dataDir, 'peers.json'), encodeKnownDisks({}));
  expect(inWords(await inspect(), null)).toContain('known disks   no other member was met yet');
});
