/**
 * The lock that keeps two consoles apart, one file for each cluster on each of its hosts. How long it holds is measured by the host's boot
 * clock, which no one sets: the host itself says how long is left. The first lines are read and written by the host's shell
 * (`host-scripts.ts`), so each of these fields stands on a line of its own.
 */
import { z } from 'zod';

export const lockOwnerSchema = z.object({
  who: z.string(),
  consoleId: z.string(),
  operationId: z.string(),
  title: z.string(),
  /** On that console's clock. */
  sinceUnixMs: z.number(),
});
export type LockOwner = z.infer<typeof lockOwnerSchema>;

const lockFileSchema = z.object({
  formatVersion: z.literal(1),
  /** Of which start of the host `expiresUptimeSeconds` counts. */
  bootId: z.string(),
  expiresUptimeSeconds: z.number(),
  ttlSeconds: z.number(),
  /** `holderOf` the console: it may take over its own lock at any time. */
  holder: z.string(),
  /** The operation that holds it: no other may renew or release it. */
  token: z.string(),
  owner: lockOwnerSchema,
});
type LockFile = z.infer<typeof lockFileSchema>;

/** The part that the console decides, as the lines that follow those of the host. */
export function lockLines(lock: Omit<LockFile, 'formatVersion' | 'bootId' | 'expiresUptimeSeconds'>): string {
  return `${JSON.stringify(lock, null, 2).split('\n').slice(1).join('\n')}\n`;
}

/** null: not a lock of Synod's. */
export function ownerIn(text: string): LockOwner | null {
  try {
    return lockFileSchema.parse(JSON.parse(text)).owner;
  } catch {
    return null;
  }
}
