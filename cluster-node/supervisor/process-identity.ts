/**
 * A pid alone is no name: the kernel gives it to somebody else later. A process is named here by its pid together with the
 * moment it started and the boot it started in, and nothing is ever signalled under a name that no longer fits.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { z } from 'zod';

export const processIdentitySchema = z.object({
  pid: z.number().int().min(2),
  /** Clock ticks since boot on Linux (proc_pid_stat(5), field 22); elsewhere the start time as `ps` writes it. */
  startTime: z.string().min(1),
  /** /proc/sys/kernel/random/boot_id; empty where there is none. */
  bootId: z.string(),
});
export type ProcessIdentity = z.infer<typeof processIdentitySchema>;

/** State letter and start time out of /proc/<pid>/stat; null when it is not such a line. */
export function parseProcessStat(text: string): { state: string; startTime: string } | null {
  // The second field, the command in brackets, may itself hold spaces and brackets: fields are counted after its end.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  const startTime = fields[19];
  return state && startTime && /^\d+$/.test(startTime) ? { state, startTime } : null;
}

function readTextOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

export function currentBootId(): string {
  return readTextOrNull('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
}

/** When the live process with this pid started; null when there is none. A zombie has ended: it is none. */
function startTimeOf(pid: number): string | null {
  if (process.platform === 'linux') {
    const stat = parseProcessStat(readTextOrNull(`/proc/${pid}/stat`) ?? '');
    return stat === null || stat.state === 'Z' || stat.state === 'X' ? null : stat.startTime;
  }
  try {
    const [state = '', ...started] = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      timeout: 2000,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
      .trim()
      .split(/\s+/);
    return state.startsWith('Z') || started.length === 0 ? null : started.join(' ');
  } catch {
    return null;
  }
}

/** The full name of the live process with this pid; null when there is none. */
export function identify(pid: number): ProcessIdentity | null {
  const startTime = startTimeOf(pid);
  return startTime === null ? null : { pid, startTime, bootId: currentBootId() };
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identity.bootId === currentBootId() && startTimeOf(identity.pid) === identity.startTime;
}

/** Sends the signal if, and only if, the named process still lives; false when it does not. */
export function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
