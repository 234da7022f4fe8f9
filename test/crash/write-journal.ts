/**
 * Loaded into a node's process before anything else (`node --require`, which also reaches its worker threads), this notes each write to a file below the folder named
 * by SYNOD_JOURNAL_OF in a journal beside it: where it goes and what stood there, before it is made, and afterwards that it is
 * on disk: when a write to a file opened with O_DSYNC or O_SYNC returns, or when a sync of the file does. What a killed process
 * had not on disk can then be taken back (power-cut.ts). It knows nothing of the format of the files.
 *
 * Not noted: creating, renaming, removing and truncating files, and writes without a position.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { threadId } from 'node:worker_threads';

/** A line of the journal. `file` is the inode, which stays when a file is renamed; `old` is in base64, without the zeros at its end. */
export type JournalLine =
  | {
      readonly kind: 'write';
      readonly number: number;
      readonly file: number;
      readonly at: number;
      readonly bytes: number;
      readonly old: string;
    }
  /** These and, for a sync, all writes to the file before `upTo` are on disk. */
  | { readonly kind: 'onDisk'; readonly number: number }
  | { readonly kind: 'synced'; readonly file: number; readonly upTo: number };

type Bytes = NodeJS.ArrayBufferView;
type Handle = fs.promises.FileHandle;
/** Offset and length within the data, position in the file. */
type Extent = readonly [offset?: number, length?: number, position?: number];

const folder = process.env.SYNOD_JOURNAL_OF;
const original = { ...fs };
let number = 0;
let journal: number | null = null;

function note(line: JournalLine): void {
  if (folder === undefined) return;
  journal ??= original.openSync(join(folder, '..', `journal.${process.pid}.${threadId}`), 'a');
  original.writeSync(journal, `${JSON.stringify(line)}\n`);
}

/** The file's inode, when it is one to watch. */
function watched(descriptor: number): number | null {
  const path = original.readlinkSync(pathOf(descriptor));
  return folder !== undefined && path.startsWith(`${folder}/`) ? original.fstatSync(descriptor).ino : null;
}

function pathOf(descriptor: number): string {
  return `/proc/self/fd/${descriptor}`;
}

function isSynchronous(descriptor: number): boolean {
  const flags = /flags:\s*([0-7]+)/.exec(original.readFileSync(`/proc/self/fdinfo/${descriptor}`, 'utf8'))?.[1] ?? '0';
  return (Number.parseInt(flags, 8) & fs.constants.O_DSYNC) !== 0;
}

/** How much longer than the real one the disk takes until it calls a write done. */
const SLOWER_BY_MS = 4;

/** Below the node's folder: while it is there, the process dies before the next write is called done. */
export const LAST_WRITE = 'last-write';

function dieIfAsked(): void {
  if (folder !== undefined && original.existsSync(join(folder, '..', LAST_WRITE))) process.kill(process.pid, 'SIGKILL');
}

function waitForDisk(): void {
  dieIfAsked();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SLOWER_BY_MS);
}

/** Returns what to call when the write has returned. */
function beforeWrite(descriptor: number, bytes: number, position: unknown): () => void {
  const file = watched(descriptor);
  if (file === null || typeof position !== 'number') return () => undefined;
  const old = Buffer.alloc(bytes);
  const descriptorToRead = original.openSync(pathOf(descriptor), 'r');
  original.readSync(descriptorToRead, old, 0, bytes, position);
  original.closeSync(descriptorToRead);
  let end = bytes;
  while (end > 0 && old[end - 1] === 0) end--;
  const mine = ++number;
  note({ kind: 'write', number: mine, file, at: position, bytes, old: old.toString('base64', 0, end) });
  return () => {
    if (isSynchronous(descriptor)) note({ kind: 'onDisk', number: mine });
  };
}

function beforeSync(descriptor: number): () => void {
  const file = watched(descriptor);
  const upTo = number;
  return () => {
    if (file !== null) note({ kind: 'synced', file, upTo });
  };
}

const bytesOf = (data: Bytes, [offset = 0, length]: Extent) => length ?? data.byteLength - offset;
const sizeOf = (buffers: readonly Bytes[]) => buffers.reduce((total, { byteLength }) => total + byteLength, 0);

function watchSyncCalls(): void {
  const { writeSync, writevSync, fsyncSync, fdatasyncSync } = original;
  fs.writeSync = ((descriptor: number, data: Bytes, ...extent: Extent) => {
    const done = beforeWrite(descriptor, bytesOf(data, extent), extent[2]);
    const written = Reflect.apply(writeSync, fs, [descriptor, data, ...extent]);
    waitForDisk();
    done();
    return written;
  }) as typeof fs.writeSync;
  fs.writevSync = (descriptor, buffers, position) => {
    const done = beforeWrite(descriptor, sizeOf(buffers), position);
    const written = writevSync(descriptor, buffers, position);
    waitForDisk();
    done();
    return written;
  };
  fs.fsyncSync = (descriptor) => {
    const done = beforeSync(descriptor);
    fsyncSync(descriptor);
    waitForDisk();
    done();
  };
  fs.fdatasyncSync = (descriptor) => {
    const done = beforeSync(descriptor);
    fdatasyncSync(descriptor);
    waitForDisk();
    done();
  };
}

/** The file handles of node:fs/promises share one prototype, which the first of them gives away. */
function watchHandles(): void {
  const { open } = fs.promises;
  let isWatched = false;
  fs.promises.open = async (...args) => {
    const handle = await open(...args);
    if (!isWatched) watchPrototype(Object.getPrototypeOf(handle) as Handle);
    isWatched = true;
    return handle;
  };
}

function watchPrototype(prototype: Handle): void {
  const known = Object.fromEntries(
    (['write', 'writev', 'sync', 'datasync'] as const).map((name) => [
      name,
      Reflect.get(prototype, name) as () => unknown,
    ]),
  );
  const call = async (handle: Handle, { name, args, done }: { name: string; args: unknown[]; done: () => void }) => {
    const result: unknown = await Reflect.apply(known[name] as () => unknown, handle, args);
    dieIfAsked();
    await pause(SLOWER_BY_MS);
    done();
    return result;
  };
  Object.assign(prototype, {
    write(this: Handle, data: Bytes, ...extent: Extent) {
      const done = beforeWrite(this.fd, bytesOf(data, extent), extent[2]);
      return call(this, { name: 'write', args: [data, ...extent], done });
    },
    writev(this: Handle, buffers: readonly Bytes[], position?: number) {
      const done = beforeWrite(this.fd, sizeOf(buffers), position);
      return call(this, { name: 'writev', args: [buffers, position], done });
    },
    sync(this: Handle) {
      return call(this, { name: 'sync', args: [], done: beforeSync(this.fd) });
    },
    datasync(this: Handle) {
      return call(this, { name: 'datasync', args: [], done: beforeSync(this.fd) });
    },
  });
}

if (folder !== undefined) {
  watchSyncCalls();
  watchHandles();
  syncBuiltinESMExports();
}
