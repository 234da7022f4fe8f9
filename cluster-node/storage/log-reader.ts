/** Reads decided entries back from the log, for peers that fell far behind and for the replay at start. */
import { type FileHandle, open } from 'node:fs/promises';
import type { Slot } from '../contract/ballot.ts';
import type { Entry } from '../contract/peer.ts';
import type { EntryIndex } from './entry-index.ts';
import { DataDamagedError } from './errors.ts';
import { readFully } from './files.ts';
import { decodeHeader, decodePayload, RECORD_HEADER_BYTES } from './record.ts';
import type { Segment } from './segment.ts';

/** Consecutive entries mostly stand behind one another: one read serves many. */
const WINDOW_BYTES = 256 * 1024;

export class LogReader {
  readonly #index: EntryIndex;
  readonly #segments: readonly Segment[];
  #open: { readonly ordinal: number; readonly handle: FileHandle } | null = null;
  #window: { readonly ordinal: number; readonly start: number; readonly bytes: Buffer } | null = null;
  /** Reads share one window, so they follow one another. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(index: EntryIndex, segments: readonly Segment[]) {
    this.#index = index;
    this.#segments = segments;
  }

  /**
   * Consecutive decided entries from `fromSlot` until `maxBytes` of values are passed; at least one if there is any. Only
   * what a record on disk calls decided is given. Throws DataDamagedError when a record does not check any more.
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
    const entries: Entry[] = [];
    let bytes = 0;
    for (let slot = fromSlot; slot <= this.#index.decidedUpTo; slot++) {
      const entry = await this.#read(slot);
      bytes += entry.value.length;
      if (entries.length > 0 && bytes > maxBytes) break;
      entries.push(entry);
    }
    // The log grows behind the window's end; a window is never used across calls.
    this.#window = null;
    return entries;
  }

  async #read(slot: Slot): Promise<Entry> {
    const location = this.#index.find(slot);
    if (location === null) throw new DataDamagedError(`slot ${slot} is decided but has no entry in the log`);
    const segment = this.#segments[location.segment] as Segment;
    const head = await this.#bytes(location.segment, location.offset, RECORD_HEADER_BYTES);
    const header = decodeHeader(head, 0, segment.salt);
    const payload =
      header && (await this.#bytes(location.segment, location.offset + RECORD_HEADER_BYTES, header.payloadBytes));
    const record = header && payload && decodePayload(header, payload);
    if (record?.kind !== 'accepted' || record.entry.slot !== slot)
      throw new DataDamagedError(`${segment.path}, offset ${location.offset}: the entry of slot ${slot} is damaged`);
    return record.entry;
  }

  async #bytes(ordinal: number, offset: number, length: number): Promise<Buffer> {
    const known = this.#window;
    if (known?.ordinal === ordinal && offset >= known.start && offset + length <= known.start + known.bytes.length)
      return known.bytes.subarray(offset - known.start, offset - known.start + length);
    const bytes = Buffer.allocUnsafe(Math.max(WINDOW_BYTES, length));
    const read = await readFully(await this.#handle(ordinal), bytes, offset);
    this.#window = { ordinal, start: offset, bytes: bytes.subarray(0, read) };
    return bytes.subarray(0, Math.min(length, read));
  }

  async #handle(ordinal: number): Promise<FileHandle> {
    if (this.#open?.ordinal === ordinal) return this.#open.handle;
    await this.#open?.handle.close();
    this.#open = null;
    const handle = await open((this.#segments[ordinal] as Segment).path, 'r');
    this.#open = { ordinal, handle };
    return handle;
  }
}
