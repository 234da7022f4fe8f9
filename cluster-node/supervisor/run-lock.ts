/**
 * One supervisor a node's folder. The lock is SQLite's on an empty file: the kernel drops it with the process however that
 * ends, which no pid file can promise, and Node has no flock of its own.
 */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

export interface RunLock {
  /** Dropped by the kernel with the process too. */
  release(): void;
}

/** null when another process holds it. */
export function takeRunLock(path: string): RunLock | null {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(path);
  try {
    database.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return { release: () => database.close() };
  } catch (error) {
    database.close();
    const SQLITE_BUSY = 5;
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return null;
    throw error;
  }
}
