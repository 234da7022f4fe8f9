/**
 * Synchronous writes off the event loop: a thread of its own that sleeps on shared memory, writes what it is pointed at with
 * O_DSYNC, and wakes the caller the same way. Faster than libuv's pool by a hop in each direction, and not behind the pool's
 * other work (TLS keys, file reads, name look-ups) when that is busy.
 *
 * The thread's program is the text of one function, so that it is the same from source, in tests and in the one-file bundle.
 */
import { Worker } from 'node:worker_threads';

/** Cells of the shared control block. Times as a float64 behind them. */
const cells = { asked: 0, answered: 1, memory: 2, length: 3, offset: 4, failed: 5 } as const;
const CONTROL_BYTES = 32;
const TOOK_AT = 24;
const KNOWN_MEMORIES = 16;

type Told =
  | { readonly kind: 'memory'; readonly id: number; readonly bytes: Uint8Array }
  | { readonly kind: 'open'; readonly path: string; readonly flags: number }
  | { readonly kind: 'close' };

interface ToldFailure {
  readonly message: string;
  readonly code: string | undefined;
}

interface ThreadData {
  readonly control: SharedArrayBuffer;
  readonly cells: typeof cells;
  readonly tookAt: number;
}

export interface SyncedWrite {
  readonly path: string;
  readonly offset: number;
  /** Over shared memory. */
  readonly bytes: Uint8Array;
}

export class DiskThread {
  readonly #worker: Worker;
  readonly #control = new SharedArrayBuffer(CONTROL_BYTES);
  readonly #cells = new Int32Array(this.#control, 0, TOOK_AT / 4);
  readonly #took = new Float64Array(this.#control, TOOK_AT, 1);
  readonly #flags: number;
  /** What the thread knows, by its number there. */
  readonly #memories: (ArrayBufferLike | undefined)[] = Array.from({ length: KNOWN_MEMORIES });
  #nextMemory = 0;
  #path = '';
  #failure: Error | null = null;
  #death: Error | null = null;
  readonly #ended: Promise<void>;

  /** `flags` are those with which files are opened; O_DSYNC among them. */
  constructor(flags: number) {
    this.#flags = flags;
    const workerData: ThreadData = { control: this.#control, cells, tookAt: TOOK_AT };
    this.#worker = new Worker(`(${threadMain.toString()})()`, { eval: true, workerData, name: 'synod-log' });
    this.#worker.on('message', ({ message, code }: ToldFailure) => {
      this.#failure = Object.assign(new Error(message), code === undefined ? {} : { code });
    });
    this.#ended = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
    this.#worker.once('error', (error) => this.#die(error));
    this.#worker.once('exit', () => this.#die(new Error('the thread that writes the log has ended')));
  }

  /** Milliseconds that the write itself took. One at a time. Throws the system's error. */
  async write({ path, offset, bytes }: SyncedWrite): Promise<number> {
    if (this.#path !== path) {
      this.#tell({ kind: 'open', path, flags: this.#flags });
      this.#path = path;
    }
    const control = this.#cells;
    control[cells.memory] = this.#memoryOf(bytes);
    control[cells.length] = bytes.length;
    control[cells.offset] = offset;
    await this.#ask();
    if (control[cells.failed] === 0) return this.#took[0] as number;
    this.#path = '';
    throw await this.#reason();
  }

  async close(): Promise<void> {
    this.#tell({ kind: 'close' });
    Atomics.add(this.#cells, cells.asked, 1);
    Atomics.notify(this.#cells, cells.asked);
    await this.#ended;
  }

  #tell(told: Told): void {
    this.#worker.postMessage(told);
  }

  async #ask(): Promise<void> {
    if (this.#death !== null) throw this.#death;
    const control = this.#cells;
    const before = Atomics.add(control, cells.asked, 1);
    const answer = Atomics.waitAsync(control, cells.answered, before);
    Atomics.notify(control, cells.asked);
    if (answer.async) await answer.value;
  }

  /** The thread sends its error before it answers, but a message arrives in a turn of its own. */
  async #reason(): Promise<Error> {
    while (this.#failure === null && this.#death === null) await new Promise((resolve) => setImmediate(resolve));
    const failure = this.#failure ?? this.#death;
    this.#failure = null;
    return failure as Error;
  }

  #memoryOf(bytes: Uint8Array): number {
    const known = this.#memories.indexOf(bytes.buffer);
    if (known >= 0) return known;
    const id = this.#nextMemory;
    this.#nextMemory = (id + 1) % KNOWN_MEMORIES;
    this.#memories[id] = bytes.buffer;
    this.#tell({ kind: 'memory', id, bytes: new Uint8Array(bytes.buffer) });
    return id;
  }

  #die(error: Error): void {
    this.#death ??= error;
    this.#cells[cells.failed] = 1;
    Atomics.add(this.#cells, cells.answered, 1);
    Atomics.notify(this.#cells, cells.answered);
  }
}

/** Runs in the thread; may use nothing from outside itself. */
function threadMain(): void {
  const { workerData, parentPort, receiveMessageOnPort } = process.getBuiltinModule('node:worker_threads');
  const fs = process.getBuiltinModule('node:fs');
  const { control, cells: cell, tookAt } = workerData as ThreadData;
  const shared = new Int32Array(control, 0, tookAt / 4);
  const took = new Float64Array(control, tookAt, 1);
  const memories = new Map<number, Uint8Array>();
  let file: number | null = null;
  const close = () => {
    if (file !== null) fs.closeSync(file);
    file = null;
  };
  /** False when the thread is to end. */
  const listen = (): boolean => {
    for (;;) {
      const received = parentPort === null ? undefined : receiveMessageOnPort(parentPort);
      if (received === undefined) return true;
      const told = received.message as Told;
      if (told.kind === 'close') return false;
      if (told.kind === 'memory') memories.set(told.id, told.bytes);
      else {
        close();
        file = fs.openSync(told.path, told.flags);
      }
    }
  };
  const write = (): void => {
    const bytes = memories.get(shared[cell.memory] as number);
    if (bytes === undefined || file === null) throw new Error('the log thread was not told what to write where');
    const length = shared[cell.length] as number;
    const offset = shared[cell.offset] as number;
    for (let done = 0; done < length; ) {
      const written = fs.writeSync(file, bytes, done, length - done, offset + done);
      if (written === 0) throw new Error(`nothing was written at offset ${offset + done}`);
      done += written;
    }
  };
  for (let seen = 0; ; ) {
    Atomics.wait(shared, cell.asked, seen);
    seen = Atomics.load(shared, cell.asked);
    shared[cell.failed] = 0;
    const startedMs = performance.now();
    try {
      if (!listen()) break;
      write();
    } catch (error) {
      // An error that crosses threads as such loses its code.
      const { message, code } = error as NodeJS.ErrnoException;
      parentPort?.postMessage({ message, code });
      shared[cell.failed] = 1;
    }
    took[0] = performance.now() - startedMs;
    Atomics.store(shared, cell.answered, seen);
    Atomics.notify(shared, cell.answered);
  }
  close();
}
