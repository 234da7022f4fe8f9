/**
 * The folder of one demo: everything it makes lies below it, so that tearing it down is deleting it. A demo that was killed
 * leaves its folder behind with the identity of its owner; the next one finds it and cleans up after it.
 */
import { lstatSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { identify, isAlive, type ProcessIdentity, processIdentitySchema } from '../../engine/lab/process-identity.ts';

const PREFIX = 'synod-demo-';
const OWNER_FILE = 'owner.json';
const MAX_PARENT_BYTES = 27;

export interface DemoPlace {
  readonly root: string;
  readonly stateDir: string;
}

/** Makes a new folder (mode 0700) in the system's temporary folder, or in /tmp where that is too long. */
export async function makePlace(): Promise<DemoPlace> {
  const root = mkdtempSync(join(parentFolder(), PREFIX));
  writeFileSync(join(root, OWNER_FILE), JSON.stringify(await identify(process.pid)), { mode: 0o600 });
  return { root, stateDir: join(root, 'state') };
}

export function removePlace(place: DemoPlace): void {
  rmSync(place.root, { recursive: true, force: true, maxRetries: 3 });
}

/** Folders of this user's demos whose process is gone. */
export async function abandonedPlaces(): Promise<DemoPlace[]> {
  const parent = parentFolder();
  const roots = readdirSync(parent)
    .filter((name) => name.startsWith(PREFIX))
    .map((name) => join(parent, name))
    .filter(isOurs);
  const abandoned: DemoPlace[] = [];
  for (const root of roots) if (await isAbandoned(root)) abandoned.push({ root, stateDir: join(root, 'state') });
  return abandoned;
}

/** Unix sockets below it must fit into about 100 bytes, so a long temporary folder (as on macOS) is not used. */
function parentFolder(): string {
  const preferred = realpathSync(tmpdir());
  return preferred.length <= MAX_PARENT_BYTES ? preferred : realpathSync('/tmp');
}

/** A folder (and no link to one) of this user that nobody else can write to, as `makePlace` makes it. */
function isOurs(root: string): boolean {
  const stat = lstatSync(root, { throwIfNoEntry: false });
  return stat?.isDirectory() === true && stat.uid === userInfo().uid && (stat.mode & 0o077) === 0;
}

/** A folder without a readable owner is being made, or is not ours to judge: it is left alone. */
async function isAbandoned(root: string): Promise<boolean> {
  let owner: ProcessIdentity;
  try {
    owner = processIdentitySchema.parse(JSON.parse(readFileSync(join(root, OWNER_FILE), 'utf8')));
  } catch {
    return false;
  }
  return !(await isAlive(owner));
}
