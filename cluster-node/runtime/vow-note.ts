/**
 * A note in the data folder of how long this node's lease vows last. The vows themselves are not on disk: a restarted node keeps
 * still for its lease's duration instead. That is too short once the duration was lowered or leases were turned off, so such a
 * start waits until no vow of an earlier life binds any more, and only then forgets the longer duration.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MAX_ELECTION_TIMEOUT_MS } from '../contract/node-config.ts';
import { writeFileDurably } from '../storage/files.ts';

const FILE = 'vowed';

/**
 * Resolves once this node may vow for `durationMs` (0: not at all) and that is noted durably. `wait` is given the milliseconds
 * for which an earlier life's vows may bind longer; it is not called when they do not. Throws the system's error.
 */
export async function noteVows(
  dataDir: string,
  durationMs: number,
  wait: (milliseconds: number) => Promise<unknown>,
): Promise<void> {
  const path = join(dataDir, FILE);
  const before = await readNote(path);
  if (before > durationMs) await wait(before);
  if (before !== durationMs) await writeFileDurably(path, Buffer.from(`${durationMs}\n`));
}

/** A note that cannot be read may have been of the longest duration there is. */
async function readNote(path: string): Promise<number> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '0';
    throw error;
  });
  return /^\d{1,9}\n?$/.test(text) ? Number(text) : MAX_ELECTION_TIMEOUT_MS;
}
