/**
 * A note beside the data folder, not in it, that this node has run, and with which disk. Without it an emptied data folder
 * looks like a first start: the node would forget what it promised and vote again.
 */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { DataDamagedError } from './errors.ts';
import { writeFileDurably } from './files.ts';
import type { Superblock } from './superblock.ts';

const birthSchema = z.object({ nodeId: z.string(), incarnation: z.string(), bornAtUnixMs: z.number() });
export type Birth = z.infer<typeof birthSchema>;

/** null for a node that never ran. Throws DataDamagedError when the note cannot be read as one. */
export async function readBirth(path: string): Promise<Birth | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return birthSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new DataDamagedError(`${path} should say when this node first ran but cannot be read; replace the node`, {
      cause,
    });
  }
}

export function writeBirth(path: string, { nodeId, incarnation, createdAtUnixMs }: Superblock): Promise<void> {
  const birth: Birth = { nodeId, incarnation, bornAtUnixMs: createdAtUnixMs };
  return writeFileDurably(path, Buffer.from(`${JSON.stringify(birth)}\n`));
}

/** Throws DataDamagedError when the data folder is not the one that the node was born with; `found` is its superblock. */
export function checkBirth(birth: Birth, dataDir: string, found: Superblock | null): void {
  if (found?.incarnation === birth.incarnation) return;
  const when = new Date(birth.bornAtUnixMs).toISOString();
  const what = found === null ? 'has no superblock' : 'holds the data of another start';
  throw new DataDamagedError(
    `node ${birth.nodeId} has run since ${when}, but ${dataDir} ${what}: what it promised is lost and it must not vote. ` +
      'Put the data folder back if it was moved (never an older copy of it); else replace the node.',
  );
}
