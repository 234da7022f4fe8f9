/** Reads decided entries back from the log, for peers that fell far behind and for the replay at start. */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Slot } from '../contract/ballot.ts';
import type { Entry } from '../contract/peer.ts';
import { EntryDamagedError, LogTrimmedError } from './errors.ts';
import { readFully } from './files.ts';
import { segmentFile } from './log/commands.ts';
import type { EntryIndex, EntryPlace } from './log/entry-index.ts';
import { frameOf, headerAt, RECORD_HEADER_BYTES, recordBytes } from './log/record.ts';
import { entryAt } from './log/scan.ts';

/** Consecutive entries mostly stand behind one another: one read serves many. */
const WINDOW_BYTES = 256 * 1024;

export class LogReader {
  readonly #dataDir: string;
  readonly #index: EntryIndex;
  readonly #salt: number;
  #open: { readonly segment: number; readonly handle: FileHandle } | null = null;
  #window: { readonly segment: number; readonly start: number; readonly bytes: Buffer } | null = null;
  /** Reads share one window, so they follow one another. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: { readonly dataDir: string; readonly index: EntryIndex; readonly salt: number }) {
    this.#dataDir = options.dataDir;
    this.#index = options.index;
    this.#salt = options.salt;
  }

  /**
   * Consecutive decided entries from `fromSlot` until `maxBytes` of values are passed; at least one if there is any. Only
   * what a record on disk calls decided is given. Before a damaged record it ends; a damaged first one throws
   * EntryDamagedError. Throws LogTrimmedError for a slot below the log's first one.
   */
  readEntries(fromSlot: Slot, maxBytes: number): Promise<Entry[]> {
    const result = this.#last.then(() => this.#readEntries(fromSlot, maxBytes));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async close(): Promise<void> {
    await this.#last;
    await this.#open?.handle.close();
    this.#open = null;
    this.#window = null;
  }

  async #readEntries(fromSlot: Slot, maxBytes: number): Promise<Entry[]> {
    const { firstSlot } = this.#index;
    if (fromSlot < firstSlot) throw new LogTrimmedError(fromSlot, firstSlot);
    const entries: Entry[] = [];
    let bytes = 0;
    for (let slot = fromSlot; slot <= this.#index.decidedUpTo; slot++) {
      const entry = await this.#readUnlessTrimmed(slot);
      if (entry === null) {
        if (entries.length > 0) break;
        if (slot < this.#index.firstSlot) throw new LogTrimmedError(slot, this.#index.firstSlot);
        throw new EntryDamagedError(slot, this.#where(slot));
      }
      bytes += entry.value.length;
      if (entries.length > 0 && bytes > maxBytes) break;
      entries.push(entry);
    }
    // The log grows behind the window's end; a window is never used across calls.
    this.#window = null;
    return entries;
  }

  #where(slot: Slot): string {
    const place = this.#index.find(slot);
    return place === null
      ? this.#dataDir
      : `${join(this.#dataDir, segmentFile(place.segment))}, offset ${place.offset}`;
  }

  /** Its segment may be removed while it is read: then what the read made of that tells nothing. */
  async #readUnlessTrimmed(slot: Slot): Promise<Entry | null> {
    try {
      return await this.#read(slot);
    } catch (error) {
      if (slot < this.#index.firstSlot) return null;
      throw error;
    }
  }

  /** null when it is not there or does not check any more. */
  async #read(slot: Slot): Promise<Entry | null> {
    const place = this.#index.find(slot);
    if (place === null) return null;
    const head = await this.#bytes(place, RECORD_HEADER_BYTES);
    const header = head === null ? null : headerAt(frameOf(head), 0, this.#salt);
    if (header?.kind !== 'accepted' || header.slot !== slot) return null;
    if (header.segment !== place.segment || header.offset !== place.offset) return null;
    const record = await this.#bytes(place, recordBytes(header.payloadBytes));
    return record && entryAt(record, 0, this.#salt);
  }

  /** null past the end of the file. */
  async #bytes({ segment, offset }: EntryPlace, length: number): Promise<Buffer | null> {
    const known = this.#window;
    if (known?.segment === segment && offset >= known.start && offset + length <= known.start + known.bytes.length)
      return known.bytes.subarray(offset - known.start, offset - known.start + length);
    const bytes = Buffer.allocUnsafe(Math.max(WINDOW_BYTES, length));
    const read = await readFully(await this.#handle(segment), bytes, offset);
    this.#window = { segment, start: offset, bytes: bytes.subarray(0, read) };
    return read < length ? null : bytes.subarray(0, length);
  }

  async #handle(segment: number): Promise<FileHandle> {
    if (this.#open?.segment === segment) return this.#open.handle;
    await this.#open?.handle.close();
    this.#open = null;
    const handle = await open(join(this.#dataDir, segmentFile(segment)), 'r');
    this.#open = { segment, handle };
    return handle;
  }
}
