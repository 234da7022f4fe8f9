import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DataDamagedError, isNoSpace, SnapshotFailedError } from './errors.ts';
import { openSnapshotStore, type SnapshotStore } from './snapshot-store.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'synod-snapshots-'));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const clusterId = 'c-test0001';
const configuration = Uint8Array.of(2, 7, 7);
const MACHINE_BYTES = 300_000;
const machineAt = (slot: number) => Buffer.alloc(MACHINE_BYTES, `the machine at slot ${slot}; `);
const sha256Of = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const open = (more: { bytesPerSecond?: number } = {}) => openSnapshotStore({ dataDir, clusterId, ...more });
const folder = () => join(dataDir, 'snapshots');
const fileOf = (slot: number) => join(folder(), `${String(slot).padStart(16, '0')}.snapshot`);

function* pieces(bytes: Buffer, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
const writeAt = (store: SnapshotStore, slot: number, size = 10_000) =>
  store.write({ slot, configuration, chunks: pieces(machineAt(slot), size) });
async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

test('what was written reads back after a restart, and the newest two stay', async () => {
  const store = await open();
  expect(await store.latest()).toEqual({ snapshot: null, damaged: [] });
  for (const slot of [1024, 2048, 4096]) await writeAt(store, slot);
  expect(readdirSync(folder()).sort()).toEqual(['0000000000002048.snapshot', '0000000000004096.snapshot']);
  const again = await open();
  const { snapshot, damaged } = await again.latest();
  expect(damaged).toEqual([]);
  expect(snapshot).toEqual({
    clusterId,
    slot: 4096,
    configuration,
    sha256: sha256Of(machineAt(4096)),
    machineBytes: MACHINE_BYTES,
    fileBytes: readFileSync(fileOf(4096)).length,
  });
  expect((await readAll(again.read(4096))).equals(machineAt(4096))).toBe(true);
  expect(await again.slots()).toEqual([4096, 2048]);
});

test('the file is the same however the machine cuts its stream', async () => {
  const store = await open();
  await writeAt(store, 1024, 7);
  const first = readFileSync(fileOf(1024));
  await writeAt(store, 1024, 65_536);
  expect(readFileSync(fileOf(1024)).equals(first)).toBe(true);
});

test('a damaged snapshot is told of and passed over, and goes with the next one', async () => {
  await writeAt(await open(), 1024);
  await writeAt(await open(), 2048);
  const whole = readFileSync(fileOf(2048));
  let state = 7;
  for (let round = 0; round < 60; round++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const bytes = Buffer.from(whole);
    const at = round < 30 ? round * 3 : state % bytes.length;
    bytes[at] = (bytes[at] as number) ^ (1 << (state % 8));
    writeFileSync(fileOf(2048), round % 7 === 6 ? whole.subarray(0, state % whole.length) : bytes);
    const { snapshot, damaged } = await (await open()).latest();
    expect([snapshot?.slot, damaged.length], `flipped at ${at}`).toEqual([1024, 1]);
  }
  appendFileSync(fileOf(2048), 'more');
  const store = await open();
  const { damaged } = await store.latest();
  expect(damaged[0]).toBeInstanceOf(DataDamagedError);
  expect(damaged[0]?.message).toContain(fileOf(2048));
  expect(await store.openForReading(2048)).toBeNull();
  await writeAt(store, 4096);
  expect(await store.slots()).toEqual([4096, 1024]);
});

test('a snapshot of another cluster is none of ours', async () => {
  await writeAt(await open(), 1024);
  const { snapshot, damaged } = await (await openSnapshotStore({ dataDir, clusterId: 'c-other' })).latest();
  expect(snapshot).toBeNull();
  expect(damaged[0]?.message).toContain('of the cluster c-test0001');
});

test('what a crash left of a snapshot that was being taken is removed', async () => {
  await open();
  writeFileSync(join(folder(), 'writing.tmp'), 'half');
  await open();
  expect(readdirSync(folder())).toEqual([]);
});

test('an attempt that is ended leaves nothing, lets go of the machine, and does not hinder the next', async () => {
  const store = await open();
  const stop = new AbortController();
  let isLeft = false;
  function* chunks() {
    try {
      for (let at = 0; ; at++) {
        if (at === 100) stop.abort(new Error('the node stops'));
        yield new Uint8Array(60_000);
      }
    } finally {
      isLeft = true;
    }
  }
  const writing = store.write({ slot: 1024, configuration, chunks: chunks(), signal: stop.signal });
  await expect(writeAt(store, 2048)).rejects.toThrow('another snapshot is being written');
  await expect(writing).rejects.toThrow(SnapshotFailedError);
  expect(isLeft).toBe(true);
  expect(readdirSync(folder())).toEqual([]);
  await writeAt(store, 2048);
});

test('writing keeps to its pace', async () => {
  const store = await open({ bytesPerSecond: 1_000_000 });
  const startedAtMs = performance.now();
  await writeAt(store, 1024);
  expect(performance.now() - startedAtMs).toBeGreaterThan(290);
});

/** Sends a snapshot as a peer would, up to `maxBytes` of it. */
async function send(from: SnapshotStore, to: SnapshotStore, maxBytes = Number.POSITIVE_INFINITY) {
  const reader = await from.openForReading(4096);
  if (!reader) throw new Error('nothing to send');
  const incoming = await to.receive(reader);
  const startedAt = incoming.offset;
  while (!incoming.isComplete && incoming.offset - startedAt < maxBytes)
    expect(await incoming.append(incoming.offset, await reader.read(incoming.offset, 50_000))).toBe(true);
  await reader.close();
  return { incoming, startedAt };
}

test('a snapshot goes from one node to another, over a restart of the receiver', async () => {
  const sender = await open();
  await writeAt(sender, 4096);
  const other = mkdtempSync(join(dataDir, 'other-'));
  const openOther = () => openSnapshotStore({ dataDir: other, clusterId });
  const begun = await send(sender, await openOther(), 100_000);
  expect(begun.startedAt).toBe(0);
  expect(await begun.incoming.append(5, new Uint8Array(5))).toBe(false);
  expect(await begun.incoming.append(begun.incoming.offset, new Uint8Array(300_000))).toBe(false);
  await begun.incoming.close();
  const receiver = await openOther();
  const { incoming, startedAt } = await send(sender, receiver);
  expect(startedAt).toBe(100_000);
  const info = await receiver.accept(incoming);
  expect((await receiver.latest()).snapshot).toEqual(info);
  expect(info).toEqual((await sender.latest()).snapshot);
  expect((await readAll((await openOther()).read(4096))).equals(machineAt(4096))).toBe(true);
});

test('a reader goes on while its snapshot is superseded', async () => {
  const store = await open();
  await writeAt(store, 1024);
  const whole = readFileSync(fileOf(1024));
  const reader = await store.openForReading(1024);
  for (const slot of [2048, 4096]) await writeAt(store, slot);
  expect(await store.slots()).toEqual([4096, 2048]);
  expect(Buffer.from((await reader?.read(1000, 5000)) ?? []).equals(whole.subarray(1000, 6000))).toBe(true);
  expect(await reader?.read(whole.length, 10)).toHaveLength(0);
  await reader?.close();
});

test('what arrives damaged, or is not what was offered, is discarded', async () => {
  const sender = await open();
  await writeAt(sender, 4096);
  const other = mkdtempSync(join(dataDir, 'other-'));
  const receiver = await openSnapshotStore({ dataDir: other, clusterId });
  const partial = () => readdirSync(join(other, 'snapshots')).map((name) => join(other, 'snapshots', name));
  const begun = await send(sender, receiver, 100_000);
  await begun.incoming.close();
  const [path = ''] = partial();
  const bytes = readFileSync(path);
  bytes[70_000] = (bytes[70_000] as number) ^ 1;
  writeFileSync(path, bytes);
  const { incoming } = await send(sender, receiver);
  await expect(receiver.accept(incoming)).rejects.toThrow(DataDamagedError);
  expect(partial()).toEqual([]);
  const whole = readFileSync(fileOf(4096));
  const lie = { slot: 4096, sha256: sha256Of(machineAt(1)), fileBytes: whole.length };
  const lying = await receiver.receive(lie);
  await lying.append(0, whole);
  await expect(receiver.accept(lying)).rejects.toThrow(/not the one that was offered/);
  expect(partial()).toEqual([]);
  expect((await receiver.latest()).snapshot).toBeNull();
});

test('only one snapshot is fetched at a time, and one that is too long starts anew', async () => {
  const store = await open();
  const offered = { slot: 1024, sha256: 'a'.repeat(64), fileBytes: 100 };
  await (await store.receive(offered)).close();
  const second = await store.receive({ ...offered, slot: 2048 });
  await second.append(0, new Uint8Array(50));
  await second.close();
  expect(readdirSync(folder())).toHaveLength(1);
  truncateSync(join(folder(), readdirSync(folder())[0] as string), 200);
  const again = await store.receive({ ...offered, slot: 2048 });
  expect(again.offset).toBe(0);
  await again.close();
  await expect(store.receive({ ...offered, sha256: '../../x' })).rejects.toThrow(RangeError);
});

/** A file system of 4 MiB; null without the right to mount one. */
function mountSmall(): string | null {
  const path = mkdtempSync(join(dataDir, 'small-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', path], { stdio: 'ignore' });
    return path;
  } catch {
    return null;
  }
}

test('a full disk ends the attempt, gives the room back, and the next one succeeds', async ({ skip }) => {
  const mounted = mountSmall();
  if (mounted === null) skip('skipped: no right to mount a small file system');
  const small = mounted as string;
  try {
    const store = await openSnapshotStore({ dataDir: small, clusterId, reservedBytes: 0 });
    await writeAt(store, 1024);
    const tooLarge = { slot: 2048, configuration, chunks: pieces(Buffer.alloc(8_000_000), 60_000) };
    const failure = await store.write(tooLarge).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(SnapshotFailedError);
    expect(isNoSpace((failure as SnapshotFailedError).cause)).toBe(true);
    expect(readdirSync(join(small, 'snapshots'))).toEqual(['0000000000001024.snapshot']);
    await writeAt(store, 4096);
    expect((await store.latest()).snapshot?.slot).toBe(4096);
  } finally {
    execFileSync('umount', ['-l', small]);
  }
});

test('what is fetched gives way to the log on a full disk, and is fetched again when there is room', async ({
  skip,
}) => {
  const mounted = mountSmall();
  if (mounted === null) skip('skipped: no right to mount a small file system');
  const small = mounted as string;
  try {
    const store = await openSnapshotStore({ dataDir: small, clusterId, reservedBytes: 1_000_000 });
    const names = () => readdirSync(join(small, 'snapshots'));
    const offered = { slot: 8192, sha256: 'b'.repeat(64), fileBytes: 2_500_000 };
    const fetchHalf = async () => {
      const incoming = await store.receive(offered);
      while (incoming.offset < 1_250_000) await incoming.append(incoming.offset, new Uint8Array(250_000));
      return incoming;
    };
    await (await fetchHalf()).close();
    const resumed = await store.receive(offered);
    expect(resumed.offset).toBe(1_250_000);
    await resumed.close();

    // The rest does not fit any more: nothing is begun, and what is here is given up.
    const other = join(small, 'other');
    writeFileSync(other, Buffer.alloc(2_000_000));
    await expect(store.receive(offered)).rejects.toThrow(/needs 2250000 bytes beside the log, .*; free some space/);
    expect(names()).toEqual([]);

    // Something else takes the room meanwhile.
    rmSync(other);
    const incoming = await fetchHalf();
    writeFileSync(other, Buffer.alloc(2_500_000));
    const rest = incoming.append(incoming.offset, new Uint8Array(1_000_000));
    await expect(rest).rejects.toThrow(/because the log needs the room/);
    expect(names()).toEqual([]);

    // The log asks for it, while it is being fetched and while it is not.
    rmSync(other);
    const interrupted = await fetchHalf();
    await store.makeRoom();
    expect(names()).toEqual([]);
    await expect(interrupted.append(interrupted.offset, new Uint8Array(10))).rejects.toThrow(SnapshotFailedError);
    await (await fetchHalf()).close();
    await store.makeRoom();
    expect(names()).toEqual([]);
    expect((await store.receive(offered)).offset).toBe(0);
  } finally {
    execFileSync('umount', ['-l', small]);
  }
});

test('what was begun to be fetched goes with a snapshot that is as new, and stays with an older one', async () => {
  const store = await open();
  await (await store.receive({ slot: 4096, sha256: 'b'.repeat(64), fileBytes: 100 })).close();
  const incoming = () => readdirSync(folder()).filter((name) => name.endsWith('.incoming'));
  await writeAt(store, 2048);
  expect(incoming()).toHaveLength(1);
  await writeAt(store, 4096);
  expect(incoming()).toEqual([]);
});

test('what is being fetched ends with a snapshot that is as new, and says so', async () => {
  const store = await open();
  const bytes = new Uint8Array(10);
  const fetching = await store.receive({ slot: 4096, sha256: 'b'.repeat(64), fileBytes: 100 });
  await writeAt(store, 2048);
  expect(await fetching.append(0, bytes)).toBe(true);
  await writeAt(store, 4096);
  const reason = /because a snapshot of slot 4096 is here/;
  await expect(fetching.append(10, bytes)).rejects.toThrow(reason);
  await expect(store.accept(fetching)).rejects.toThrow(reason);
});
