/**
 * One process per data folder. Node has no flock, but SQLite takes fcntl locks: an open exclusive transaction on an empty
 * database is a lock that the kernel itself drops when the process ends, however it ends, so it can never be stale.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DataLockedError } from './errors.ts';

const SQLITE_BUSY = 5;

export interface DataLock {
  release(): void;
}

/** Throws DataLockedError when another process holds the folder. */
export function lockDataFolder(dataDir: string): DataLock {
  const ownerFile = join(dataDir, 'lock-owner');
  const database = new DatabaseSync(join(dataDir, 'lock'));
  try {
    database.exec('PRAGMA journal_mode = OFF; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
    throw new DataLockedError(
      `${dataDir} is in use by another process (${ownerOf(ownerFile)}); stop that one first, two must never share a log`,
      { cause: error },
    );
  }
  writeFileSync(ownerFile, `pid ${process.pid}`, { mode: 0o600 });
  return { release: () => database.close() };
}

function ownerOf(ownerFile: string): string {
  try {
    return readFileSync(ownerFile, 'utf8').slice(0, 40) || 'unknown pid';
  } catch {
    return 'unknown pid';
  }
}
