/**
 * Group commit: while one synchronous write runs the next batch fills; never more than one is in flight, and no timer decides
 * when a batch is full. A record is durable when the write that holds it has returned.
 *
 * A failed write is final for the process (Rebello et al., ATC'20: after a failed fsync the page cache cannot be trusted),
 * except for want of space: then the same bytes are written again to the same place until they fit, and nothing counts as
 * durable meanwhile.
 */
import type { FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DurableRecord } from '../paxos/interface.ts';
import { isNoSpace } from './errors.ts';
import { writeFully } from './files.ts';
import { encodeRecord, recordBytes } from './record.ts';
import {
  adoptSpare,
  openForWriting,
  prepareSpare,
  SEGMENT_BYTES,
  SEGMENT_HEADER_BYTES,
  type Segment,
} from './segment.ts';
import type { SyncedMark } from './synced-mark.ts';

const MAX_BATCH_BYTES = 4 * 1024 * 1024;
const NO_SPACE_RETRY_MS = 500;
/** The next segment is prepared once this much of the present one is used. */
const SPARE_AFTER_BYTES = SEGMENT_BYTES / 4;

export interface AppendedRecord {
  readonly sequence: number;
  readonly record: DurableRecord;
}

export interface LogWriterEvents {
  /** All records appended with sequence ≤ `upTo` are on disk; `tookMs` is the time of this one write. */
  onDurable(upTo: number, tookMs: number): void;
  /** Where an entry now stands; called before `onDurable`. */
  onWritten(record: DurableRecord, place: { readonly segment: number; readonly offset: number }): void;
  /** True: the disk is full and nothing becomes durable. False: it goes on. */
  onStalled(isStalled: boolean, error: unknown): void;
  /** The process must end: what is on disk is not known any more. */
  onFatal(error: unknown): void;
}

export class LogWriter {
  readonly segments: Segment[];
  readonly #logDir: string;
  readonly #events: LogWriterEvents;
  readonly #mark: SyncedMark;
  #handle: FileHandle | null = null;
  #nextNumber: number;
  #offset: number;
  #queue: AppendedRecord[] = [];
  #queuedInFlight = 0;
  #unsyncedBytes = 0;
  /** Cleared in the very turn that finds the queue empty, so that no `flush` falls between two runs. */
  #isRunning = false;
  #running: Promise<void> = Promise.resolve();
  #spare: Promise<void> | null = null;
  #buffer = Buffer.alloc(256 * 1024);
  #isClosed = false;
  /** Of the last write. */
  #tookMs = 0;

  constructor(options: {
    logDir: string;
    segments: Segment[];
    nextNumber: number;
    nextOffset: number;
    mark: SyncedMark;
    events: LogWriterEvents;
  }) {
    this.#logDir = options.logDir;
    this.segments = options.segments;
    this.#nextNumber = options.nextNumber;
    this.#offset = options.nextOffset;
    this.#events = options.events;
    this.#mark = options.mark;
  }

  get unsyncedRecords(): number {
    return this.#queue.length + this.#queuedInFlight;
  }

  /** Bytes in memory that wait for the disk. */
  get unsyncedBytes(): number {
    return this.#unsyncedBytes;
  }

  /** Queues records in order of their sequence. They are written by the next `flush`, or with one already due. */
  append(records: readonly AppendedRecord[]): void {
    for (const appended of records) {
      this.#queue.push(appended);
      this.#unsyncedBytes += recordBytes(appended.record);
    }
  }

  /** Has everything queued written as soon as the disk is free. */
  flush(): void {
    if (this.#isRunning || this.#queue.length === 0 || this.#isClosed) return;
    this.#isRunning = true;
    this.#running = this.#run();
  }

  /** Writes what is queued, unless the disk is full, marks how far that was, and lets go of the files. */
  async close(): Promise<void> {
    this.flush();
    this.#isClosed = true;
    await this.#running;
    await this.#spare?.catch(() => undefined);
    await this.#handle?.close();
    this.#handle = null;
    await this.#mark.close();
  }

  async #run(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const batch = this.#takeBatch();
        this.#queuedInFlight = batch.length;
        await this.#write(batch);
        this.#queuedInFlight = 0;
        this.#events.onDurable((batch.at(-1) as AppendedRecord).sequence, this.#tookMs);
      }
      this.#isRunning = false;
    } catch (error) {
      if (error !== CLOSED) this.#events.onFatal(error);
    }
  }

  #takeBatch(): AppendedRecord[] {
    let bytes = 0;
    let count = 0;
    for (const { record } of this.#queue) {
      bytes += recordBytes(record);
      if (count > 0 && bytes > MAX_BATCH_BYTES) break;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  /** Writes a batch, across two segments where the present one is nearly full. */
  async #write(batch: readonly AppendedRecord[]): Promise<void> {
    for (let start = 0; start < batch.length; ) {
      let bytes = 0;
      let end = start;
      for (; end < batch.length; end++) {
        const size = recordBytes((batch[end] as AppendedRecord).record);
        if (size > SEGMENT_BYTES - SEGMENT_HEADER_BYTES) throw new Error(`a record of ${size} bytes fits no segment`);
        if (this.#offset + bytes + size > this.#room()) break;
        bytes += size;
      }
      if (end === start) await this.#retryWithoutSpace(() => this.#roll());
      else await this.#writeRun(batch.slice(start, end), bytes);
      start = end;
    }
    if (this.#offset > SPARE_AFTER_BYTES) this.#prepareSpare();
  }

  #room(): number {
    return this.segments.at(-1)?.sizeBytes ?? 0;
  }

  async #writeRun(run: readonly AppendedRecord[], bytes: number): Promise<void> {
    const segment = this.segments.at(-1) as Segment;
    if (this.#buffer.length < bytes) this.#buffer = Buffer.alloc(Math.min(SEGMENT_BYTES, bytes * 2));
    const syncedUpTo = this.#nextNumber - 1;
    let at = 0;
    for (const [index, { record }] of run.entries())
      at = encodeRecord(this.#buffer, at, record, {
        number: this.#nextNumber + index,
        syncedUpTo,
        salt: segment.salt,
      });
    this.#handle ??= await openForWriting(segment);
    const handle = this.#handle;
    const startedMs = performance.now();
    await this.#retryWithoutSpace(() => writeFully(handle, this.#buffer.subarray(0, bytes), this.#offset));
    this.#tookMs = performance.now() - startedMs;
    for (const { record } of run) {
      this.#events.onWritten(record, { segment: this.segments.length - 1, offset: this.#offset });
      this.#offset += recordBytes(record);
    }
    this.#unsyncedBytes -= bytes;
    this.#nextNumber += run.length;
    this.#mark.reach(this.#nextNumber - 1, (error) => this.#events.onFatal(error));
  }

  async #roll(): Promise<void> {
    this.#spare ??= prepareSpare(this.#logDir);
    const spare = this.#spare;
    this.#spare = null;
    await spare;
    const segment = await adoptSpare(this.#logDir, this.#nextNumber);
    await this.#handle?.close();
    this.#handle = null;
    this.segments.push(segment);
    this.#offset = SEGMENT_HEADER_BYTES;
  }

  #prepareSpare(): void {
    if (this.#spare !== null) return;
    this.#spare = prepareSpare(this.#logDir);
    // Whoever needs the spare meets the error again; until then the present segment has room.
    this.#spare.catch(() => undefined);
  }

  async #retryWithoutSpace(write: () => Promise<void>): Promise<void> {
    for (let isStalled = false; ; ) {
      try {
        await write();
        if (isStalled) this.#events.onStalled(false, null);
        return;
      } catch (error) {
        if (!isNoSpace(error)) throw error;
        if (this.#isClosed) throw CLOSED;
        if (!isStalled) this.#events.onStalled(true, error);
        isStalled = true;
        await sleep(NO_SPACE_RETRY_MS);
        if (this.#isClosed) throw CLOSED;
      }
    }
  }
}

const CLOSED = new Error('the log was closed while the disk was full');
