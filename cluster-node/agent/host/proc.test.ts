import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as proc from './proc.ts';
import * as rates from './rates.ts';

/** See captures/README.md for where they come from. */
const capture = (name: string) => readFileSync(new URL(`captures/${name}.txt`, import.meta.url), 'utf8');

describe('captures of Linux 6.18', () => {
  it('CPU: busy is neither idle nor waiting for a disk', () => {
    // cpu  7866 31 5187 348308 526 0 116 40 0 0
    const [, user, nice, system, idle, wait, irq, soft, steal] =
      /^cpu {2}(\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)/.exec(capture('stat'))!.map(Number) as [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
      ];
    const busy = user + nice + system + irq + soft + steal;
    expect(proc.parseCpuTimes(capture('stat'))).toEqual({ busy, total: busy + idle + wait });
    const ratio = rates.cpuRatio(proc.parseCpuTimes(capture('stat')), proc.parseCpuTimes(capture('stat-later')));
    expect(ratio).toBeGreaterThan(0);
    expect(ratio).toBeLessThan(1);
  });

  it('memory, load, uptime', () => {
    const { totalBytes, availableBytes } = proc.parseMemory(capture('meminfo'));
    expect(totalBytes).toBe(24_684_096 * 1024);
    expect(availableBytes).toBeGreaterThan(24e9);
    expect(proc.parseLoad1(capture('loadavg'))).toBe(Number(capture('loadavg').slice(0, 4)));
    expect(proc.parseUptimeSeconds(capture('uptime'))).toBeGreaterThan(1800);
  });

  it('pressure', () => {
    for (const name of ['cpu', 'memory', 'io']) {
      const pressure = proc.parsePressure(capture(`pressure-${name}`));
      expect(pressure?.someAvg10).toBeGreaterThanOrEqual(0);
      expect(pressure?.fullAvg10).toBeGreaterThanOrEqual(0);
    }
    expect(proc.parsePressure('some avg10=1.13 avg60=0.59 avg300=0.38 total=20870243\n')).toEqual({
      someAvg10: 1.13,
      fullAvg10: null,
    });
  });

  it('network: the card counts, neither loopback nor virtual interfaces', () => {
    const interfaces = proc.parseInterfaces(capture('net-dev'));
    expect(interfaces.map(({ name }) => name)).toEqual(['lo', 'ifb0', 'ifb1', 'eth0']);
    const named = (counted: readonly proc.InterfaceBytes[]) => counted.map(({ name }) => name);
    expect(named(rates.countedInterfaces(interfaces, new Set(['eth0'])))).toEqual(['eth0']);
    expect(named(rates.countedInterfaces(interfaces, new Set()))).toEqual(['ifb0', 'ifb1', 'eth0']);
    const loopback = interfaces.filter(({ name }) => name === 'lo');
    expect(named(rates.countedInterfaces(loopback, new Set()))).toEqual(['lo']);
    const later = proc.parseInterfaces(capture('net-dev-later'));
    expect(rates.networkRates(interfaces, later, 1000).receiveBytesPerSecond).toBeGreaterThanOrEqual(0);
  });

  it('mounts: the later of two on one point, and no path that merely begins alike', () => {
    const mounts = proc.parseMounts(capture('self-mountinfo'));
    expect(proc.mountOf(mounts, '/home/me/.synod')).toMatchObject({
      mountPoint: '/',
      source: '/dev/vda',
      fileSystem: 'ext4',
    });
    expect(proc.mountOf(mounts, '/dev/shm/x')).toMatchObject({ mountPoint: '/dev/shm', deviceNumber: '0:27' });
    expect(proc.mountOf(mounts, '/dev/shmx')).toMatchObject({ mountPoint: '/dev' });
    expect(proc.mountOf([], '/')).toBeNull();
  });

  it('disks', () => {
    const find = (name: string) => proc.parseDiskCounters(capture(name)).find((disk) => disk.name === 'vda');
    const [before, now] = [find('diskstats'), find('diskstats-later')];
    expect(before?.deviceNumber).toBe('254:0');
    const figures = rates.diskRates(before, now, 60_000);
    expect(figures.writeBytesPerSecond).toBeGreaterThanOrEqual(0);
    expect(figures.busyRatio).toBeGreaterThanOrEqual(0);
    expect(figures.busyRatio).toBeLessThanOrEqual(1);
  });
});

describe('what is not there is unknown, never zero', () => {
  it('without /proc', () => {
    expect(proc.parseCpuTimes('')).toBeNull();
    expect(proc.parseLoad1('')).toBeNull();
    expect(proc.parseUptimeSeconds('')).toBeNull();
    expect(proc.parseMemory('')).toEqual({ totalBytes: null, availableBytes: null });
    expect(proc.parsePressure('')).toBeNull();
    expect(proc.parseInterfaces('')).toEqual([]);
    expect(proc.parseMounts('')).toEqual([]);
    expect(proc.parseDiskCounters('')).toEqual([]);
  });

  it('in the first interval, and when totals went back', () => {
    expect(rates.cpuRatio(null, { busy: 1, total: 2 })).toBeNull();
    expect(rates.networkRates([], [{ name: 'eth0', received: 5, sent: 5 }], 1000).sendBytesPerSecond).toBeNull();
    const disk = proc.parseDiskCounters(capture('diskstats')).find(({ name }) => name === 'vda');
    if (!disk) throw new Error('no vda in the capture');
    expect(rates.diskRates(undefined, disk, 1000)).toEqual(rates.unknownDiskRates);
    expect(rates.diskRates(disk, { ...disk, writes: 1 }, 1000)).toEqual(rates.unknownDiskRates);
  });
});

it('computes latencies per request, rates per second and the busy share of made-up totals', () => {
  const before = proc.parseDiskCounters('254 0 vda 100 0 800 50 200 0 1600 400 0 1000 0')[0];
  const now = proc.parseDiskCounters('254 0 vda 110 0 880 70 204 0 1664 410 0 1500 0')[0];
  expect(rates.diskRates(before, now, 2000)).toEqual({
    readLatencyMs: 2,
    writeLatencyMs: 2.5,
    readBytesPerSecond: (80 * 512) / 2,
    writeBytesPerSecond: (64 * 512) / 2,
    busyRatio: 0.25,
  });
  expect(rates.diskRates(before, before, 2000).writeLatencyMs).toBeNull();
});

it('reads blanks in mount points (made up after proc_pid_mountinfo(5))', () => {
  const [mount] = proc.parseMounts('36 35 98:0 /mnt1 /my\\040data rw,noatime master:1 shared:2 - ext3 /dev/root rw\n');
  expect(mount).toEqual({ deviceNumber: '98:0', mountPoint: '/my data', fileSystem: 'ext3', source: '/dev/root' });
});
