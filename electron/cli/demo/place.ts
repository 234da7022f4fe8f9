/**
 * The folder of one demo: everything it makes lies below it, so that tearing it down is deleting it. A demo that was killed
 * leaves its folder behind with the pid of its owner; the next one finds it and cleans up after it.
 */
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'synod-demo-';
const OWNER_FILE = 'owner.pid';
const MAX_PARENT_BYTES = 27;

export interface DemoPlace {
  readonly root: string;
  readonly stateDir: string;
}

/** Makes a new folder (mode 0700) in the system's temporary folder, or in /tmp where that is too long. */
export function makePlace(): DemoPlace {
  const root = mkdtempSync(join(parentFolder(), PREFIX));
  writeFileSync(join(root, OWNER_FILE), String(process.pid));
  return { root, stateDir: join(root, 'state') };
}

export function removePlace(place: DemoPlace): void {
  rmSync(place.root, { recursive: true, force: true, maxRetries: 3 });
}

/** Folders of this user's demos whose process is gone. */
export function abandonedPlaces(): DemoPlace[] {
  const parent = parentFolder();
  return readdirSync(parent)
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => join(parent, name))
    .filter((root) => isOurs(root) && !ownerLives(root))
    .map((root) => ({ root, stateDir: join(root, 'state') }));
}

/** Unix sockets below it must fit into about 100 bytes, so a long temporary folder (as on macOS) is not used. */
function parentFolder(): string {
  const preferred = realpathSync(tmpdir());
  return preferred.length <= MAX_PARENT_BYTES ? preferred : realpathSync('/tmp');
}

function isOurs(root: string): boolean {
  const stat = statSync(root, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && (process.platform === 'win32' || stat.uid === userInfo().uid);
}

/** A folder without a readable owner is being made or is not ours to judge: it counts as alive. */
function ownerLives(root: string): boolean {
  let pid: number;
  try {
    pid = Number(readFileSync(join(root, OWNER_FILE), 'utf8'));
  } catch {
    return true;
  }
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
