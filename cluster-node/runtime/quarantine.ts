/**
 * A note in the data folder that this node's state was found to differ from the majority's. The state is built again at the next
 * start: from a snapshot that the majority agreed with and the log, or, when that did not help, from a peer's snapshot.
 * The log itself is not in doubt (every value carries its digest), so the node goes on voting.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { syncFolder, writeFileDurably } from '../storage/files.ts';

const FILE = 'quarantine.json';
/** Found odd again so soon after building from its own log: that log or disk is not to be trusted for it. */
const AGAIN_WITHIN_MS = 60 * 60 * 1000;

const quarantineSchema = z.object({
  /** Snapshots above this slot are not to be used. */
  trustedUpTo: z.number().int().min(0),
  reason: z.string(),
  atUnixMs: z.number(),
  /** How often in a row. */
  count: z.number().int().min(1),
  /** Cleared by a start that has built the state again; kept for a while to count. */
  isOver: z.boolean(),
});
export type Quarantine = z.infer<typeof quarantineSchema>;

/** null when the state is not in doubt. A note that cannot be read distrusts everything. */
export async function readQuarantine(dataDir: string): Promise<Quarantine | null> {
  const path = join(dataDir, FILE);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return null;
  const parsed = quarantineSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  return { trustedUpTo: 0, reason: `${path} cannot be read`, atUnixMs: Date.now(), count: 2, isOver: false };
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
  await writeFileDurably(join(dataDir, FILE), Buffer.from(`${JSON.stringify(quarantine)}\n`));
}

/** The state was built again. */
export async function leaveQuarantine(dataDir: string, quarantine: Quarantine): Promise<void> {
  if (Date.now() - quarantine.atUnixMs >= AGAIN_WITHIN_MS) {
    await rm(join(dataDir, FILE), { force: true });
    await syncFolder(dataDir);
  } else if (!quarantine.isOver)
    await writeFileDurably(join(dataDir, FILE), Buffer.from(`${JSON.stringify({ ...quarantine, isOver: true })}\n`));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
