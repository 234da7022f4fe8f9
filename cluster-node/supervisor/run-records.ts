/** The notes in a node's run folder of which processes belong to it, so that they are found again after a crash. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { nodeLayout } from '../contract/host-layout.ts';
import { nodeArguments } from './launch.ts';
import { identify, isAlive, type ProcessIdentity, processIdentitySchema } from './process-identity.ts';

export type RecordName = 'supervisor' | 'node';

function recordPath(nodeDir: string, name: RecordName): string {
  return join(nodeDir, name === 'supervisor' ? nodeLayout.supervisorPid : nodeLayout.nodePid);
}

export function writeRecord(nodeDir: string, name: RecordName, identity: ProcessIdentity): void {
  const path = recordPath(nodeDir, name);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, JSON.stringify(identity), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export function removeRecord(nodeDir: string, name: RecordName): void {
  rmSync(recordPath(nodeDir, name), { force: true });
}

/** null when there is no record or what there is cannot be read as one. */
export async function readRecord(nodeDir: string, name: RecordName): Promise<ProcessIdentity | null> {
  try {
    return processIdentitySchema.parse(JSON.parse(await readFile(recordPath(nodeDir, name), 'utf8')));
  } catch {
    return null;
  }
}

/** The recorded process if it lives: cheap enough for every sample. */
export async function findRecorded(nodeDir: string, name: RecordName): Promise<ProcessIdentity | null> {
  const recorded = await readRecord(nodeDir, name);
  return recorded && isAlive(recorded) ? recorded : null;
}

/**
 * The live node process of this folder, whoever started it. The record is missing when a supervisor was killed between
 * starting the node and writing it down: then the process table is searched for the node's command line.
 */
export async function findNode(nodeDir: string): Promise<ProcessIdentity | null> {
  return (await findRecorded(nodeDir, 'node')) ?? (await searchProcessTable(nodeDir));
}

async function searchProcessTable(nodeDir: string): Promise<ProcessIdentity | null> {
  if (process.platform !== 'linux') return null;
  const wanted = `\0${nodeArguments(nodeDir).join('\0')}\0`;
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      if ((await readFile(`/proc/${entry}/cmdline`, 'utf8')).endsWith(wanted)) return identify(Number(entry));
    } catch {
      // It ended while we were looking, or it is another user's: not ours either way.
    }
  }
  return null;
}
