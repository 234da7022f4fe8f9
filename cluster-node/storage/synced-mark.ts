/**
 * How far the log was on disk, kept in a file of its own: without it a log that lost its end (a segment cut short, zeroed or
 * deleted, a bad sector in the last batch) looks like one that never was longer, and the node would vote against its promises.
 *
 * The mark follows the log at most MARK_AFTER_MS later and catches up at a clean stop and at each start. So only the records
 * of the last moments before a crash are not vouched for: vows do not wait for the mark, which would cost a second sync each.
 *
 * Two slots are written in turn, so that a write torn by a crash leaves the mark before it.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { DataDamagedError, isNoSpace } from './errors.ts';
import { readFully, writeFileDurably, writeFully } from './files.ts';
import { readSafeInteger, writeSafeInteger } from './safe-integer.ts';

const MARK_AFTER_MS = 200;
const SLOTS = 2;
/** One block each, so that one bad sector takes one slot. */
const SLOT_BYTES = 4096;
const MAGIC = Buffer.from('SYNODMRK');

/** Makes the mark of a log without records. */
export async function createMark(path: string): Promise<void> {
  await writeFileDurably(path, Buffer.concat(Array.from({ length: SLOTS }, () => encode(0))));
}

/** Throws DataDamagedError when neither slot checks or the file is gone: nobody can tell then how long the log was. */
export async function openMark(path: string): Promise<SyncedMark> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDWR | constants.O_DSYNC);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw lost(path, 'is gone');
  }
  try {
    const file = Buffer.alloc(SLOTS * SLOT_BYTES);
    await readFully(handle, file, 0);
    const found = [0, 1].map((slot) => decode(file.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES)));
    const upTo = Math.max(...found.map((number) => number ?? -1));
    if (upTo < 0) throw lost(path, 'does not check');
    return new SyncedMark(handle, { upTo, slot: found.indexOf(upTo) });
  } catch (error) {
    await handle.close();
    throw error;
  }
}

export class SyncedMark {
  readonly #handle: FileHandle;
  #slot: number;
  #upTo: number;
  #reached: number;
  #isDue = false;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  #writing: Promise<void> = Promise.resolve();

  constructor(handle: FileHandle, { upTo, slot }: { readonly upTo: number; readonly slot: number }) {
    this.#handle = handle;
    this.#slot = slot;
    this.#upTo = this.#reached = upTo;
  }

  /** Every record up to this number was on disk once. */
  get upTo(): number {
    return this.#upTo;
  }

  /** Every record up to `number` is on disk; written down within MARK_AFTER_MS and the time of a write. */
  reach(number: number, onFailed: (error: unknown) => void): void {
    this.#reached = number;
    if (this.#isDue || this.#isClosed) return;
    this.#isDue = true;
    this.#timer = setTimeout(() => {
      this.write(this.#reached).then(() => {
        this.#isDue = false;
        if (this.#reached > this.#upTo) this.reach(this.#reached, onFailed);
      }, onFailed);
    }, MARK_AFTER_MS);
  }

  /** Writes `number` down now; without space the mark stays as it is until the next time. Throws the system's error. */
  write(number: number): Promise<void> {
    this.#reached = number;
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  /** Catches up with what was reached. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    try {
      await this.write(this.#reached);
    } finally {
      await this.#handle.close();
    }
  }

  async #write(): Promise<void> {
    const reached = this.#reached;
    if (reached <= this.#upTo) return;
    const slot = (this.#slot + 1) % SLOTS;
    try {
      await writeFully(this.#handle, encode(reached), slot * SLOT_BYTES);
    } catch (error) {
      if (isNoSpace(error)) return;
      throw error;
    }
    this.#slot = slot;
    this.#upTo = reached;
  }
}

function encode(upTo: number): Buffer {
  const slot = Buffer.alloc(SLOT_BYTES);
  MAGIC.copy(slot);
  writeSafeInteger(slot, upTo, 8);
  slot.writeUInt32LE(crc32(slot.subarray(0, 16)), 16);
  return slot;
}

/** null when the slot does not check. */
function decode(slot: Buffer): number | null {
  if (!slot.subarray(0, 8).equals(MAGIC) || crc32(slot.subarray(0, 16)) !== slot.readUInt32LE(16)) return null;
  return readSafeInteger(slot, 8);
}

function lost(path: string, what: string): DataDamagedError {
  return new DataDamagedError(
    `${path} ${what}: it says how far the log reached, and without it lost promises cannot be told from none. Replace the node.`,
  );
}
