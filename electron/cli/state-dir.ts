import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/**
 * Where the engine keeps what it knows: `given`, else SYNOD_STATE, else the platform's own place for state
 * (Linux: XDG_STATE_HOME or ~/.local/state). Absolute.
 */
export function resolveStateDir(given: string | undefined): string {
  const asked = given ?? process.env['SYNOD_STATE'];
  if (asked) return resolve(asked);
  if (process.platform === 'darwin') return join(homedir(), 'Library/Application Support/Synod');
  if (process.platform === 'win32') return join(absolute(process.env['LOCALAPPDATA']) ?? homedir(), 'Synod');
  return join(absolute(process.env['XDG_STATE_HOME']) ?? join(homedir(), '.local/state'), 'synod');
}

/** Where what can be fetched again is kept (Linux: XDG_CACHE_HOME or ~/.cache). Absolute. */
export function resolveCacheDir(): string {
  if (process.platform === 'darwin') return join(homedir(), 'Library/Caches/Synod');
  if (process.platform === 'win32') return join(absolute(process.env['LOCALAPPDATA']) ?? homedir(), 'Synod/Cache');
  return join(absolute(process.env['XDG_CACHE_HOME']) ?? join(homedir(), '.cache'), 'synod');
}

/** The XDG base directory specification: an empty or relative value counts as none. */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}
