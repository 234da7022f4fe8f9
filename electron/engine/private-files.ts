/** Files and folders that only this user may read: keys lie in some, and who may see the rest is nobody else's business. */
import { chmodSync, closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Makes it and the folders above it that are missing, mode 0700; narrows it where it is there. Throws what the system says. */
export function makePrivateFolder(path: string): void {
  makeLevels(path);
  if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o700);
}

/** Level by level: Node's own recursive mkdir tries for ever where a parent exists in which nothing can be made (/proc). */
function makeLevels(path: string): void {
  const missing: string[] = [];
  for (let level = path; !exists(level) && dirname(level) !== level; level = dirname(level)) missing.unshift(level);
  for (const level of missing) {
    try {
      mkdirSync(level, { mode: 0o700 });
    } catch (error) {
      // Another engine may have been faster.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/**
 * Makes an empty file with mode 0600 where there is none, and narrows one that is there. For files that SQLite would make as
 * the umask allows; what it puts beside them (-wal, -shm) gets the mode of the file itself. Throws what the system says.
 */
export function makePrivateFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // By its path: closing a descriptor of it would drop the locks that this process holds on it (fcntl(2)).
    if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
  }
}
