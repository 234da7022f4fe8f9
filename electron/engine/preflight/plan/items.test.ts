import { describe, expect, it } from 'vitest';
import type { HostFacts } from '../../../contract/model.ts';
import type { HostProbe } from '../probe.ts';
import { clockItems, medianOffset } from './clock-items.ts';
import { diskItems, syncLimitsMs } from './disk-items.ts';
import { linkItem } from './link-items.ts';
import { systemItems } from './system-items.ts';

const GIB = 2 ** 30;
const limits = { heartbeatMs: 50, electionTimeoutMs: 300 };

const good: HostProbe = {
  rights: 'sudo',
  memoryAvailableBytes: 8 * GIB,
  swapBytes: 0,
  swappiness: 60,
  hugePages: 'madvise',
  openFiles: 1_048_576,
  load1: 0.2,
  data: {
    at: '/var/lib',
    totalBytes: 100 * GIB,
    freeBytes: 60 * GIB,
    freeInodes: 6_000_000,
    mount: '/',
    fileSystem: 'ext4',
    options: ['rw', 'relatime'],
    disk: 'nvme0n1',
    model: 'Example 1TB',
    isRotational: false,
  },
  clock: { service: 'chrony', isSynchronised: true, installed: 'chrony' },
  firewall: { service: null, ports: null, dropsByDefault: false },
  virtual: null,
  lingers: false,
  memoryErrors: { corrected: 0, uncorrected: 0 },
  smart: { smart_status: { passed: true } },
};
const facts: HostFacts = {
  os: 'Debian GNU/Linux 12',
  kernel: 'Linux 6.1.0',
  architecture: 'x86_64',
  libc: 'glibc 2.36',
  hostname: 'alpha',
  user: 'ops',
  home: '/home/ops',
  machineId: 'a'.repeat(32),
  cpuCount: 4,
  memoryBytes: 16 * GIB,
  homeFreeBytes: 60 * GIB,
  serviceManager: 'systemd',
  privilege: 'sudo',
  gatheredAtUnixMs: 0,
};

const disk = (data: Partial<HostProbe['data']>, rest: Partial<HostProbe> = {}) =>
  diskItems({ ...good, ...rest, data: { ...good.data, ...data } }, { p50Ms: 1, p99Ms: 3, count: 95 }, limits);
const system = (probe: Partial<HostProbe>) => systemItems(facts, { ...good, ...probe }, [2380, 2379]);
const verdictsOf = (items: readonly { check: string; verdict: string }[]) =>
  Object.fromEntries(items.filter((item) => item.verdict !== 'pass').map((item) => [item.check, item.verdict]));

describe('judging a disk', () => {
  it('passes a good one', () => expect(verdictsOf(disk({}))).toEqual({}));

  it.each([
    ['tmpfs', 'fail'],
    ['nfs4', 'fail'],
    ['fuse.sshfs', 'fail'],
    ['overlay', 'warn'],
    ['btrfs', 'warn'],
    ['reiserfs', 'warn'],
  ])('%s: %s', (fileSystem, verdict) => expect(verdictsOf(disk({ fileSystem }))).toEqual({ 'file system': verdict }));

  it.each(['ro', 'emergency_ro', 'shutdown'])('a file system that takes no writes (%s) fails', (option) =>
    expect(verdictsOf(disk({ options: ['relatime', option] }))).toEqual({ 'file system': 'fail' }),
  );

  it('measures space, inodes and platters', () => {
    expect(verdictsOf(disk({ freeBytes: 100 * 2 ** 20 }))).toEqual({ 'free space': 'fail' });
    expect(verdictsOf(disk({ freeBytes: 2 * GIB }))).toEqual({ 'free space': 'warn' });
    expect(verdictsOf(disk({ freeInodes: 0 }))).toEqual({ inodes: 'fail' });
    expect(verdictsOf(disk({ freeInodes: 0, fileSystem: 'btrfs' }))).toEqual({ 'file system': 'warn' });
    expect(verdictsOf(disk({ isRotational: true }))).toEqual({ disk: 'warn' });
  });

  it('holds syncs against the timeouts', () => {
    expect(syncLimitsMs(limits)).toEqual({ good: 25, bearable: 100 });
    const of = (p99Ms: number) => verdictsOf(diskItems(good, { p50Ms: 1, p99Ms, count: 95 }, limits));
    expect([of(25), of(26), of(101)]).toEqual([{}, { 'disk sync': 'warn' }, { 'disk sync': 'fail' }]);
    expect(verdictsOf(diskItems(good, null, limits))).toEqual({ 'disk sync': 'unknown' });
  });

  it('reads SMART: failing, wearing out, and not to be had', () => {
    const table = [{ id: 197, name: 'Current_Pending_Sector', raw: { value: 8 } }];
    const worn = { smart_status: { passed: true }, nvme_smart_health_information_log: { percentage_used: 97 } };
    expect(verdictsOf(disk({}, { smart: { smart_status: { passed: false } } }))).toEqual({ 'drive health': 'fail' });
    expect(verdictsOf(disk({}, { smart: { ata_smart_attributes: { table } } }))).toEqual({ 'drive health': 'warn' });
    expect(verdictsOf(disk({}, { smart: worn }))).toEqual({ 'drive health': 'warn' });
    expect(verdictsOf(disk({}, { smart: null }))).toEqual({ 'drive health': 'unknown' });
  });
});

describe('judging a system', () => {
  it('passes a good one', () => expect(verdictsOf(system({}))).toEqual({}));

  it('offers what can be put right, with the lines that run', () => {
    const items = system({
      swapBytes: GIB,
      hugePages: 'always',
      firewall: { service: 'ufw', ports: ['22/tcp', '2379:2379/tcp'], dropsByDefault: true },
    });
    expect(verdictsOf(items)).toEqual({ swap: 'warn', 'huge pages': 'warn', firewall: 'warn' });
    expect(items.flatMap((item) => item.fix?.commands ?? [])).toEqual([
      "echo 'vm.swappiness = 1' > /etc/sysctl.d/60-synod.conf",
      'sysctl -q -w vm.swappiness=1',
      expect.stringContaining('madvise'),
      expect.stringContaining('madvise'),
      'ufw allow 2380/tcp comment synod',
    ]);
    const fixes = items.flatMap((item) => item.fix ?? []);
    expect(fixes.map((fix) => fix.undo.length)).toEqual([2, 2, 1]);
  });

  it('fails on memory that is short or lies', () => {
    expect(verdictsOf(system({ memoryAvailableBytes: 100 * 2 ** 20 }))).toEqual({ memory: 'fail' });
    expect(verdictsOf(system({ memoryErrors: { corrected: 3, uncorrected: 0 } }))).toEqual({ 'memory errors': 'warn' });
    expect(verdictsOf(system({ memoryErrors: { corrected: 3, uncorrected: 1 } }))).toEqual({ 'memory errors': 'fail' });
    expect(verdictsOf(system({ memoryErrors: null }))).toEqual({ 'memory errors': 'unknown' });
  });
});

describe('judging clocks', () => {
  it('compares with the median, so that the console may be the one that is wrong', () => {
    const offsets = [600_000, 600_010, 600_020, null];
    const median = medianOffset(offsets);
    expect(median).toEqual({ medianOffsetMs: 600_010, comparedHosts: 3 });
    const [clock] = clockItems({ ...median, offsetMs: 600_020 }, good);
    expect(clock).toMatchObject({ verdict: 'pass', found: '+10 ms from the median of 3 hosts' });
    const [wrong] = clockItems({ ...median, offsetMs: 0 }, good);
    expect(wrong).toMatchObject({ verdict: 'fail', found: '-600 s from the median of 3 hosts' });
  });

  it("two hosts are held against this computer's clock", () => {
    const median = medianOffset([600_000, 0]);
    expect(clockItems({ ...median, offsetMs: 600_000 }, good)[0]).toMatchObject({ verdict: 'fail' });
  });

  it('offers to start a service that is installed', () => {
    const idle = { service: null, isSynchronised: null, installed: 'systemd-timesyncd' };
    const items = clockItems({ offsetMs: 0, medianOffsetMs: 0, comparedHosts: 1 }, { ...good, clock: idle });
    expect(items[1]).toMatchObject({
      verdict: 'warn',
      fix: { commands: ['systemctl enable --now systemd-timesyncd.service'] },
    });
  });
});

describe('judging calls', () => {
  const link = { fromHostId: 'h-a', toHostId: 'h-b', port: 2380, why: null };
  const call = (state: 'open' | 'other' | 'refused' | 'timeout' | 'reset', roundTripMs: number[] = []) => ({
    address: '192.0.2.1',
    port: 2380,
    state,
    roundTripMs,
  });

  it('tells open, slow, dropped, rejected and translated', () => {
    const of = (one: ReturnType<typeof call>) => linkItem({ ...link, listener: 'listening', call: one });
    expect(of(call('open', [0.3, 0.2, 9]))).toMatchObject({ verdict: 'pass', roundTripMs: 0.3 });
    expect(of(call('open', [80, 81, 82]))).toMatchObject({ verdict: 'warn', roundTripMs: 81 });
    expect(of(call('timeout'))).toMatchObject({ verdict: 'fail', found: 'no answer: dropped on the way' });
    expect(of(call('refused'))).toMatchObject({ verdict: 'fail', found: expect.stringContaining('by a firewall') });
    expect(of(call('other', [1]))).toMatchObject({ verdict: 'fail', found: expect.stringContaining('something else') });
  });

  it('does not blame a firewall where nothing could listen', () => {
    const taken = { ...link, listener: 'taken', why: 'Address already in use' } as const;
    expect(linkItem({ ...taken, call: call('other', [1]) })).toMatchObject({ verdict: 'pass' });
    expect(linkItem({ ...link, listener: 'none', why: 'no perl', call: call('refused') })).toMatchObject({
      verdict: 'unknown',
    });
    expect(linkItem({ ...link, listener: 'listening', call: null })).toMatchObject({ verdict: 'unknown' });
  });
});
