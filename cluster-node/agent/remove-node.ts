/**
 * Removes a stopped node's folder, and nothing else. The folder is first renamed away in one step: a removal that is cut
 * short leaves no half node behind, and the rest is cleared by the next one.
 */
import { readdir, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { HOST_ROOT, hostLayout } from '../contract/host-layout.ts';
import { findNode, findRecorded } from '../supervisor/run-records.ts';
import { CallFailedError, failCall } from '../supervisor/socket-call.ts';
import { type NodeFolder, openNodeFolder } from './node-folders.ts';

const REMOVING_PREFIX = '.removing-';

export interface RemoveRequest {
  readonly home: string;
  readonly nodeId: string;
  readonly confirmNodeId: string;
}

/** `removed` is false when there was no such node. Throws CallFailedError when it is not safe. */
export async function removeNode(request: RemoveRequest): Promise<{ removed: boolean }> {
  const { home, nodeId } = request;
  if (request.confirmNodeId !== nodeId) {
    throw failCall('badRequest', `confirmNodeId is ${request.confirmNodeId}, but ${nodeId} is to be removed`);
  }
  const nodesDir = join(home, hostLayout.nodes);
  const folder = await openIfThere(home, nodeId);
  if (folder) {
    await assertSafeToRemove(home, folder);
    await rename(folder.nodeDir, join(nodesDir, REMOVING_PREFIX + nodeId));
  }
  await clearLeftovers(nodesDir, nodeId);
  for (const parent of [nodesDir, join(home, HOST_ROOT)]) await removeIfEmpty(parent);
  return { removed: folder !== null };
}

async function openIfThere(home: string, nodeId: string): Promise<NodeFolder | null> {
  try {
    return await openNodeFolder(home, nodeId);
  } catch (error) {
    if (error instanceof CallFailedError && error.callError.kind === 'notFound') return null;
    throw error;
  }
}

async function assertSafeToRemove(home: string, folder: NodeFolder): Promise<void> {
  const { nodeId, nodeDir } = folder;
  const expected = join(await realpath(home), hostLayout.nodeDir(nodeId));
  if (nodeDir !== expected) {
    throw failCall(
      'refused',
      `${expected} leads to ${nodeDir} by a symbolic link`,
      'remove it by hand if that is meant',
    );
  }
  const data = relative(nodeDir, folder.dataDir);
  if (data === '..' || data.startsWith(`..${sep}`)) {
    const message = `the data of ${nodeId} is in ${folder.dataDir}, outside its folder ${nodeDir}`;
    throw failCall('refused', message, 'move or remove the data by hand and set dataDir to "data" in config.json');
  }
  const alive = (await findRecorded(nodeDir, 'supervisor')) ?? (await findNode(nodeDir));
  if (alive) throw failCall('refused', `node ${nodeId} is not stopped (pid ${alive.pid})`, 'stop it first');
}

async function clearLeftovers(nodesDir: string, nodeId: string): Promise<void> {
  const names = await readdir(nodesDir).catch(() => []);
  for (const name of names) {
    // Links inside are removed, not followed: rm(2) of Node does so.
    if (name === REMOVING_PREFIX + nodeId) await rm(join(nodesDir, name), { recursive: true });
  }
}

async function removeIfEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST' && error.code !== 'ENOENT') throw error;
  });
}
