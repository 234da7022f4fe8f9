/** One at a time may change a lab. The lock is SQLite's on a file: the kernel lets go of it when its holder dies. */
import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { makePrivateFile } from '../private-files.ts';

/**
 * Runs `change` while holding the lock; waits for another holder up to `timeoutMs`, then throws. null, and nothing run: the folder
 * of the lock does not exist, or not any more.
 */
export async function withLabLock<T>(path: string, change: () => Promise<T>, timeoutMs = 30_000): Promise<T | null> {
  const endsAt = performance.now() + timeoutMs;
  while (existsSync(dirname(path))) {
    const lock = tryLock(path);
    if (lock !== null) {
      try {
        return await change();
      } finally {
        lock.close();
      }
    }
    if (performance.now() > endsAt) {
      throw new Error(
        `another command has been changing this lab for ${timeoutMs} ms (lock: ${path}): try again when it is done`,
      );
    }
    await delay(30);
  }
  return null;
}

function tryLock(path: string): DatabaseSync | null {
  let database: DatabaseSync | null = null;
  try {
    makePrivateFile(path);
    database = new DatabaseSync(path, { timeout: 0 });
    const opened = statSync(path).ino;
    database.exec('BEGIN EXCLUSIVE');
    // A lab that was taken down while we waited took its lock file along: this lock would be on nothing.
    if (statSync(path).ino === opened) return database;
  } catch {
    // Held by another, or removed under us: the caller tries again until its time is up.
  }
  database?.close();
  return null;
}
