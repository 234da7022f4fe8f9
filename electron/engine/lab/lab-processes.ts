/** The processes that belong to a lab: those that inherited its marker, or run a program from below its root. */
import { execFile } from 'node:child_process';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { LAB_HOST_VARIABLE, LAB_ROOT_VARIABLE } from './lab-state.ts';
import { identify, type ProcessIdentity, signalProcess } from './process-identity.ts';

export interface LabProcess {
  identity: ProcessIdentity;
  command: string;
}

/** All but this process itself. `root` must be free of symbolic links, as LabState has it. */
export async function findLabProcesses(root: string): Promise<LabProcess[]> {
  const pids = (await allPids()).filter((pid) => pid !== process.pid);
  const found = await Promise.all(pids.map(async (pid) => await asLabProcess(pid, root)));
  return found.filter((one) => one !== null);
}

/** The lab's own server: `… <root>` with the marker of the lab, but on none of its hosts. null: none runs. */
export async function findLabServer(root: string): Promise<ProcessIdentity | null> {
  for (const { identity, command } of await findLabProcesses(root)) {
    if (!command.endsWith(` ${root}`)) continue;
    const environment = await environmentOf(identity.pid);
    const has = (line: string) => environment.some((one) => one.startsWith(line));
    if (has(`${LAB_ROOT_VARIABLE}=${root}`) && !has(`${LAB_HOST_VARIABLE}=`)) return identity;
  }
  return null;
}

/** The root of the lab that a process belongs to; null: none, or it cannot be asked. */
export async function labRootOf(pid: number): Promise<string | null> {
  const marker = (await environmentOf(pid)).find((line) => line.startsWith(`${LAB_ROOT_VARIABLE}=`));
  return marker?.slice(LAB_ROOT_VARIABLE.length + 1) ?? null;
}

/**
 * Ends them: SIGTERM, after `graceMs` SIGKILL, looking again until none is left, because supervisors start new ones. Returns how
 * many were signalled; throws if some outlive SIGKILL for 5 s.
 */
export async function endLabProcesses(root: string, graceMs = 1500): Promise<number> {
  const signalled = new Set<string>();
  const startedAt = performance.now();
  for (;;) {
    const left = await findLabProcesses(root);
    if (left.length === 0) return signalled.size;
    const elapsedMs = performance.now() - startedAt;
    if (elapsedMs > graceMs + 5000) throw new Error(`still running: ${left.map(describe).join('; ')}`);
    for (const { identity } of left) {
      const key = `${identity.pid}/${identity.startedAt}`;
      // One SIGTERM each: a process that is stopping must not be told again what it may take for impatience.
      if (elapsedMs > graceMs) await signalProcess(identity, 'SIGKILL');
      else if (!signalled.has(key)) await signalProcess(identity, 'SIGTERM');
      signalled.add(key);
    }
    await delay(20);
  }
}

function describe({ identity, command }: LabProcess): string {
  return `${identity.pid} ${command}`;
}

async function allPids(): Promise<number[]> {
  if (process.platform === 'linux') return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=']);
  return stdout.split('\n').map(Number).filter(Boolean);
}

async function asLabProcess(pid: number, root: string): Promise<LabProcess | null> {
  // The identity first: should the number change hands meanwhile, the signal goes to nobody.
  const identity = await identify(pid);
  if (identity === null || !(await belongs(pid, root))) return null;
  return { identity, command: await commandOf(pid) };
}

async function belongs(pid: number, root: string): Promise<boolean> {
  if ((await labRootOf(pid)) === root) return true;
  const program = await readlink(`/proc/${pid}/exe`).catch(() => '');
  return program.startsWith(`${root}/`);
}

async function environmentOf(pid: number): Promise<string[]> {
  if (process.platform === 'linux') {
    return (await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')).split('\0');
  }
  const ps = await promisify(execFile)('ps', ['-E', '-ww', '-o', 'command=', '-p', String(pid)]).catch(() => null);
  return (ps?.stdout ?? '').trim().split(' ');
}

async function commandOf(pid: number): Promise<string> {
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return line.replaceAll('\0', ' ').trim();
}
