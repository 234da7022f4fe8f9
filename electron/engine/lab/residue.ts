/** What a lab has left behind on this computer: the proof that taking it down was complete, looked up and never assumed. */
import { existsSync } from 'node:fs';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findLabProcesses, labRootOf } from './lab-processes.ts';
import type { LabState } from './lab-state.ts';

export interface Residue {
  kind: 'process' | 'socket' | 'file';
  /** For people: the process's number and command, the socket's address, the path. */
  what: string;
}

export interface ResidueScope {
  /** The lab as it was before it was taken down: its addresses are searched for listeners. */
  hosts: LabState['hosts'];
  /** Further places that must be free: the ports of the nodes. */
  ports: readonly { address: string; port: number }[];
}

const SETTLES_WITHIN_MS = 5000;
const LOOK_EVERY_MS = 100;

/**
 * What is left for good: the kernel gives a killed process's sockets back when its last thread has ended, which takes a moment on
 * a busy computer.
 */
export async function settledResidue(root: string, scope: ResidueScope, signal?: AbortSignal): Promise<Residue[]> {
  const deadline = performance.now() + SETTLES_WITHIN_MS;
  for (;;) {
    const residue = await labResidue(root, scope);
    if (residue.length === 0 || performance.now() > deadline) return residue;
    await delay(LOOK_EVERY_MS, undefined, { signal });
  }
}

/** Empty: nothing is left. Call it after the lab was taken down; while it runs, everything it consists of is reported. */
export async function labResidue(root: string, scope: ResidueScope): Promise<Residue[]> {
  const real = resolve(root);
  const found = await Promise.all([
    leftProcesses(real),
    leftListeners(real, scope),
    leftUnixSockets(real),
    leftFiles(real),
  ]);
  return found.flat();
}

async function leftProcesses(root: string): Promise<Residue[]> {
  const processes = await findLabProcesses(root);
  return processes.map(({ identity, command }) => ({ kind: 'process', what: `${identity.pid} ${command}` }));
}

async function leftFiles(root: string): Promise<Residue[]> {
  return existsSync(root) ? [{ kind: 'file', what: root }] : [];
}

async function leftUnixSockets(root: string): Promise<Residue[]> {
  // proc(5): the path is the eighth column, where there is one.
  const lines = (await readFile('/proc/net/unix', 'utf8').catch(() => '')).split('\n').slice(1);
  const paths = lines.map((line) => line.trim().split(/\s+/).slice(7).join(' '));
  const below = [...new Set(paths.filter((path) => path.startsWith(`${root}/`)))];
  return below.map((path) => ({ kind: 'socket', what: path }));
}

interface Listener {
  address: string;
  port: number;
  inode: string;
}

async function leftListeners(root: string, scope: ResidueScope): Promise<Residue[]> {
  const places = [...scope.ports, ...scope.hosts.map(({ address, sshPort }) => ({ address, port: sshPort }))];
  const own = new Set(scope.hosts.map((host) => host.address).filter((address) => address !== '127.0.0.1'));
  const suspects = (await listeners()).filter(
    ({ address, port }) => own.has(address) || places.some((place) => place.address === address && place.port === port),
  );
  if (suspects.length === 0) return [];
  const foreign = await inodesOfOtherLabs(root);
  return suspects
    .filter(({ inode }) => !foreign.has(inode))
    .map(({ address, port }) => ({ kind: 'socket', what: `${address}:${port}` }));
}

/** proc(5) /proc/net/tcp: the local address is hexadecimal in host byte order; state 0A listens. */
async function listeners(): Promise<Listener[]> {
  const lines = (await readFile('/proc/net/tcp', 'utf8').catch(() => '')).trim().split('\n').slice(1);
  return lines.flatMap((line) => {
    const columns = line.trim().split(/\s+/);
    const [hexAddress, hexPort] = (columns[1] ?? '').split(':');
    const inode = columns[9];
    if (columns[3] !== '0A' || hexAddress === undefined || hexPort === undefined || inode === undefined) return [];
    const bytes = Buffer.from(hexAddress, 'hex');
    return [{ address: [...bytes].reverse().join('.'), port: Number.parseInt(hexPort, 16), inode }];
  });
}

/** Two labs of one user share addresses: what another one listens on is not left by this one. */
async function inodesOfOtherLabs(root: string): Promise<Set<string>> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const sets = await Promise.all(
    pids.map(async (pid) => {
      const owner = await labRootOf(Number(pid));
      return owner === null || owner === root ? [] : await socketInodes(pid);
    }),
  );
  return new Set(sets.flat());
}

async function socketInodes(pid: string): Promise<string[]> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const links = await Promise.all(descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []);
}
