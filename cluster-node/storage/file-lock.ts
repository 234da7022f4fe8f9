/**
 * A lock on a file, held by one process. Node has no flock, but SQLite takes fcntl locks: an open exclusive transaction on an
 * empty database is a lock that the kernel itself drops with the process, however that ends. So it can never be stale, which
 * no pid file can promise.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const SQLITE_BUSY = 5;

export interface FileLock {
  release(): void;
}

/** Makes the file where there is none. null when another process holds it; throws the system's or SQLite's error. */
export function takeFileLock(path: string): FileLock | null {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(path);
  try {
    database.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE');
    return { release: () => database.close() };
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return null;
    throw error;
  }
}
