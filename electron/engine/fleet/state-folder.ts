/**
 * The state folder of an engine: the fleet file, known host keys and the clusters' certificates. One engine owns it at a
 * time. The lock is SQLite's own lock on `engine.lock`, which the operating system drops with the process, so a killed
 * engine never leaves it behind.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { FailureError } from '../operations/failure.ts';
import { makePrivateFile, makePrivateFolder } from '../private-files.ts';

const ownerSchema = z.object({ pid: z.number().int(), startedAtUnixMs: z.number() });

export interface StateFolder {
  readonly path: string;
  /** Path of a file or folder in it. */
  file(...names: string[]): string;
  release(): void;
}

/** Creates (mode 0700) and locks it. Throws FailureError `stateFolderInUse` or `stateFolderUnusable`. */
export function openStateFolder(path: string, nowUnixMs: number): StateFolder {
  prepare(path);
  const ownerFile = join(path, 'engine.json');
  const lock = lockFolder(path, ownerFile);
  writeFileSync(ownerFile, `${JSON.stringify({ pid: process.pid, startedAtUnixMs: nowUnixMs })}\n`, { mode: 0o600 });
  return { path, file: (...names) => join(path, ...names), release: () => lock.close() };
}

function prepare(path: string): void {
  try {
    // Keys of clusters lie below.
    makePrivateFolder(path);
    makePrivateFile(lockFile(path));
  } catch (error) {
    throw new FailureError(
      {
        kind: 'stateFolderUnusable',
        message: `The state folder ${path} cannot be used: ${(error as Error).message}`,
        nextStep: 'Make it a folder of your own user, or name another one.',
      },
      { cause: error },
    );
  }
}

const lockFile = (path: string) => join(path, 'engine.lock');

function lockFolder(path: string, ownerFile: string): DatabaseSync {
  const lock = new DatabaseSync(lockFile(path), { timeout: 0 });
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    const owner = readOwner(ownerFile);
    throw new FailureError(
      {
        kind: 'stateFolderInUse',
        message: `Another engine${owner === null ? '' : ` (process ${owner.pid})`} is using the state folder ${path}.`,
        nextStep: 'Use that one, close it first, or name another state folder.',
      },
      { cause: error },
    );
  }
}

function readOwner(file: string): z.infer<typeof ownerSchema> | null {
  try {
    return ownerSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return null; // The owner is between locking and writing: it is there, but not known by number.
  }
}
