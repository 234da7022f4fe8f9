/**
 * A note in the data folder that this node's state was found to differ from the majority's. The state is built again at the next
 * start: from a snapshot that the majority agreed with and the log, or, when that did not help, from a peer's snapshot.
 * The log itself is not in doubt (every value carries its digest), so the node goes on voting.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder, writeFileDurably } from '../storage/files.ts';
import { encodeQuarantine, parseQuarantine, QUARANTINE_FILE, type Quarantine } from '../storage/notes.ts';

/** Found odd again so soon after building from its own log: that log or disk is not to be trusted for it. */
const AGAIN_WITHIN_MS = 60 * 60 * 1000;

/** null when the state is not in doubt. A note that cannot be read distrusts everything. */
export async function readQuarantine(dataDir: string): Promise<Quarantine | null> {
  const path = join(dataDir, QUARANTINE_FILE);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  try {
    return parseQuarantine(text);
  } catch {
    return { trustedUpTo: 0, reason: `${path} cannot be read`, atUnixMs: Date.now(), count: 2, isOver: false };
  }
}

/** Durable when it resolves. */
export async function enterQuarantine(
  dataDir: string,
  entry: Pick<Quarantine, 'trustedUpTo' | 'reason'>,
): Promise<void> {
  const earlier = await readQuarantine(dataDir);
  const atUnixMs = Date.now();
  const isAgain = earlier !== null && atUnixMs - earlier.atUnixMs < AGAIN_WITHIN_MS;
  const quarantine: Quarantine = { ...entry, atUnixMs, count: isAgain ? earlier.count + 1 : 1, isOver: false };
  await writeFileDurably(join(dataDir, QUARANTINE_FILE), encodeQuarantine(quarantine));
}

/** The state was built again. */
export async function leaveQuarantine(dataDir: string, quarantine: Quarantine): Promise<void> {
  if (Date.now() - quarantine.atUnixMs >= AGAIN_WITHIN_MS) {
    await rm(join(dataDir, QUARANTINE_FILE), { force: true });
    await syncFolder(dataDir);
  } else if (!quarantine.isOver)
    await writeFileDurably(join(dataDir, QUARANTINE_FILE), encodeQuarantine({ ...quarantine, isOver: true }));
}
