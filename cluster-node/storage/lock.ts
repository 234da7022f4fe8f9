/** One process per data folder: two would write one log and break each other's promises. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DataLockedError } from './errors.ts';
import { type FileLock, takeFileLock } from './file-lock.ts';

/** Throws DataLockedError when another process holds the folder. */
export function lockDataFolder(dataDir: string): FileLock {
  const ownerFile = join(dataDir, 'lock-owner');
  const lock = takeFileLock(join(dataDir, 'lock'));
  if (lock === null)
    throw new DataLockedError(
      `${dataDir} is in use by another process (${ownerOf(ownerFile)}); stop that one first, two must never share a log`,
    );
  writeFileSync(ownerFile, `pid ${process.pid}`, { mode: 0o600 });
  return lock;
}

function ownerOf(ownerFile: string): string {
  try {
    return readFileSync(ownerFile, 'utf8').slice(0, 40) || 'unknown pid';
  } catch {
    return 'unknown pid';
  }
}
