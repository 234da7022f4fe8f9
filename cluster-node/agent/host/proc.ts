/** What the kernel writes under /proc, read into numbers. Pure; null for what is not there or not as documented (proc(5)). */

export interface CpuTimes {
  /** Clock ticks since boot, all CPUs together. Waiting for a disk counts as idle, time taken by the hypervisor as busy. */
  readonly busy: number;
  readonly total: number;
}

export function parseCpuTimes(stat: string): CpuTimes | null {
  const fields = /^cpu +(.+)$/m.exec(stat)?.[1]?.split(/ +/).map(Number);
  if (!fields || fields.length < 4 || fields.some(Number.isNaN)) return null;
  // guest and guest_nice (from the ninth on) are already counted in user and nice.
  const total = fields.slice(0, 8).reduce((sum, ticks) => sum + ticks, 0);
  const idle = (fields[3] ?? 0) + (fields[4] ?? 0);
  return { busy: total - idle, total };
}

export function parseLoad1(loadavg: string): number | null {
  return numberOrNull(loadavg.split(' ')[0]);
}

export function parseUptimeSeconds(uptime: string): number | null {
  return numberOrNull(uptime.split(' ')[0]);
}

export interface Memory {
  readonly totalBytes: number | null;
  readonly availableBytes: number | null;
}

export function parseMemory(meminfo: string): Memory {
  const bytes = (name: string) => {
    const kibibytes = numberOrNull(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(meminfo)?.[1]);
    return kibibytes === null ? null : kibibytes * 1024;
  };
  return { totalBytes: bytes('MemTotal'), availableBytes: bytes('MemAvailable') };
}

/** One file of /proc/pressure; percent of the last ten seconds. Kernels before 5.13 have no `full` line for the CPU. */
export function parsePressure(text: string): { someAvg10: number; fullAvg10: number | null } | null {
  const average = (kind: string) => numberOrNull(new RegExp(`^${kind} avg10=([\\d.]+) `, 'm').exec(text)?.[1]);
  const someAvg10 = average('some');
  return someAvg10 === null ? null : { someAvg10, fullAvg10: average('full') };
}

export interface InterfaceBytes {
  readonly name: string;
  /** Since the interface came up. */
  readonly received: number;
  readonly sent: number;
}

export function parseInterfaces(netDev: string): InterfaceBytes[] {
  return [...netDev.matchAll(/^ *([^\s:|]+): *(.+)$/gm)].flatMap(([, name = '', rest = '']) => {
    const fields = rest.trim().split(/ +/).map(Number);
    const [received, sent] = [fields[0], fields[8]];
    return received === undefined || sent === undefined || Number.isNaN(received + sent)
      ? []
      : [{ name, received, sent }];
  });
}

export interface Mount {
  readonly mountPoint: string;
  readonly fileSystem: string;
  /** "/dev/vda" or whatever the file system was mounted from. */
  readonly source: string;
  /** "254:0". */
  readonly deviceNumber: string;
}

/** In the order of the table: of two mounts on one point the later covers the earlier. */
export function parseMounts(mountinfo: string): Mount[] {
  return mountinfo.split('\n').flatMap((line) => {
    // The number of optional fields before the dash varies.
    const [before, after] = line.split(' - ');
    const [, , deviceNumber, , mountPoint] = (before ?? '').split(' ');
    const [fileSystem, source] = (after ?? '').split(' ');
    if (!deviceNumber || !mountPoint || !fileSystem || !source) return [];
    return [{ deviceNumber, mountPoint: unescapePath(mountPoint), fileSystem, source: unescapePath(source) }];
  });
}

/** Blank, tab, newline and backslash stand in the table as octal numbers. */
function unescapePath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** The mount that holds an absolute path without symbolic links. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | null {
  let found: Mount | null = null;
  for (const mount of mounts) {
    const prefix = mount.mountPoint === '/' ? '/' : `${mount.mountPoint}/`;
    const holds = path === mount.mountPoint || path.startsWith(prefix);
    if (holds && mount.mountPoint.length >= (found?.mountPoint.length ?? 0)) found = mount;
  }
  return found;
}

/** Totals since boot. */
export interface DiskCounters {
  readonly deviceNumber: string;
  readonly name: string;
  readonly reads: number;
  readonly readBytes: number;
  readonly readMs: number;
  readonly writes: number;
  readonly writtenBytes: number;
  readonly writeMs: number;
  /** Milliseconds with at least one request under way. */
  readonly busyMs: number;
}

/** /proc/diskstats (Documentation/admin-guide/iostats.rst): its sectors have 512 bytes whatever the disk's have. */
export function parseDiskCounters(diskstats: string): DiskCounters[] {
  return diskstats.split('\n').flatMap((line) => {
    const [major, minor, name, ...rest] = line.trim().split(/ +/);
    const n = rest.map(Number);
    if (!major || !minor || !name || n.length < 11 || n.some(Number.isNaN)) return [];
    const at = (index: number) => n[index] ?? 0;
    return [
      {
        deviceNumber: `${major}:${minor}`,
        name,
        reads: at(0),
        readBytes: at(2) * 512,
        readMs: at(3),
        writes: at(4),
        writtenBytes: at(6) * 512,
        writeMs: at(7),
        busyMs: at(9),
      },
    ];
  });
}

function numberOrNull(text: string | undefined): number | null {
  const number = text === undefined || text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(number) ? number : null;
}
