/** The node folders of this host: ~/.synod/nodes/<nodeId>, and what the node's own configuration says of them. */
import { lstat, readdir, readFile, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { hostLayout, nodeLayout } from '../contract/host-layout.ts';
import { nodeConfigSchema } from '../contract/node-config.ts';
import { assertSocketPath } from '../supervisor/control.ts';
import { CallFailedError, failCall } from '../supervisor/socket-call.ts';

export interface NodeFolder {
  readonly nodeId: string;
  /** Absolute, without symbolic links. */
  readonly nodeDir: string;
  readonly adminSocket: string;
  readonly supervisorSocket: string;
  readonly logPath: string;
  readonly dataDir: string;
}

/** A folder that bears a node's name; `folder` is null with the reason when it cannot be used. */
export type FoundFolder =
  | { readonly nodeId: string; readonly folder: NodeFolder }
  | { readonly nodeId: string; readonly folder: null; readonly why: string };

const nodeIdPattern = /^n-[a-z0-9]{8}$/;

/** Sorted by node id; empty when Synod has put nothing here. */
export async function listNodeFolders(home: string): Promise<FoundFolder[]> {
  const names = await readdir(join(home, hostLayout.nodes)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const found: FoundFolder[] = [];
  // One after another: on a disk that hangs this takes one thread of the pool, not all.
  for (const nodeId of names.filter((name) => nodeIdPattern.test(name)).sort()) {
    try {
      found.push({ nodeId, folder: await openNodeFolder(home, nodeId) });
    } catch (error) {
      found.push({ nodeId, folder: null, why: (error as Error).message });
    }
  }
  return found;
}

/** Throws CallFailedError: `notFound` without such a folder, `failed` when its configuration cannot be used. */
export async function openNodeFolder(home: string, nodeId: string): Promise<NodeFolder> {
  const path = join(home, hostLayout.nodeDir(nodeId));
  const stat = await lstat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') throw failCall('notFound', `there is no node ${nodeId} on this host (${path})`);
    throw cause;
  });
  if (!stat.isDirectory()) throw failCall('refused', `${path} is not a folder of its own but a link or a file`);
  const nodeDir = await realpath(path);
  const config = await readConfig(join(nodeDir, nodeLayout.config));
  if (config.nodeId !== nodeId) {
    throw failCall('failed', `${join(nodeDir, nodeLayout.config)} belongs to node ${config.nodeId}`);
  }
  const folder: NodeFolder = {
    nodeId,
    nodeDir,
    adminSocket: resolve(nodeDir, config.adminSocket),
    supervisorSocket: join(nodeDir, nodeLayout.supervisorSocket),
    logPath: join(nodeDir, nodeLayout.logFile),
    dataDir: resolve(nodeDir, config.dataDir),
  };
  assertSocketPath(folder.adminSocket);
  assertSocketPath(folder.supervisorSocket);
  return folder;
}

async function readConfig(path: string) {
  try {
    return nodeConfigSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message;
    throw new CallFailedError(
      { kind: 'failed', message: `${path} cannot be used: ${why}`, nextStep: 'provision the node again' },
      { cause },
    );
  }
}
