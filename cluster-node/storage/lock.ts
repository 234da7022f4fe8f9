/** One process per data folder: two would write one log and break each other's promises. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataLockedError, DataMismatchError } from './errors.ts';
import { type FileLock, takeFileLock } from './file-lock.ts';

const SQLITE_NOT_A_DATABASE = 26;

/** Throws DataLockedError when another process holds the folder, DataMismatchError when the lock is no lock. */
export function lockDataFolder(dataDir: string): FileLock {
  const ownerFile = join(dataDir, 'lock-owner');
  const lock = takeLock(join(dataDir, 'lock'));
  if (lock === null)
    throw new DataLockedError(
      `${dataDir} is in use by another process (${ownerOf(ownerFile)}); stop that one first, two must never share a log`,
    );
  writeFileSync(ownerFile, `pid ${process.pid}`, { mode: 0o600 });
  return lock;
}

function takeLock(path: string): FileLock | null {
  try {
    return takeFileLock(path);
  } catch (cause) {
    if ((cause as { errcode?: number }).errcode !== SQLITE_NOT_A_DATABASE) throw cause;
    throw new DataMismatchError(
      `${path} is not the empty file that a node locks, but something else. Move it away and start the node again.`,
      { cause },
    );
  }
}

function ownerOf(ownerFile: string): string {
  try {
    return readFileSync(ownerFile, 'utf8').slice(0, 40) || 'unknown pid';
  } catch {
    return 'unknown pid';
  }
}
