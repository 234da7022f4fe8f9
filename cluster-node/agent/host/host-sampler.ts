/**
 * Figures of the host. Files under /proc are read directly: the kernel answers them from memory. What touches a disk goes
 * through the thread pool with a deadline, one such job at a time. Where there is no /proc every figure is unknown.
 */
import { existsSync, readFileSync } from 'node:fs';
import { realpath, statfs } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import type { DiskSample, HostSample } from '../../contract/sample.ts';
import { singleFlight, within } from '../bounded.ts';
import * as proc from './proc.ts';
import * as rates from './rates.ts';

const DISK_TIMEOUT_MS = 300;

interface Reading {
  readonly atMs: number;
  readonly cpu: proc.CpuTimes | null;
  readonly interfaces: readonly proc.InterfaceBytes[];
  readonly disks: readonly proc.DiskCounters[];
}

interface Space {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

/** The mounts to report, and whether one holds data. */
interface WatchedMount {
  readonly mount: proc.Mount;
  readonly holdsData: boolean;
}

export class HostSampler {
  #previous: Reading | null = null;
  #dataPaths: readonly string[] = [];
  readonly #findMounts = singleFlight(() => findMounts(this.#dataPaths));
  readonly #spaces = new Map<string, () => Promise<Space>>();

  /** `dataPaths`: where the nodes of this host keep their data; rates cover the time since the last call. */
  async sample(dataPaths: readonly string[]): Promise<HostSample> {
    this.#dataPaths = dataPaths;
    const before = this.#previous;
    const now = takeReading();
    this.#previous = now;
    const memory = proc.parseMemory(readProc('meminfo'));
    const network = rates.networkRates(before?.interfaces ?? [], now.interfaces, now.atMs - (before?.atMs ?? now.atMs));
    return {
      uptimeSeconds: proc.parseUptimeSeconds(readProc('uptime')),
      cpuRatio: rates.cpuRatio(before?.cpu ?? null, now.cpu),
      cpuCount: availableParallelism(),
      load1: proc.parseLoad1(readProc('loadavg')),
      memoryTotalBytes: memory.totalBytes,
      memoryAvailableBytes: memory.availableBytes,
      pressure: {
        cpu: proc.parsePressure(readProc('pressure/cpu')),
        memory: proc.parsePressure(readProc('pressure/memory')),
        io: proc.parsePressure(readProc('pressure/io')),
      },
      networkReceiveBytesPerSecond: network.receiveBytesPerSecond,
      networkSendBytesPerSecond: network.sendBytesPerSecond,
      disks: await this.#sampleDisks(before, now),
    };
  }

  async #sampleDisks(before: Reading | null, now: Reading): Promise<DiskSample[]> {
    const watched = await within(this.#findMounts(), DISK_TIMEOUT_MS, []);
    const elapsedMs = now.atMs - (before?.atMs ?? now.atMs);
    return Promise.all(
      watched.map(async ({ mount, holdsData }) => {
        const space = await this.#spaceOf(mount.mountPoint);
        const counters = countersOf(now.disks, mount);
        const earlier = before?.disks.find(({ deviceNumber }) => deviceNumber === counters?.deviceNumber);
        return {
          mountPoint: mount.mountPoint,
          device: mount.source,
          fileSystem: mount.fileSystem,
          totalBytes: space?.totalBytes ?? null,
          freeBytes: space?.freeBytes ?? null,
          ...rates.diskRates(earlier, counters, elapsedMs),
          holdsData,
        };
      }),
    );
  }

  async #spaceOf(mountPoint: string): Promise<Space | null> {
    let ask = this.#spaces.get(mountPoint);
    if (!ask) {
      ask = singleFlight(() => spaceOf(mountPoint));
      this.#spaces.set(mountPoint, ask);
    }
    return within(ask(), DISK_TIMEOUT_MS, null).catch(() => null);
  }
}

/** `freeBytes` is what an ordinary user may still write. */
async function spaceOf(mountPoint: string): Promise<Space> {
  const found = await statfs(mountPoint);
  return { totalBytes: found.blocks * found.bsize, freeBytes: found.bavail * found.bsize };
}

function takeReading(): Reading {
  const interfaces = proc.parseInterfaces(readProc('net/dev'));
  const withDevice = new Set(
    interfaces.map(({ name }) => name).filter((name) => existsSync(`/sys/class/net/${name}/device`)),
  );
  return {
    atMs: performance.now(),
    cpu: proc.parseCpuTimes(readProc('stat')),
    interfaces: rates.countedInterfaces(interfaces, withDevice),
    disks: proc.parseDiskCounters(readProc('diskstats')),
  };
}

async function findMounts(dataPaths: readonly string[]): Promise<WatchedMount[]> {
  const mounts = proc.parseMounts(readProc('self/mountinfo'));
  const data = new Set<proc.Mount>();
  for (const path of dataPaths) {
    // A node that never ran has no data folder yet.
    const mount = await realpath(path).then(
      (real) => proc.mountOf(mounts, real),
      () => null,
    );
    if (mount) data.add(mount);
  }
  const root = proc.mountOf(mounts, '/');
  const watched = root && !data.has(root) ? [root, ...data] : [...data];
  return watched.map((mount) => ({ mount, holdsData: data.has(mount) }));
}

/** By device number; some file systems (btrfs) have one of their own, then by the name of the device they were mounted from. */
function countersOf(disks: readonly proc.DiskCounters[], mount: proc.Mount): proc.DiskCounters | undefined {
  return (
    disks.find(({ deviceNumber }) => deviceNumber === mount.deviceNumber) ??
    disks.find(({ name }) => mount.source.startsWith('/dev/') && name === basename(mount.source))
  );
}

function readProc(name: string): string {
  try {
    return readFileSync(`/proc/${name}`, 'utf8');
  } catch {
    return '';
  }
}
