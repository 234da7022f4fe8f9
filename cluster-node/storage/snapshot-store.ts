/**
 * The snapshots of a node, in `snapshots/` below its data folder:
 *
 *   <slot>.snapshot              whole, durable; the newest two are kept
 *   writing.tmp                  one that is being taken; of no use after a restart
 *   <slot>-<sha256>.incoming     one that is being fetched from a peer
 *
 * None of it is a vow: a snapshot that cannot be written or does not check costs a longer log or a fetch from a peer, never
 * the node. Writing is slow on purpose and synced as it goes, so that the log's own syncs never queue behind it.
 */
import { mkdir, open, readdir, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Slot } from '../contract/ballot.ts';
import { DataDamagedError, SnapshotFailedError } from './errors.ts';
import { readFully, syncFolder, writeFully } from './files.ts';
import {
  readSnapshotFile,
  SnapshotEncoder,
  type SnapshotHeader,
  type SnapshotInfo,
  verifySnapshotFile,
} from './snapshot-file.ts';
import { IncomingSnapshot, LOG_NEEDS_ROOM, type OfferedSnapshot } from './snapshot-incoming.ts';
import { productSizes } from './sizes.ts';

const FOLDER = 'snapshots';
const KEPT = 2;
const SLOT_DIGITS = 16;
const TEMPORARY = 'writing.tmp';
const DEFAULT_BYTES_PER_SECOND = 64 * 1024 * 1024;
/** Not more than this is left to the page cache. */
const SYNC_EVERY_BYTES = 4 * 1024 * 1024;
/** Of one read for a peer. */
export const MAX_READ_BYTES = 256 * 1024;

export interface SnapshotStoreOptions {
  readonly dataDir: string;
  readonly clusterId: string;
  /** How fast a snapshot is written at most. */
  readonly bytesPerSecond?: number;
  /** What must stay free for the log when a snapshot is fetched; two segments when left out. */
  readonly reservedBytes?: number;
}

export interface SnapshotToWrite extends Omit<SnapshotHeader, 'clusterId'> {
  /** The machine's stream; left early when writing fails. The next chunk is asked for in another turn of the event loop. */
  readonly chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  /** Ends the attempt. */
  readonly signal?: AbortSignal | undefined;
}

/** What a restart can begin from. */
export interface LatestSnapshot {
  readonly snapshot: SnapshotInfo | null;
  /** Newer ones that do not check; they are left where they are until a new one is written. */
  readonly damaged: readonly DataDamagedError[];
}

/** Gives bytes of a file by offset; goes on working when the snapshot is superseded meanwhile. */
export interface SnapshotReader extends OfferedSnapshot {
  /** At most 256 KiB; fewer than asked for at the end of the file. */
  read(offset: number, maxBytes: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Makes the folder, and removes what a crash left of a snapshot that was being taken. */
export async function openSnapshotStore(options: SnapshotStoreOptions): Promise<SnapshotStore> {
  const folder = join(options.dataDir, FOLDER);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await rm(join(folder, TEMPORARY), { force: true });
  await syncFolder(options.dataDir);
  return new SnapshotStore(folder, options);
}

/** For a start that found no room: what was begun to be fetched is given up, so that the next one finds some. */
export function dropFetched(dataDir: string): Promise<void> {
  return dropIncoming(join(dataDir, FOLDER));
}

async function dropIncoming(folder: string, isInTheWay: (name: string) => boolean = () => true): Promise<void> {
  for (const name of await readdir(folder))
    if (name.endsWith('.incoming') && isInTheWay(name)) await rm(join(folder, name), { force: true });
}

export class SnapshotStore {
  readonly #folder: string;
  readonly #clusterId: string;
  readonly #bytesPerSecond: number;
  readonly #reservedBytes: number;
  /** What was read through, or written, in this life. */
  readonly #checked = new Map<Slot, SnapshotInfo | DataDamagedError>();
  #isWriting = false;
  #incoming: IncomingSnapshot | null = null;

  constructor(folder: string, options: SnapshotStoreOptions) {
    this.#folder = folder;
    this.#clusterId = options.clusterId;
    this.#bytesPerSecond = options.bytesPerSecond ?? DEFAULT_BYTES_PER_SECOND;
    this.#reservedBytes = options.reservedBytes ?? 2 * productSizes.segmentBytes;
  }

  /** Of all files there are, newest first; they may be damaged. */
  async slots(): Promise<Slot[]> {
    const names = await readdir(this.#folder);
    return names.flatMap((name) => snapshotSlotOf(name) ?? []).sort((left, right) => right - left);
  }

  /**
   * Writes a snapshot durably and removes all but the newest two. Throws SnapshotFailedError, whose cause is the system's
   * error (see `isNoSpace`) or the signal's reason; nothing is left of the attempt then.
   */
  async write({ slot, configuration, chunks, signal }: SnapshotToWrite): Promise<SnapshotInfo> {
    if (this.#isWriting) throw new SnapshotFailedError('another snapshot is being written');
    this.#isWriting = true;
    const temporary = join(this.#folder, TEMPORARY);
    try {
      const encoder = new SnapshotEncoder({ clusterId: this.#clusterId, slot, configuration });
      const info = await this.#fill(temporary, encoder, { chunks, signal });
      await rename(temporary, this.#path(slot));
      await syncFolder(this.#folder);
      await this.#keep(info);
      return info;
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => undefined);
      const text = `the snapshot of slot ${slot} cannot be written to ${this.#folder}; it is tried again when the next is due`;
      throw new SnapshotFailedError(text, { cause });
    } finally {
      this.#isWriting = false;
    }
  }

  /** The newest one that checks, read through once in this life. */
  async latest(): Promise<LatestSnapshot> {
    const damaged: DataDamagedError[] = [];
    for (const slot of await this.slots()) {
      const checked = await this.#check(slot);
      if (!(checked instanceof DataDamagedError)) return { snapshot: checked, damaged };
      damaged.push(checked);
    }
    return { snapshot: null, damaged };
  }

  /** What is in it cannot be used, though the file is whole: it counts as damaged from now on. */
  distrust(slot: Slot, cause: Error): void {
    const text = `${this.#path(slot)} cannot be used: ${cause.message}`;
    this.#checked.set(slot, new DataDamagedError(text, { cause }));
  }

  /** Removes every snapshot of a later slot: what is in them is in doubt. */
  async dropAbove(slot: Slot): Promise<void> {
    for (const each of await this.slots()) {
      if (each <= slot) continue;
      await rm(this.#path(each), { force: true });
      this.#checked.delete(each);
    }
    await syncFolder(this.#folder);
  }

  /** The machine's stream of a snapshot. Throws DataDamagedError, at its very end too. */
  read(slot: Slot): AsyncIterable<Uint8Array> {
    return readSnapshotFile(this.#path(slot));
  }

  /** For sending to a peer; null when there is none at this slot, or it is damaged. */
  async openForReading(slot: Slot): Promise<SnapshotReader | null> {
    const slots = await this.slots();
    const checked = slots.includes(slot) ? await this.#check(slot) : null;
    if (checked === null || checked instanceof DataDamagedError) return null;
    const handle = await open(this.#path(slot), 'r');
    const { sha256, fileBytes } = checked;
    return {
      slot,
      sha256,
      fileBytes,
      read: async (offset, maxBytes) => {
        const bytes = Buffer.alloc(Math.min(maxBytes, MAX_READ_BYTES));
        return bytes.subarray(0, await readFully(handle, bytes, offset));
      },
      close: () => handle.close(),
    };
  }

  /**
   * Begins to fetch what a peer offers, or goes on with it. What was begun of any other is removed. Throws SnapshotFailedError when
   * the disk has no room for it beside the log, and then nothing of it is kept.
   */
  async receive(offered: OfferedSnapshot): Promise<IncomingSnapshot> {
    const { slot, sha256, fileBytes } = offered;
    if (!/^[0-9a-f]{64}$/.test(sha256)) throw new RangeError(`${sha256} is no SHA-256`);
    const name = `${slotName(slot)}-${sha256}.incoming`;
    await dropIncoming(this.#folder, (other) => other !== name);
    const paths = { partial: join(this.#folder, name), final: this.#path(slot) };
    const incoming = await IncomingSnapshot.open(offered, paths, this.#clusterId);
    // Before anything else is waited for: the log may need the room meanwhile.
    this.#incoming = incoming;
    const { bavail, bsize } = await statfs(this.#folder);
    const needed = fileBytes - incoming.offset + this.#reservedBytes;
    if (bavail * bsize < needed) {
      await incoming.abandon(LOG_NEEDS_ROOM);
      throw new SnapshotFailedError(
        `the snapshot of slot ${slot} needs ${needed} bytes beside the log, and ${this.#folder} has ${bavail * bsize}; free some space`,
      );
    }
    return incoming;
  }

  /** The log has no room: what was fetched of a snapshot is given up for it, also while it is being fetched. */
  async makeRoom(): Promise<void> {
    await this.#incoming?.abandon(LOG_NEEDS_ROOM);
    await dropIncoming(this.#folder);
  }

  /** Makes a fetched snapshot one of this node's; see IncomingSnapshot.finish. */
  async accept(incoming: IncomingSnapshot): Promise<SnapshotInfo> {
    const info = await incoming.finish().finally(() => {
      if (this.#incoming === incoming) this.#incoming = null;
    });
    await this.#keep(info);
    return info;
  }

  async #fill(
    path: string,
    encoder: SnapshotEncoder,
    { chunks, signal }: Pick<SnapshotToWrite, 'chunks' | 'signal'>,
  ): Promise<SnapshotInfo> {
    const handle = await open(path, 'w', 0o600);
    try {
      const pace = new Pace(this.#bytesPerSecond);
      let offset = 0;
      let syncedTo = 0;
      const write = async (bytes: Buffer) => {
        await writeFully(handle, bytes, offset);
        offset += bytes.length;
        if (offset - syncedTo >= SYNC_EVERY_BYTES) {
          await handle.datasync();
          syncedTo = offset;
        }
        await pace.wrote(bytes.length, signal);
      };
      await write(encoder.start());
      for await (const chunk of chunks) {
        await nextTurn(undefined, { signal });
        for (const ready of encoder.add(chunk)) await write(ready);
      }
      const { bytes, info } = encoder.finish();
      await write(bytes);
      await handle.sync();
      return info;
    } finally {
      await handle.close();
    }
  }

  async #check(slot: Slot): Promise<SnapshotInfo | DataDamagedError> {
    const known = this.#checked.get(slot);
    if (known) return known;
    const path = this.#path(slot);
    const checked = await verifySnapshotFile(path)
      .then((info) => this.#own(path, slot, info))
      .catch((error: unknown) => {
        if (error instanceof DataDamagedError) return error;
        throw error;
      });
    this.#checked.set(slot, checked);
    return checked;
  }

  #own(path: string, slot: Slot, info: SnapshotInfo): SnapshotInfo {
    if (info.slot === slot && info.clusterId === this.#clusterId) return info;
    throw new DataDamagedError(`${path} holds slot ${info.slot} of the cluster ${info.clusterId}`);
  }

  /** Removes damaged ones, and all but the newest two of the others, and what was begun to be fetched of none later. */
  async #keep(info: SnapshotInfo): Promise<void> {
    this.#checked.set(info.slot, info);
    const incoming = this.#incoming;
    if (incoming !== null && incoming.offered.slot <= info.slot) {
      this.#incoming = null;
      await incoming.abandon(`a snapshot of slot ${info.slot} is here`);
    }
    await dropIncoming(this.#folder, (name) => name < slotName(info.slot + 1));
    const slots = await this.slots();
    const good = slots.filter((slot) => !(this.#checked.get(slot) instanceof DataDamagedError));
    for (const slot of slots) {
      if (good.slice(0, KEPT).includes(slot) || slot === info.slot) continue;
      await rm(this.#path(slot), { force: true });
      this.#checked.delete(slot);
    }
  }

  #path(slot: Slot): string {
    return join(this.#folder, `${slotName(slot)}.snapshot`);
  }
}

/** Which slot a file in `snapshots/` is of; null when it is no whole snapshot. */
export function snapshotSlotOf(fileName: string): Slot | null {
  const digits = /^(\d{16})\.snapshot$/.exec(fileName)?.[1];
  // What goes beyond safe integers is no name that a node gave, and would not be found by its number.
  return Number.isSafeInteger(Number(digits)) ? Number(digits) : null;
}

function slotName(slot: Slot): string {
  return String(slot).padStart(SLOT_DIGITS, '0');
}

/** Waits so long after each write that the whole does not go faster than was asked. */
class Pace {
  readonly #bytesPerMs: number;
  readonly #startedAtMs = performance.now();
  #bytes = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  async wrote(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    this.#bytes += bytes;
    const aheadMs = this.#bytes / this.#bytesPerMs - (performance.now() - this.#startedAtMs);
    if (aheadMs > 1) await sleep(aheadMs, undefined, { signal });
  }
}
