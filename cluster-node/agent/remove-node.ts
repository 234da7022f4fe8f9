/**
 * Removes what belongs to one stopped node, and nothing else. The configuration goes last and is first renamed away in one step: a
 * removal that is cut short leaves a node that is still there, and is done by asking again, or one that is gone, whose rest
 * is cleared by the next one.
 */
import { existsSync } from 'node:fs';
import { readdir, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { dataDirOn, type HostPlace, type NodePlace, type NodeUnit } from '../contract/host-layout.ts';
import { findNode, findRecorded } from '../supervisor/run-records.ts';
import { CallFailedError, failCall } from '../supervisor/socket-call.ts';
import { type NodeFolder, openNodeFolder } from './node-folders.ts';
import { serviceOf } from './service.ts';
import { runTool } from './systemctl.ts';

const REMOVING_PREFIX = '.removing-';
const SYSTEMCTL_TIMEOUT_MS = 10_000;

export interface RemoveRequest {
  readonly place: HostPlace;
  readonly nodeId: string;
  readonly confirmNodeId: string;
}

/** `removed` is false when there was no such node. Throws CallFailedError when it is not safe. */
export async function removeNode(request: RemoveRequest): Promise<{ removed: boolean }> {
  const { place, nodeId } = request;
  if (request.confirmNodeId !== nodeId) {
    throw failCall('badRequest', `confirmNodeId is ${request.confirmNodeId}, but ${nodeId} is to be removed`);
  }
  const node = place.node(nodeId);
  const folder = await openIfThere(place, nodeId);
  if (folder) {
    await assertOwnFolder(place, folder);
    await assertStopped(folder);
    await removeUnit(node.unit);
    if (place.name === 'system') await removeOutside(node, folder.dataDir);
    await rename(folder.nodeDir, join(place.nodesDir, REMOVING_PREFIX + nodeId));
  }
  await clearLeftovers(place.nodesDir, nodeId);
  for (const parent of [place.nodesDir, ...place.roots]) await removeIfEmpty(parent);
  return { removed: folder !== null };
}

async function openIfThere(place: HostPlace, nodeId: string): Promise<NodeFolder | null> {
  try {
    return await openNodeFolder(place, nodeId);
  } catch (error) {
    if (error instanceof CallFailedError && error.callError.kind === 'notFound') return null;
    throw error;
  }
}

/** Not by way of a link to elsewhere, and with its data where Synod puts data. */
async function assertOwnFolder(place: HostPlace, { nodeId, nodeDir, dataDir }: NodeFolder): Promise<void> {
  const { configDir, stateDir } = place.node(nodeId);
  const above = dirname(place.roots.find((root) => isInside(root, configDir)) as string);
  const expected = join(await realpath(above), relative(above, configDir));
  if (nodeDir !== expected) {
    throw failCall(
      'refused',
      `${expected} leads to ${nodeDir} by a symbolic link`,
      'remove it by hand if that is meant',
    );
  }
  if (isInside(nodeDir, dataDir) || isInside(stateDir, dataDir)) return;
  if (place.name === 'system' && isChosenDataDir(nodeId, dataDir)) return;
  const message = `the data of ${nodeId} is in ${dataDir}, outside its folder ${nodeDir}`;
  throw failCall('refused', message, 'move or remove the data by hand and set dataDir to "data" in config.json');
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`);
}

/** Whether the last three names say that it is this node's alone. */
function isChosenDataDir(nodeId: string, dataDir: string): boolean {
  return dataDir.endsWith(dataDirOn('/', nodeId));
}

async function assertStopped(folder: NodeFolder): Promise<void> {
  const { nodeId, nodeDir } = folder;
  if (folder.keeper === 'systemd') {
    const { state } = await serviceOf(folder).state();
    if (state === 'stopped' || state === 'failed') return;
    throw failCall('refused', `node ${nodeId} is not stopped (${state})`, 'stop it first');
  }
  const alive = (await findRecorded(nodeDir, 'supervisor')) ?? (await findNode(nodeDir));
  if (alive) throw failCall('refused', `node ${nodeId} is not stopped (pid ${alive.pid})`, 'stop it first');
}

/** Before anything else: a node half removed must not be started by the next boot. */
async function removeUnit({ scope, name, path }: NodeUnit): Promise<void> {
  if (!existsSync(path)) return;
  const systemctl = (...words: readonly string[]) =>
    runTool({ tool: 'systemctl', scope, arguments: words, timeoutMs: SYSTEMCTL_TIMEOUT_MS });
  try {
    await systemctl('disable', name);
  } catch (error) {
    // The login's service manager may be gone by now; its next one reads the folders anew.
    if (scope === 'system') throw error;
    await rm(join(dirname(path), 'default.target.wants', name), { force: true });
  }
  await rm(path);
  await systemctl('daemon-reload').catch(() => '');
  // A unit that has failed would be listed on.
  await systemctl('reset-failed', name).catch(() => '');
}

/** What the place keeps of a node outside of the folder of its configuration. */
async function removeOutside({ configDir, stateDir, runDir, versionLinks }: NodePlace, dataDir: string): Promise<void> {
  // Links inside are removed, not followed: rm(2) of Node does so.
  for (const path of [dataDir, stateDir, runDir, versionLinks.dir])
    if (!isInside(configDir, path)) await rm(path, { recursive: true, force: true });
  for (const path of [dirname(dataDir), dirname(dirname(dataDir)), dirname(versionLinks.dir)])
    if (!isInside(configDir, path)) await removeIfEmpty(path);
}

async function clearLeftovers(nodesDir: string, nodeId: string): Promise<void> {
  const names = await readdir(nodesDir).catch(() => []);
  for (const name of names) {
    if (name === REMOVING_PREFIX + nodeId) await rm(join(nodesDir, name), { recursive: true });
  }
}

async function removeIfEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST' && error.code !== 'ENOENT') throw error;
  });
}
