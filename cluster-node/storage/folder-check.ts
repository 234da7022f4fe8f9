/**
 * Whether everything that a node reads and writes in its data folder is a file or folder that it can use. Asked before anything is
 * touched: a folder where a file should be otherwise shows much later, as an error without a name.
 */
import { accessSync, constants, lstatSync, readdirSync, type Stats, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DataMismatchError } from './errors.ts';
import { LOG_FOLDER, MARK_FILE, segmentOf } from './log/commands.ts';
import { KNOWN_DISKS_FILE, QUARANTINE_FILE } from './notes.ts';

const FOLDERS = new Set([LOG_FOLDER, 'snapshots']);
const FILES = new Set([
  'superblock',
  MARK_FILE,
  'vowed',
  'disk-failed',
  'lock',
  'lock-owner',
  KNOWN_DISKS_FILE,
  QUARANTINE_FILE,
]);
const SNAPSHOT_NAME = /\.(snapshot|incoming)$|^writing\.tmp$/;

/** Throws DataMismatchError, with the path and what to do. `birthPath` is outside the folder. */
export function checkDataFolder(dataDir: string, birthPath: string): void {
  checkKinds(dataDir, check);
  for (const path of [birthPath, `${birthPath}.tmp`])
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) check(path, 'file');
}

type Check = (path: string, expected: 'file' | 'folder') => void;

/** The same without asking for permission to write. What goes meanwhile, as beside a running node, is passed over. */
export function checkKinds(dataDir: string, check: Check = checkKind): void {
  check(dataDir, 'folder');
  for (const name of readdirSync(dataDir)) {
    if (FOLDERS.has(name)) check(join(dataDir, name), 'folder');
    else if (isFile(name)) check(join(dataDir, name), 'file');
  }
  for (const name of namesIn(join(dataDir, LOG_FOLDER)))
    if (segmentOf(name) !== null) check(join(dataDir, LOG_FOLDER, name), 'file');
  for (const name of namesIn(join(dataDir, 'snapshots')))
    if (SNAPSHOT_NAME.test(name)) check(join(dataDir, 'snapshots', name), 'file');
}

/** A file is replaced by way of one with ".tmp" behind its name. */
function isFile(name: string): boolean {
  return FILES.has(name) || FILES.has(basename(name, '.tmp'));
}

function namesIn(folder: string): string[] {
  return statSync(folder, { throwIfNoEntry: false }) === undefined ? [] : readdirSync(folder);
}

export function checkKind(path: string, expected: 'file' | 'folder'): void {
  const found = statOf(path);
  if (found === null) return;
  if (expected === 'file' ? !found.isFile() : !found.isDirectory())
    throw new DataMismatchError(
      `${path} is a ${kindOf(found)} where a ${expected} should be, and no node has made it so. Move it away, put the ${expected} ` +
        'back if there was one, and start the node again.',
    );
}

function check(path: string, expected: 'file' | 'folder'): void {
  checkKind(path, expected);
  try {
    accessSync(path, constants.R_OK | constants.W_OK | (expected === 'folder' ? constants.X_OK : 0));
  } catch (cause) {
    throw new DataMismatchError(
      `${path} cannot be read and written by user ${process.getuid?.() ?? 'of this process'} (${(cause as Error).message}). ` +
        'Give it to the user who runs the node (chown, chmod) and start the node again.',
      { cause },
    );
  }
}

/** null: it is gone, and there was no link either. */
function statOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    if (isMissing && lstatSync(path, { throwIfNoEntry: false }) === undefined) return null;
    throw new DataMismatchError(
      `${path} cannot be looked at, perhaps a link that leads nowhere: ${(cause as Error).message}. Put right what it leads to, or ` +
        'move the link away, and start the node again.',
      { cause },
    );
  }
}

function kindOf(found: Stats): string {
  if (found.isDirectory()) return 'folder';
  if (found.isFile()) return 'file';
  if (found.isFIFO()) return 'pipe';
  return found.isSocket() ? 'socket' : 'device';
}
