/**
 * What a node must not forget, in its data folder:
 *
 *   lock           held by the one process that uses the folder
 *   superblock     whose log this is; written last at the first start, so that its presence means "the log was complete"
 *   synced         how far the log was on disk: a log that is shorter has lost promises
 *   log/           segments of records: heads, promised, accepted, decided
 *
 * The log is the truth. What is in memory of it (where each entry stands) is rebuilt at start. What a damaged disk lost of it is
 * called faulty, and peers have it; a folder that may have lost a promise refuses to start. docs/storage.md has the format.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Slot } from '../contract/ballot.ts';
import type { Entry } from '../contract/peer.ts';
import type { RecoveredState } from '../paxos/interface.ts';
import { checkBirth, readBirth, writeBirth } from './birth.ts';
import { DataDamagedError, DataMismatchError } from './errors.ts';
import type { FileLock } from './file-lock.ts';
import { checkDataFolder } from './folder-check.ts';
import { createZeroed, syncFolder, writeFileDurably, writeFully } from './files.ts';
import { lockDataFolder } from './lock.ts';
import { LOG_FOLDER, MARK_FILE, segmentFile, segmentOf } from './log/commands.ts';
import type { Damage } from './log/damage.ts';
import { decodeMark, type Mark, newMark } from './log/mark.ts';
import type { AppendedRecord } from './log/planner.ts';
import { saltOf } from './log/record.ts';
import { type RecoveredLog, recoverLog, type Settle } from './log/scan.ts';
import { endOfUse } from './log/segment-scan.ts';
import { LogDriver, type LogEvents } from './log-driver.ts';
import { LogReader } from './log-reader.ts';
import { productSizes } from './sizes.ts';
import { checkIdentity, readSuperblock, STORAGE_FORMAT, type Superblock, writeSuperblock } from './superblock.ts';

export interface StorageOptions {
  readonly dataDir: string;
  /** The note that this node has run, outside `dataDir`. */
  readonly birthPath: string;
  readonly identity: Pick<Superblock, 'clusterId' | 'nodeId' | 'memberSlot'>;
  readonly events: LogEvents;
}

/**
 * Opens the data folder, making it at the first start. Throws DataLockedError, DataMismatchError, DataDamagedError, or the
 * system's error (ENOSPC, EACCES, EIO).
 */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const { dataDir, birthPath, events } = options;
  await mkdir(dataDir, { recursive: true, mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST' && error.code !== 'ENOTDIR') throw error;
    throw new DataMismatchError(
      `the data folder ${dataDir} cannot be made because a file is in its place or above it (${error.message}). Move the file away, or ` +
        'put another dataDir into the configuration, and start the node again.',
      { cause: error },
    );
  });
  checkDataFolder(dataDir, birthPath);
  const lock = lockDataFolder(dataDir);
  try {
    const superblock = await openIdentity(options);
    const log = await readLog(dataDir, saltOf(superblock.incarnation));
    if (log.amnesia !== null) throw amnesiac(dataDir, log);
    await settle(dataDir, log.settle);
    const { position, index } = log;
    const driver = new LogDriver({ dataDir, events, position, index, ...productSizes });
    return new Storage({ dataDir, superblock, lock, driver, log });
  } catch (error) {
    lock.release();
    throw error;
  }
}

export class Storage {
  readonly superblock: Superblock;
  readonly recovered: RecoveredState;
  /** What the disk had done to the log, found at start; empty when nothing. */
  readonly damages: readonly Damage[];
  /** Of a torn tail found at start, never synced. */
  readonly droppedBytes: number;
  readonly #lock: FileLock;
  readonly #driver: LogDriver;
  readonly #reader: LogReader;
  readonly #index: RecoveredLog['index'];
  #baseSlot: Slot;

  constructor(parts: {
    dataDir: string;
    superblock: Superblock;
    lock: FileLock;
    driver: LogDriver;
    log: RecoveredLog;
  }) {
    const { promised, decidedUpTo, accepted, faulty, index, position } = parts.log;
    this.superblock = parts.superblock;
    this.recovered = { promised, decidedUpTo, accepted, faulty };
    this.damages = parts.log.damages;
    this.droppedBytes = parts.log.droppedBytes;
    this.#lock = parts.lock;
    this.#driver = parts.driver;
    this.#index = index;
    this.#baseSlot = parts.log.baseSlot;
    this.#reader = new LogReader({ dataDir: parts.dataDir, index, salt: position.salt });
  }

  /** Figures of the start, for the node's log. */
  get found() {
    const { promised, decidedUpTo, accepted, faulty } = this.recovered;
    const { droppedBytes } = this;
    return { promised, decidedUpTo, undecided: accepted.length, faulty: faulty.length, droppedBytes };
  }

  get unsyncedRecords(): number {
    return this.#driver.planner.unsyncedRecords;
  }

  /** Bytes in memory that wait for the disk. */
  get unsyncedBytes(): number {
    return this.#driver.planner.unsyncedBytes;
  }

  /** Size of all segments, preallocated space included. */
  get dataBytes(): number {
    return this.#driver.planner.segments.length * productSizes.segmentBytes;
  }

  /** Everything up to it is in a snapshot, says the log; 0 before the first one. */
  get baseSlot(): Slot {
    return this.#baseSlot;
  }

  /** Entries of lower slots are gone: `readEntries` throws LogTrimmedError for them. */
  get firstSlot(): Slot {
    return this.#index.firstSlot;
  }

  append(records: readonly AppendedRecord[]): void {
    this.#driver.append(records);
  }

  /** Has everything appended reach the disk as soon as it is free. */
  flush(): void {
    this.#driver.flush();
  }

  /** See LogReader.readEntries. */
  readEntries(fromSlot: Slot, maxBytes: number): Promise<Entry[]> {
    return this.#reader.readEntries(fromSlot, maxBytes);
  }

  /**
   * A snapshot of everything up to `snapshotSlot` is durable: removes whole segments that hold no entry of the last
   * `retainedSlots` before it or after it. Resolves when the log says so on disk; the files go soon afterwards.
   * Throws LogClosedError when the log is closed before.
   */
  async trimBelow(snapshotSlot: Slot, retainedSlots: number): Promise<void> {
    this.#driver.planner.trim({ snapshotSlot, keepFrom: Math.max(1, snapshotSlot + 1 - retainedSlots) });
    await this.#driver.baseDurable(snapshotSlot);
    this.#baseSlot = Math.max(this.#baseSlot, snapshotSlot);
  }

  /** A durable snapshot from a peer covers everything up to `slot`, whatever the log lacks below. Resolves when the log says so; see `trimBelow`. */
  async installSnapshot(slot: Slot): Promise<void> {
    this.#driver.planner.installSnapshot(slot);
    await this.#driver.baseDurable(slot);
    this.#baseSlot = Math.max(this.#baseSlot, slot);
  }

  async close(): Promise<void> {
    await this.#driver.close();
    await this.#reader.close();
    this.#lock.release();
  }
}

/** Reads the log of a folder that has a superblock; changes nothing. Throws DataDamagedError where nobody can tell its length. */
async function readLog(dataDir: string, salt: number): Promise<RecoveredLog> {
  const mark = await readMark(dataDir, salt);
  const segments = await segmentsIn(dataDir);
  const read = (segment: number) => readFileSync(join(dataDir, segmentFile(segment)));
  return recoverLog({ segments, read }, { salt, mark, segmentBytes: productSizes.segmentBytes });
}

async function readMark(dataDir: string, salt: number): Promise<Mark> {
  const path = join(dataDir, MARK_FILE);
  const file = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  const mark = file && decodeMark(file, salt);
  if (mark !== null) return mark;
  throw new DataDamagedError(
    `${path} ${file === null ? 'is gone' : 'does not check'}: it says how far the log reached, and without it lost promises ` +
      'cannot be told from none. Replace the node.',
  );
}

async function segmentsIn(dataDir: string): Promise<number[]> {
  const names = await readdir(join(dataDir, LOG_FOLDER)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.map(segmentOf).filter((segment) => segment !== null);
}

function amnesiac(dataDir: string, { amnesia, damages }: RecoveredLog): DataDamagedError {
  const places = damages.slice(0, 3).map(({ file, offset, kind }) => `${file}, offset ${offset}: ${kind}`);
  const where = places.length > 0 ? ` (${places.join('; ')})` : '';
  return new DataDamagedError(
    `${dataDir} has lost what this node promised: ${amnesia}${where}. The node stays down so that it breaks no promise; ` +
      'replace it, the other nodes have its data. `synod-node inspect` shows what is damaged.',
  );
}

/** Zeros a torn tail and syncs what stands before it: a process that was killed may have left it in the page cache only. */
async function settle(dataDir: string, { file, offset, zeroBytes, sizeBytes, remove }: Settle): Promise<void> {
  const path = join(dataDir, file);
  const handle = await open(path, 'r+');
  try {
    const { size } = await handle.stat();
    await writeFully(handle, Buffer.alloc(zeroBytes), offset);
    if (size < sizeBytes) await writeFully(handle, Buffer.alloc(sizeBytes - size), size);
    await handle.sync();
  } finally {
    await handle.close();
  }
  for (const unused of remove) await rm(join(dataDir, unused), { force: true });
  await syncFolder(dirname(path));
}

/** The folder's superblock; a folder without one is made into this node's, provided that nothing was ever logged there. */
async function openIdentity({ dataDir, birthPath, identity }: StorageOptions): Promise<Superblock> {
  const path = join(dataDir, 'superblock');
  const logDir = join(dataDir, LOG_FOLDER);
  const found = await readSuperblock(path);
  if (found !== null) checkIdentity(path, found, identity);
  const birth = await readBirth(birthPath);
  if (birth !== null) checkBirth(birth, dataDir, found);
  if (found !== null) {
    // The first start may have been cut off before the note.
    if (birth === null) await writeBirth(birthPath, found);
    return found;
  }
  await mkdir(logDir, { recursive: true, mode: 0o700 });
  await discardUnfinishedStart(dataDir);
  const incarnation = randomBytes(8).toString('hex');
  await createZeroed(join(dataDir, segmentFile(1)), productSizes.segmentBytes);
  await writeFileDurably(join(dataDir, MARK_FILE), Buffer.from(newMark(saltOf(incarnation))));
  const superblock: Superblock = {
    formatVersion: STORAGE_FORMAT,
    ...identity,
    incarnation,
    createdAtUnixMs: Date.now(),
  };
  await writeSuperblock(path, superblock);
  await writeBirth(birthPath, superblock);
  return superblock;
}

/** A first start that was cut off before the superblock leaves a log without records. Anything more is no first start. */
async function discardUnfinishedStart(dataDir: string): Promise<void> {
  const logDir = join(dataDir, LOG_FOLDER);
  for (const segment of await segmentsIn(dataDir))
    if (endOfUse(await readFile(join(dataDir, segmentFile(segment))), 0) > 0)
      throw new DataDamagedError(
        `${logDir} has records but the superblock is gone; this node must not vote. Replace it.`,
      );
  for (const segment of await segmentsIn(dataDir)) await rm(join(dataDir, segmentFile(segment)));
}
