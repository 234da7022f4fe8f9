/**
 * Carries out what the planner (log/planner.ts) asks for, on real files: batches through a thread of their own, everything else
 * through libuv's pool. Nothing here decides what is written.
 *
 * A failed write is final for the process (Rebello et al., ATC'20: after a failed fsync the page cache cannot be trusted),
 * except for want of space: then the same command is carried out again until it fits, and nothing counts as durable meanwhile.
 */
import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DiskThread } from './disk-thread.ts';
import { isNoSpace, LogClosedError } from './errors.ts';
import { createZeroed, syncFolder, writeFully } from './files.ts';
import type { DiskCommand, LogLane } from './log/commands.ts';
import type { EntryIndex } from './log/entry-index.ts';
import { type AppendedRecord, LogPlanner } from './log/planner.ts';
import type { LogPosition, LogSizes } from './log/position.ts';

const NO_SPACE_RETRY_MS = 500;
const VOUCH_AFTER_MS = 200;
/** Each write returns once its bytes are on disk: one system call for write and sync. */
const WRITE_FLAGS = constants.O_RDWR | constants.O_DSYNC;

export interface LogEvents {
  /** All records appended with sequence ≤ `upTo` are on disk; `tookMs` is the time of this one write. */
  onDurable(upTo: number, tookMs: number): void;
  /** True: the disk is full and nothing becomes durable. False: it goes on. */
  onStalled(isStalled: boolean, error: unknown): void;
  /** The process must end: what is on disk is not known any more. */
  onFatal(error: unknown): void;
}

export interface LogDriverOptions extends LogSizes {
  readonly dataDir: string;
  readonly position: LogPosition;
  readonly index: EntryIndex;
  readonly events: LogEvents;
}

interface BaseWaiter {
  readonly slot: number;
  readonly resolve: () => void;
  readonly reject: (error: LogClosedError) => void;
}

export class LogDriver {
  readonly planner: LogPlanner;
  readonly #dataDir: string;
  readonly #events: LogEvents;
  readonly #thread = new DiskThread(WRITE_FLAGS);
  readonly #busy = { log: false, side: false };
  #running: Record<LogLane, Promise<void>> = { log: Promise.resolve(), side: Promise.resolve() };
  #vouchTimer: NodeJS.Timeout | null = null;
  #isStalled = false;
  /** What does not fit the disk is not tried again. */
  #isClosing = false;
  /** While closing something did not fit. */
  #hasGivenUp = false;
  #isClosed = false;
  #hasFailed = false;
  #baseWaiters: BaseWaiter[] = [];

  constructor({ dataDir, events, ...options }: LogDriverOptions) {
    this.#dataDir = dataDir;
    this.#events = events;
    const allocate = (bytes: number) => new Uint8Array(new SharedArrayBuffer(bytes));
    this.planner = new LogPlanner({ ...options, allocate });
    this.#vouchLater();
  }

  append(records: readonly AppendedRecord[]): void {
    this.planner.append(records);
  }

  flush(): void {
    this.planner.flush();
    this.#pump('log');
  }

  /** Resolves when the log on disk says that everything up to `slot` is in a snapshot. Throws LogClosedError when it is closed before. */
  baseDurable(slot: number): Promise<void> {
    if (this.#isClosed) return Promise.reject(new LogClosedError());
    const reached = new Promise<void>((resolve, reject) => this.#baseWaiters.push({ slot, resolve, reject }));
    this.#releaseBase();
    this.#pump('log');
    return reached;
  }

  /** Writes what is left and fits the disk, vouches for it, and lets go of the files. */
  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#vouchTimer !== null) clearTimeout(this.#vouchTimer);
    this.flush();
    await this.#settled();
    while (this.planner.needsVouching && !this.#hasGivenUp && !this.#hasFailed) {
      this.planner.vouch();
      this.#pump('log');
      this.#pump('side');
      await this.#settled();
    }
    this.#isClosed = true;
    await this.#settled();
    for (const { reject } of this.#baseWaiters.splice(0)) reject(new LogClosedError());
    await this.#thread.close();
  }

  async #settled(): Promise<void> {
    while (this.#busy.log || this.#busy.side) await Promise.all([this.#running.log, this.#running.side]);
  }

  #pump(lane: LogLane): void {
    if (this.#busy[lane] || this.#isClosed || this.#hasFailed) return;
    const command = this.planner.next(lane);
    if (command === null) return;
    this.#busy[lane] = true;
    this.#running[lane] = this.#run(command);
  }

  /** Carries out this command and what follows it in its lane. */
  async #run(first: DiskCommand): Promise<void> {
    const { lane } = first;
    try {
      for (let command: DiskCommand | null = first; command !== null; command = this.planner.next(lane)) {
        const tookMs = await this.#carryOut(command);
        this.#busy[lane] = true;
        const before = this.planner.durableUpTo;
        this.planner.done(command);
        if (lane === 'log') {
          if (this.planner.durableUpTo > before) this.#events.onDurable(this.planner.durableUpTo, tookMs);
          this.#releaseBase();
          this.#vouchLater();
          this.#pump('side');
        } else this.#pump('log');
        if (this.#isClosed) break;
      }
      this.#busy[lane] = false;
    } catch (error) {
      this.#busy[lane] = false;
      if (error === GIVEN_UP) {
        this.#hasGivenUp = true;
        return;
      }
      this.#hasFailed = true;
      this.#events.onFatal(error);
    }
  }

  /** Milliseconds that it took. */
  async #carryOut(command: DiskCommand): Promise<number> {
    for (;;) {
      const startedMs = performance.now();
      try {
        const tookMs = await this.#once(command);
        if (this.#isStalled && (command.lane === 'log' || command.kind === 'create')) this.#stall(false, null);
        return tookMs ?? performance.now() - startedMs;
      } catch (error) {
        if (!isNoSpace(error)) throw error;
        if (command.lane === 'log' || this.planner.waitsForSegment) this.#stall(true, error);
        if (this.#isClosing) throw GIVEN_UP;
        await sleep(NO_SPACE_RETRY_MS);
      }
    }
  }

  async #once(command: DiskCommand): Promise<number | undefined> {
    if (command.kind === 'remove') {
      for (const file of command.files) {
        await rm(join(this.#dataDir, file), { force: true });
        await syncFolder(dirname(join(this.#dataDir, file)));
      }
      return undefined;
    }
    const path = join(this.#dataDir, command.file);
    if (command.kind === 'create') {
      await createZeroed(path, command.sizeBytes);
      return undefined;
    }
    if (command.lane === 'log') return this.#thread.write({ path, offset: command.offset, bytes: command.bytes });
    const handle = await open(path, WRITE_FLAGS);
    try {
      await writeFully(handle, Buffer.from(command.bytes), command.offset);
    } finally {
      await handle.close();
    }
    return undefined;
  }

  #stall(isStalled: boolean, error: unknown): void {
    if (this.#isStalled === isStalled) return;
    this.#isStalled = isStalled;
    this.#events.onStalled(isStalled, error);
  }

  #releaseBase(): void {
    const { durableBase } = this.planner;
    this.#baseWaiters = this.#baseWaiters.filter(({ slot, resolve }) => {
      if (durableBase >= slot) resolve();
      return durableBase < slot;
    });
  }

  #vouchLater(): void {
    if (this.#vouchTimer !== null || this.#isClosing || !this.planner.needsVouching) return;
    this.#vouchTimer = setTimeout(() => {
      this.#vouchTimer = null;
      this.planner.vouch();
      this.#pump('log');
      this.#pump('side');
      this.#vouchLater();
    }, VOUCH_AFTER_MS);
  }
}

const GIVEN_UP = new Error('the log was closed while the disk was full');
