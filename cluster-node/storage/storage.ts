/**
 * What a node must not forget, in its data folder:
 *
 *   lock           held by the one process that uses the folder
 *   superblock     whose log this is; written last at the first start, so that its presence means "the log was complete"
 *   synced         how far the log was on disk: a log that is shorter has lost promises
 *   log/           segments of records: promised, accepted, decided
 *
 * The log is the truth. What is in memory of it (the highest accepted entry of undecided slots, where each entry stands) is
 * rebuilt at start. A folder whose superblock is there but whose log is not, or not whole, refuses to start.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Slot } from '../contract/ballot.ts';
import type { Entry } from '../contract/peer.ts';
import type { DurableRecord, RecoveredState } from '../paxos/interface.ts';
import { checkBirth, readBirth, writeBirth } from './birth.ts';
import { EntryIndex } from './entry-index.ts';
import { DataDamagedError } from './errors.ts';
import type { FileLock } from './file-lock.ts';
import { lockDataFolder } from './lock.ts';
import { LogReader } from './log-reader.ts';
import { type AppendedRecord, LogWriter, type LogWriterEvents } from './log-writer.ts';
import { scanLog } from './recovery.ts';
import { adoptSpare, firstNumberOf, prepareSpare } from './segment.ts';
import { checkIdentity, readSuperblock, STORAGE_FORMAT, type Superblock, writeSuperblock } from './superblock.ts';
import { createMark, openMark, type SyncedMark } from './synced-mark.ts';

const MARK_FILE = 'synced';

export interface StorageOptions {
  readonly dataDir: string;
  /** The note that this node has run, outside `dataDir`. */
  readonly birthPath: string;
  readonly identity: Pick<Superblock, 'clusterId' | 'nodeId' | 'memberSlot'>;
  readonly events: Omit<LogWriterEvents, 'onWritten'>;
}

/**
 * Opens the data folder, making it at the first start. Throws DataLockedError, DataMismatchError, DataDamagedError, or the
 * system's error (ENOSPC, EACCES).
 */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const { dataDir } = options;
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const lock = lockDataFolder(dataDir);
  let mark: SyncedMark | undefined;
  try {
    const superblock = await openIdentity(options);
    const state = new LogState();
    mark = await openMark(join(dataDir, MARK_FILE));
    const scanned = await scanLog(join(dataDir, 'log'), {
      syncedUpTo: mark.upTo,
      onRecord: (record, place) => state.add(record, place),
    });
    if (scanned.segments.length === 0)
      throw new DataDamagedError(
        `${dataDir} has a superblock but no log: its promises are lost and it must not vote. Replace the node.`,
      );
    await mark.write(scanned.nextNumber - 1);
    const recovered = state.recovered();
    const events = { ...options.events, onWritten: state.note.bind(state) };
    const writer = new LogWriter({ logDir: join(dataDir, 'log'), events, mark, ...scanned });
    return new Storage({ superblock, lock, writer, state, recovered, droppedBytes: scanned.droppedBytes });
  } catch (error) {
    await mark?.close().catch(() => undefined);
    lock.release();
    throw error;
  }
}

export class Storage {
  readonly superblock: Superblock;
  readonly recovered: RecoveredState;
  /** Of a torn tail found at start, never synced. */
  readonly droppedBytes: number;
  readonly #lock: FileLock;
  readonly #writer: LogWriter;
  readonly #reader: LogReader;

  constructor(parts: {
    superblock: Superblock;
    lock: FileLock;
    writer: LogWriter;
    state: LogState;
    recovered: RecoveredState;
    droppedBytes: number;
  }) {
    this.superblock = parts.superblock;
    this.recovered = parts.recovered;
    this.droppedBytes = parts.droppedBytes;
    this.#lock = parts.lock;
    this.#writer = parts.writer;
    this.#reader = new LogReader(parts.state.index, parts.writer.segments);
  }

  get unsyncedRecords(): number {
    return this.#writer.unsyncedRecords;
  }

  /** Bytes in memory that wait for the disk. */
  get unsyncedBytes(): number {
    return this.#writer.unsyncedBytes;
  }

  /** Size of all segments, preallocated space included. */
  get dataBytes(): number {
    return this.#writer.segments.reduce((total, segment) => total + segment.sizeBytes, 0);
  }

  append(records: readonly AppendedRecord[]): void {
    this.#writer.append(records);
  }

  /** Has everything appended reach the disk as soon as it is free. */
  flush(): void {
    this.#writer.flush();
  }

  /** See LogReader.readEntries. */
  readEntries(fromSlot: Slot, maxBytes: number): Promise<Entry[]> {
    return this.#reader.readEntries(fromSlot, maxBytes);
  }

  async close(): Promise<void> {
    await this.#writer.close();
    await this.#reader.close();
    this.#lock.release();
  }
}

/** What the records on disk amount to. */
class LogState {
  readonly index = new EntryIndex();
  #promised = 0;
  readonly #undecided = new Map<Slot, Entry>();

  /** A record found at start. */
  add(record: DurableRecord, place: { segment: number; offset: number }): void {
    if (record.kind === 'promised') this.#promised = Math.max(this.#promised, record.ballot);
    else if (record.kind === 'accepted') {
      this.#promised = Math.max(this.#promised, record.entry.ballot);
      if (this.index.accepted(record.entry.slot, record.entry.ballot, place))
        this.#undecided.set(record.entry.slot, record.entry);
    } else {
      for (let slot = this.index.decidedUpTo + 1; slot <= record.upTo; slot++)
        if (!this.#undecided.delete(slot))
          throw new DataDamagedError(`the log calls slot ${slot} decided but holds no value for it; replace the node`);
      this.index.decided(record.upTo);
    }
  }

  /** A record written in this life. */
  note(record: DurableRecord, place: { segment: number; offset: number }): void {
    if (record.kind === 'accepted') this.index.accepted(record.entry.slot, record.entry.ballot, place);
    else if (record.kind === 'decided') this.index.decided(record.upTo);
  }

  recovered(): RecoveredState {
    const accepted = [...this.#undecided.values()].sort((left, right) => left.slot - right.slot);
    this.#undecided.clear();
    return { promised: this.#promised, decidedUpTo: this.index.decidedUpTo, accepted, faulty: [] };
  }
}

/** The folder's superblock; a folder without one is made into this node's, provided that nothing was ever logged there. */
async function openIdentity({ dataDir, birthPath, identity }: StorageOptions): Promise<Superblock> {
  const path = join(dataDir, 'superblock');
  const logDir = join(dataDir, 'log');
  const found = await readSuperblock(path);
  if (found !== null) checkIdentity(path, found, identity);
  const birth = await readBirth(birthPath);
  if (birth !== null) checkBirth(birth, dataDir, found);
  if (found !== null) {
    // The first start may have been cut off before the note.
    if (birth === null) await writeBirth(birthPath, found);
    await rm(join(logDir, 'spare.tmp'), { force: true });
    return found;
  }
  await mkdir(logDir, { recursive: true, mode: 0o700 });
  await discardUnfinishedStart(logDir);
  await prepareSpare(logDir);
  await adoptSpare(logDir, 1);
  await createMark(join(dataDir, MARK_FILE));
  const superblock: Superblock = {
    formatVersion: STORAGE_FORMAT,
    ...identity,
    incarnation: randomBytes(8).toString('hex'),
    createdAtUnixMs: Date.now(),
  };
  await writeSuperblock(path, superblock);
  await writeBirth(birthPath, superblock);
  return superblock;
}

/** A first start that was cut off before the superblock leaves a log without records. Anything more is no first start. */
async function discardUnfinishedStart(logDir: string): Promise<void> {
  let hasRecords = false;
  const { segments } = await scanLog(logDir, {
    syncedUpTo: 0,
    onRecord: () => {
      hasRecords = true;
    },
  });
  if (hasRecords)
    throw new DataDamagedError(
      `${logDir} has records but the superblock is gone; this node must not vote. Replace it.`,
    );
  for (const segment of segments) await rm(segment.path);
  for (const name of await readdir(logDir)) if (firstNumberOf(name) === null) await rm(join(logDir, name));
}
