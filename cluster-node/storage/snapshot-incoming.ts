/** A snapshot on its way from a peer, in a file that outlives a restart, so that fetching goes on where it stopped. */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Slot } from '../contract/ballot.ts';
import { DataDamagedError, isNoSpace, SnapshotFailedError } from './errors.ts';
import { syncFolder, writeFully } from './files.ts';
import { type SnapshotInfo, verifySnapshotFile } from './snapshot-file.ts';

/** What a peer says that it has. */
export interface OfferedSnapshot {
  readonly slot: Slot;
  /** 64 hex digits, as in SnapshotInfo. */
  readonly sha256: string;
  readonly fileBytes: number;
}

/** Until then data lies in the page cache only, where it could delay the log's sync. */
const SYNC_EVERY_BYTES = 4 * 1024 * 1024;

export const LOG_NEEDS_ROOM = 'the log needs the room; free some space';

export class IncomingSnapshot {
  readonly offered: OfferedSnapshot;
  readonly #partial: string;
  readonly #final: string;
  readonly #clusterId: string;
  readonly #handle: FileHandle;
  #offset: number;
  #unsyncedBytes = 0;
  #givenUpBecause: string | null = null;

  private constructor(parts: {
    offered: OfferedSnapshot;
    paths: { partial: string; final: string };
    clusterId: string;
    handle: FileHandle;
    offset: number;
  }) {
    this.offered = parts.offered;
    this.#partial = parts.paths.partial;
    this.#final = parts.paths.final;
    this.#clusterId = parts.clusterId;
    this.#handle = parts.handle;
    this.#offset = parts.offset;
  }

  static async open(
    offered: OfferedSnapshot,
    paths: { partial: string; final: string },
    clusterId: string,
  ): Promise<IncomingSnapshot> {
    const handle = await open(paths.partial, 'a+', 0o600);
    let { size: offset } = await handle.stat();
    if (offset > offered.fileBytes) {
      await handle.truncate(0);
      offset = 0;
    }
    return new IncomingSnapshot({ offered, paths, clusterId, handle, offset });
  }

  /** How many bytes of the file are here: ask the peer for what follows. */
  get offset(): number {
    return this.#offset;
  }

  get isComplete(): boolean {
    return this.#offset === this.offered.fileBytes;
  }

  /**
   * Bytes of the peer's file from `offset` on; others are refused (false), and so is more than was offered. One call at a
   * time. Throws SnapshotFailedError when they cannot be written. What is here stays, but for a full disk: the log needs the room.
   */
  async append(offset: number, bytes: Uint8Array): Promise<boolean> {
    if (offset !== this.#offset || offset + bytes.length > this.offered.fileBytes) return false;
    try {
      await writeFully(this.#handle, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset);
      this.#unsyncedBytes += bytes.length;
      if (this.#unsyncedBytes >= SYNC_EVERY_BYTES) {
        await this.#handle.datasync();
        this.#unsyncedBytes = 0;
      }
    } catch (cause) {
      if (this.#givenUpBecause === null && isNoSpace(cause)) await this.abandon(LOG_NEEDS_ROOM);
      // A part of it may be in the file, and the file is written at its end only.
      else await this.#handle.truncate(offset).catch(() => undefined);
      const text = `a snapshot from a peer cannot be written to ${this.#partial}, ${this.#outlook()}`;
      throw new SnapshotFailedError(text, { cause });
    }
    this.#offset += bytes.length;
    return true;
  }

  /**
   * Makes it a snapshot of this node, durably. Throws DataDamagedError when it is not what was offered, and then nothing is
   * left of it; SnapshotFailedError when the disk refuses. Either way this object has had its time.
   */
  async finish(): Promise<SnapshotInfo> {
    try {
      await this.#handle.sync();
      await this.#handle.close();
      const info = await verifySnapshotFile(this.#partial);
      const { slot, sha256, fileBytes } = this.offered;
      if (info.slot !== slot || info.sha256 !== sha256 || info.fileBytes !== fileBytes)
        throw new DataDamagedError(`the snapshot in ${this.#partial} is not the one that was offered at slot ${slot}`);
      if (info.clusterId !== this.#clusterId)
        throw new DataDamagedError(`the snapshot in ${this.#partial} is of the cluster ${info.clusterId}`);
      await rename(this.#partial, this.#final);
      await syncFolder(dirname(this.#final));
      return info;
    } catch (cause) {
      await this.#handle.close().catch(() => undefined);
      const isGivenUp = this.#givenUpBecause !== null;
      if (!isGivenUp && (cause instanceof DataDamagedError || isNoSpace(cause)))
        await rm(this.#partial, { force: true });
      if (!isGivenUp && cause instanceof DataDamagedError) throw cause;
      const text = `the snapshot in ${this.#partial} cannot be finished, ${this.#outlook()}`;
      throw new SnapshotFailedError(text, { cause });
    }
  }

  /** Gives up what is here, so that its room is free. What comes after that is refused and told why. */
  async abandon(because: string): Promise<void> {
    this.#givenUpBecause = because;
    await this.#handle.close().catch(() => undefined);
    await rm(this.#partial, { force: true });
  }

  #outlook(): string {
    return this.#givenUpBecause === null ? 'and is fetched again later' : `because ${this.#givenUpBecause}`;
  }

  /** Stops; what is here stays for the next attempt. */
  async close(): Promise<void> {
    await this.#handle.close();
  }
}
