/**
 * The node's log file. Node and supervisor both append to the file itself: the node keeps a place to write to when its
 * supervisor is killed, which a pipe would not give it. It is bounded by copying it away and cutting it to nothing in place;
 * what is written between the two, within about a millisecond, is lost.
 */
import { closeSync, constants, mkdirSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { copyFile, rename, rm, stat, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface LogBounds {
  /** The file is turned over when it is found larger than this. */
  readonly fileBytes: number;
  /** How many files there are at most, the current one included. */
  readonly files: number;
}

export const defaultLogBounds: LogBounds = { fileBytes: 10 << 20, files: 3 };

/** "node.log", "node.log.1", …: newest first. */
export function logFiles(path: string, files: number): string[] {
  return [path, ...Array.from({ length: files - 1 }, (_, age) => `${path}.${age + 1}`)];
}

/** A descriptor that appends; null when the log cannot be opened, which must not keep a node from running. */
export function openLog(path: string): number | null {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, 0o600);
  } catch {
    return null;
  }
}

/** Appends one of the supervisor's own lines, in the same JSON shape as the node's lines. A full disk loses it silently. */
export function appendSupervisorLine(path: string, level: 'info' | 'warn' | 'error', msg: string): void {
  const fd = openLog(path);
  if (fd === null) return;
  try {
    const line = {
      level: { info: 30, warn: 40, error: 50 }[level],
      time: new Date().toISOString(),
      name: 'supervisor',
      msg,
    };
    writeSync(fd, `${JSON.stringify(line)}\n`);
  } catch {
    // There is nowhere left to say it.
  } finally {
    closeSync(fd);
  }
}

export function logSize(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

/** The last lines written after `offset`, at most `lines` of them and out of at most the last 8 KiB. */
export function lastLinesSince(path: string, offset: number, lines: number): string[] {
  const size = logSize(path);
  // A log that was turned over meanwhile is shorter than the offset: then all of it is later.
  const from = Math.max(size < offset ? 0 : offset, size - 8192);
  const buffer = Buffer.alloc(Math.max(0, size - from));
  try {
    const fd = openSync(path, 'r');
    try {
      const read = readSync(fd, buffer, 0, buffer.length, from);
      return buffer.toString('utf8', 0, read).split('\n').filter(Boolean).slice(-lines);
    } finally {
      closeSync(fd);
    }
  } catch {
    return [];
  }
}

/** What a line of the log says, without the fields around it; a line of another kind as it is. */
export function lineInWords(line: string): string {
  try {
    const { msg } = JSON.parse(line) as { msg?: unknown };
    return typeof msg === 'string' ? msg : line;
  } catch {
    return line;
  }
}

/** Turns the log over if it has grown beyond its bound. */
export async function turnLogOver(path: string, bounds: LogBounds): Promise<boolean> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size <= bounds.fileBytes) return false;
  const [, newestCopy, ...older] = logFiles(path, bounds.files);
  try {
    const copies = newestCopy === undefined ? [] : [newestCopy, ...older];
    for (let age = copies.length - 1; age > 0; age--) {
      await rename(copies[age - 1] as string, copies[age] as string).catch(ignoreAbsent);
    }
    if (newestCopy !== undefined) await copyFile(path, newestCopy);
  } catch {
    // No room for a copy: the bound matters more than the old lines.
    if (newestCopy !== undefined) await rm(newestCopy, { force: true });
  }
  await truncate(path, 0);
  return true;
}

function ignoreAbsent(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
