/** Tells a process that is busy from one that stands still, by the processor time that it uses (proc(5), `stat`). */
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

/** A hundredth of a second each on every Linux (sysconf(3), _SC_CLK_TCK); a process that waits for nothing uses none. */
const BUSY_TICKS = 2;

/** Whether the process used processor time during the next `forMs` milliseconds; false where that cannot be seen. */
export async function isStillWorking(pid: number, forMs: number): Promise<boolean> {
  const before = await cpuTicksOf(pid);
  await pause(forMs);
  const after = await cpuTicksOf(pid);
  return before !== null && after !== null && after - before >= BUSY_TICKS;
}

async function cpuTicksOf(pid: number): Promise<number | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field, the name in parentheses, may hold blanks; utime and stime are the 14th and 15th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return null;
  }
}
