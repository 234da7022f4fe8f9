/** The root file system that every host stands on, built once a machine and recipe. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.ts';

const SCRIPT = join(import.meta.dirname, 'scripts/root-file-system.sh');
const BUILD_TIMEOUT_MS = 15 * 60_000;

/** Set SYNOD_LAB_CACHE to keep it elsewhere: DIGEST.tar.zst is the packed copy, worth keeping between machines of a CI. */
function cacheFolder(): string {
  return process.env.SYNOD_LAB_CACHE ?? '/var/cache/synod-lab';
}

function digest(): string {
  return createHash('sha256').update(readFileSync(SCRIPT)).digest('hex').slice(0, 16);
}

export function isRootFileSystemThere(): boolean {
  return existsSync(join(cacheFolder(), digest())) || existsSync(join(cacheFolder(), `${digest()}.tar.zst`));
}

/** The folder, read-only by agreement. Built first where it is missing: about a minute, with Debian's registry. */
export async function rootFileSystem(): Promise<string> {
  const folder = join(cacheFolder(), digest());
  if (!existsSync(folder)) await run(['bash', SCRIPT, cacheFolder(), digest()], { timeoutMs: BUILD_TIMEOUT_MS });
  return folder;
}
