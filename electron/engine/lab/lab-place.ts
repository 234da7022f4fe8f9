/** Which folder the lab of a state folder is. */
import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { LONGEST_ROOT_BYTES } from './lab-state.ts';

/**
 * `lab` in the state folder; where that is too long for the unix sockets below it, a folder of /tmp that is named after the user
 * and the state folder, so that every console on that state folder comes to the same one, and one on a copy of it does not.
 */
export function labRootFor(stateDir: string): string {
  const real = existsSync(stateDir) ? realpathSync(stateDir) : resolve(stateDir);
  const inside = join(real, 'lab');
  if (Buffer.byteLength(inside) <= LONGEST_ROOT_BYTES || process.platform === 'win32') return inside;
  const digest = createHash('sha256').update(real).digest('hex').slice(0, 12);
  return join(realpathSync('/tmp'), `synod-lab-${userInfo().uid}-${digest}`);
}
