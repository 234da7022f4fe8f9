/** Who works here, as other consoles and people read it. */
import { hostname, userInfo } from 'node:os';
import { z } from 'zod';
import { newId } from '../../fleet/ids.ts';
import type { FleetStore } from '../../fleet/store.ts';

const CONSOLE = 'console';
const identitySchema = z.object({ consoleId: z.string() });

/** Login and computer: "ops@laptop". */
export function loginHere(): string {
  return `${userInfo().username}@${hostname()}`;
}

/** The id of this state folder as a console, made when it is asked for first. */
export function consoleIdOf(store: FleetStore): string {
  const known = store.getDocument(CONSOLE, 'identity', identitySchema);
  if (known) return known.consoleId;
  const consoleId = newId('k');
  store.putDocument(CONSOLE, 'identity', { consoleId });
  return consoleId;
}

/**
 * What tells a lock of ours from others': a state folder that was copied to another computer is another holder there. Letters, digits,
 * `.`, `-` and `/` only.
 */
export function holderOf(store: FleetStore): string {
  return `${consoleIdOf(store)}/${hostname().replace(/[^A-Za-z0-9.-]/g, '-')}`;
}
