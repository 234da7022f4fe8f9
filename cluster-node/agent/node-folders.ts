/** The nodes of one place of this host (contract/host-layout.ts), and what each node's own configuration says of it. */
import { access, lstat, readdir, readFile, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { type HostPlace, nodeLayout } from '../contract/host-layout.ts';
import { nodeConfigSchema } from '../contract/node-config.ts';
import { assertSocketPath } from '../supervisor/control.ts';
import { CallFailedError, failCall } from '../supervisor/socket-call.ts';

interface Folder {
  readonly nodeId: string;
  /** Holds the configuration. Absolute, without symbolic links. */
  readonly nodeDir: string;
  readonly adminSocket: string;
  readonly dataDir: string;
}

/** A node of the place `home`. */
export interface SupervisedFolder extends Folder {
  readonly keeper: 'supervisor';
  readonly supervisorSocket: string;
  readonly logPath: string;
  /** What starts the supervisor with the host; null: nothing does. */
  readonly userUnit: string | null;
}

/** A node of the place `system`. */
export interface UnitFolder extends Folder {
  readonly keeper: 'systemd';
  readonly unit: string;
}

export type NodeFolder = SupervisedFolder | UnitFolder;

/** A folder that bears a node's name; `folder` is null with the reason when it cannot be used. */
export type FoundFolder =
  | { readonly nodeId: string; readonly folder: NodeFolder }
  | { readonly nodeId: string; readonly folder: null; readonly why: string };

const nodeIdPattern = /^n-[a-z0-9]{8}$/;

/** Sorted by node id; empty when Synod has put nothing here. */
export async function listNodeFolders(place: HostPlace): Promise<FoundFolder[]> {
  const names = await readdir(place.nodesDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const found: FoundFolder[] = [];
  // One after another: on a disk that hangs this takes one thread of the pool, not all.
  for (const nodeId of names.filter((name) => nodeIdPattern.test(name)).sort()) {
    try {
      found.push({ nodeId, folder: await openNodeFolder(place, nodeId) });
    } catch (error) {
      found.push({ nodeId, folder: null, why: (error as Error).message });
    }
  }
  return found;
}

/** Throws CallFailedError: `notFound` without such a folder, `failed` when its configuration cannot be used. */
export async function openNodeFolder(place: HostPlace, nodeId: string): Promise<NodeFolder> {
  const { configDir, unit } = place.node(nodeId);
  const stat = await lstat(configDir).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') throw failCall('notFound', `there is no node ${nodeId} on this host (${configDir})`);
    throw cause;
  });
  if (!stat.isDirectory()) throw failCall('refused', `${configDir} is not a folder of its own but a link or a file`);
  const nodeDir = await realpath(configDir);
  const config = await readConfig(join(nodeDir, nodeLayout.config));
  if (config.nodeId !== nodeId) {
    throw failCall('failed', `${join(nodeDir, nodeLayout.config)} belongs to node ${config.nodeId}`);
  }
  const folder: Folder = {
    nodeId,
    nodeDir,
    adminSocket: resolve(nodeDir, config.adminSocket),
    dataDir: resolve(nodeDir, config.dataDir),
  };
  assertSocketPath(folder.adminSocket);
  if (place.name === 'system') return { ...folder, keeper: 'systemd', unit: unit.name };
  const supervisorSocket = join(nodeDir, nodeLayout.supervisorSocket);
  assertSocketPath(supervisorSocket);
  const isKept = await access(unit.path).then(
    () => true,
    () => false,
  );
  return {
    ...folder,
    keeper: 'supervisor',
    supervisorSocket,
    logPath: join(nodeDir, nodeLayout.logFile),
    userUnit: isKept ? unit.name : null,
  };
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
