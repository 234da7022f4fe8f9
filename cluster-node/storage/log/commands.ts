/**
 * What the log asks of a disk, and the names of its files. Whoever carries the commands out (worker threads in the product, an
 * array in the simulator) reports each when it is durable: a write has reached the platter, a name is in its folder.
 */
export type LogLane = 'log' | 'side';

export type DiskCommand =
  /** Writes in place; done when the bytes are durable. `bytes` may not change until then. */
  | {
      readonly kind: 'write';
      readonly lane: LogLane;
      readonly file: string;
      readonly offset: number;
      readonly bytes: Uint8Array;
    }
  /** Makes the file anew, filled with zeros; done when contents and name are durable. May take long. */
  | { readonly kind: 'create'; readonly lane: LogLane; readonly file: string; readonly sizeBytes: number }
  /** Removes the files in this order, each durably before the next; one that is not there is none too much. */
  | { readonly kind: 'remove'; readonly lane: LogLane; readonly files: readonly string[] };

/** Relative to the data folder, with `/`. */
export const MARK_FILE = 'synced';
export const LOG_FOLDER = 'log';
const SEGMENT_NAME = /^(\d{16})\.log$/;

/** `segment` from 1. */
export function segmentFile(segment: number): string {
  return `${LOG_FOLDER}/${String(segment).padStart(16, '0')}.log`;
}

/** Which segment a file in the log's folder is; null when it is none. */
export function segmentOf(fileName: string): number | null {
  const digits = SEGMENT_NAME.exec(fileName)?.[1];
  // What goes beyond safe integers is no name that a node gave, and would not be found by its number.
  return Number.isSafeInteger(Number(digits)) ? Number(digits) : null;
}
