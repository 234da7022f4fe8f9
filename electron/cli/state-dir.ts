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

/** The XDG base directory specification: an empty or relative value counts as none. */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}
