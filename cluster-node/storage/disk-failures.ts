/**
 * Counts failed writes and syncs over restarts, in a note in the data folder. After the first one the process ends and is
 * started again, so that the log is read and checked afresh; after a second one soon afterwards the disk is not to be trusted,
 * and the node stays down until someone has looked at it.
 */
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const NOTE = 'disk-failed';
/** Two failures further apart than this have nothing to do with each other. */
const SOON_MS = 60 * 60 * 1000;

/**
 * Notes a failure; true when the node must stand down: it is the second one, or not even the note can be written. After that
 * counting starts anew, because only an operator starts the node again.
 */
export function noteDiskFailure(dataDir: string, nowUnixMs: number): boolean {
  const path = join(dataDir, NOTE);
  try {
    const sinceMs = nowUnixMs - Number(readNote(path) ?? Number.NEGATIVE_INFINITY);
    if (sinceMs >= 0 && sinceMs <= SOON_MS) {
      rmSync(path, { force: true });
      return true;
    }
    const note = openSync(path, 'w', 0o600);
    try {
      writeSync(note, String(nowUnixMs));
      fsyncSync(note);
    } finally {
      closeSync(note);
    }
    return false;
  } catch {
    return true;
  }
}

function readNote(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
