import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * Where the engine keeps what it knows: `given`, else SYNOD_STATE, else the platform's own place for state
 * (Linux: XDG_STATE_HOME or ~/.local/state). Absolute.
 */
export function resolveStateDir(given: string | undefined): string {
  const asked = given ?? process.env['SYNOD_STATE'];
  if (asked) return resolve(asked);
  if (process.platform === 'darwin') return join(homedir(), 'Library/Application Support/Synod');
  if (process.platform === 'win32') return join(process.env['LOCALAPPDATA'] ?? homedir(), 'Synod');
  return join(process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local/state'), 'synod');
}
