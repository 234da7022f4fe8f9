/** What the disk that would hold a node's data is like. */
import type { CheckItem } from '../../../contract/model.ts';
import { NEEDED_FREE_BYTES } from '../../provision/plan/cluster-plan.ts';
import type { DiskSync } from '../disk-sync.ts';
import type { HostProbe, Smart } from '../probe.ts';
import { fail, pass, unknown, warn } from './check-item.ts';

const GIB = 2 ** 30;
/** Below this a log with snapshots fills the disk within days. */
const COMFORTABLE_FREE_BYTES = 8 * GIB;
const FEW_INODES = 10_000;

/** Makes writes durable, or does not, as a log needs it. */
const fileSystems: Readonly<Record<string, 'good' | { verdict: 'warn' | 'fail'; why: string; nextStep: string }>> = {
  ext4: 'good',
  xfs: 'good',
  ext3: { verdict: 'warn', why: 'syncs flush the whole journal', nextStep: 'Prefer ext4 or xfs.' },
  btrfs: { verdict: 'warn', why: 'copies on every write', nextStep: 'Prefer ext4 or xfs for the log.' },
  zfs: { verdict: 'warn', why: 'syncs go through its intent log', nextStep: 'Prefer ext4 or xfs for the log.' },
  overlay: {
    verdict: 'warn',
    why: 'the layer of a container, gone with it',
    nextStep: 'Choose a folder on a disk of its own.',
  },
};
const inMemory = {
  verdict: 'fail',
  why: 'in memory, lost at a reboot',
  nextStep: 'Choose a folder on a disk.',
} as const;
const remote = {
  verdict: 'fail',
  why: 'on the network: a sync there does not mean what the log needs, and it stops with the network',
  nextStep: 'Choose a folder on a local disk.',
} as const;
const unsuited = { verdict: 'warn', why: 'not known to us', nextStep: 'Prefer ext4 or xfs.' } as const;

export interface DiskLimits {
  /** The cluster's heartbeat and election timeout, milliseconds. */
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: number;
}

export function diskItems(probe: HostProbe, sync: DiskSync | null, limits: DiskLimits): CheckItem[] {
  return [
    fileSystemItem(probe),
    freeItem(probe),
    inodesItem(probe),
    kindItem(probe),
    syncItem(sync, limits),
    smartItem(probe),
  ];
}

function fileSystemItem({ data }: HostProbe): CheckItem {
  const check = 'file system';
  if (data.fileSystem === null) return unknown(check, 'not told', `See \`df -T ${data.at}\` on the host.`);
  const found = `${data.fileSystem} at ${data.mount ?? data.at}`;
  // Newer kernels show an ext4 that gave up as emergency_ro or shutdown.
  const stopped = data.options.find((option) => ['ro', 'emergency_ro', 'shutdown'].includes(option));
  if (stopped !== undefined)
    return fail(
      check,
      `${found}, ${stopped}`,
      'It takes no writes: see the kernel log (`dmesg`), repair it and mount it again.',
    );
  const judged = judge(data.fileSystem);
  if (judged === 'good') return pass(check, found);
  const say = judged.verdict === 'fail' ? fail : warn;
  return say(check, `${found}: ${judged.why}`, judged.nextStep);
}

function judge(type: string) {
  if (type === 'tmpfs' || type === 'ramfs') return inMemory;
  if (/^(nfs|cifs|smb|9p|ceph|afs|gluster|fuse\.(sshfs|glusterfs|ceph))/.test(type)) return remote;
  return fileSystems[type] ?? unsuited;
}

function freeItem({ data }: HostProbe): CheckItem {
  const check = 'free space';
  const needed = `${Math.round(NEEDED_FREE_BYTES / 2 ** 20)} MiB`;
  if (data.freeBytes === null) return unknown(check, 'not told', `Make sure ${needed} are free.`);
  const share = data.totalBytes ? ` (${Math.round((100 * data.freeBytes) / data.totalBytes)} %)` : '';
  const found = `${sayBytes(data.freeBytes)}${share} in ${data.at}`;
  if (data.freeBytes < NEEDED_FREE_BYTES) return fail(check, found, `Free at least ${needed}.`);
  if (data.freeBytes < COMFORTABLE_FREE_BYTES)
    return warn(check, found, `Enough to begin; ${sayBytes(COMFORTABLE_FREE_BYTES)} give the log and snapshots room.`);
  return pass(check, found);
}

function inodesItem({ data }: HostProbe): CheckItem {
  const check = 'inodes';
  // btrfs and others count none.
  if (data.freeInodes === null || data.freeInodes === 0) {
    if (data.freeInodes === 0 && ['ext4', 'ext3', 'xfs'].includes(data.fileSystem ?? ''))
      return fail(check, 'none free', 'Remove files that nobody needs: no new file can be made.');
    return pass(check, 'not counted by this file system');
  }
  const found = `${data.freeInodes} free`;
  return data.freeInodes < FEW_INODES ? warn(check, found, 'Remove files that nobody needs.') : pass(check, found);
}

function kindItem({ data }: HostProbe): CheckItem {
  const check = 'disk';
  if (data.disk === null) return unknown(check, 'not told: no block device behind it', null);
  const named = [data.disk, data.model].filter((part) => part !== null).join(', ');
  if (data.isRotational === null) return unknown(check, named, null);
  return data.isRotational
    ? warn(check, `${named}: turns`, 'A sync waits for the platter; a solid-state disk is several times faster.')
    : pass(check, `${named}: solid state or virtual`);
}

/**
 * Every accepted value waits for a sync. One that takes longer than a heartbeat holds up answers; one that nears the election
 * timeout costs the leader its place.
 */
function syncItem(sync: DiskSync | null, limits: DiskLimits): CheckItem {
  const check = 'disk sync';
  if (sync === null)
    return unknown(check, 'not measured', 'Needs GNU dd and a writable folder; see `fio --fdatasync=1` on the host.');
  const { good, bearable } = syncLimitsMs(limits);
  const found = `fdatasync p50 ${sayMs(sync.p50Ms)}, p99 ${sayMs(sync.p99Ms)} of ${sync.count}`;
  if (sync.p99Ms > bearable)
    return fail(
      check,
      `${found}; over ${sayMs(bearable)}`,
      `With an election timeout of ${limits.electionTimeoutMs} ms this disk would cost the leader its place: use another disk, or longer timeouts.`,
    );
  if (sync.p99Ms > good)
    return warn(check, `${found}; over ${sayMs(good)}`, 'Writes will be slow: see what else uses this disk.');
  return pass(check, `${found}; the limit is ${sayMs(good)}`);
}

/** Milliseconds for p99: half a heartbeat is good, a third of the election timeout can be borne. */
export function syncLimitsMs(limits: DiskLimits): { good: number; bearable: number } {
  return { good: limits.heartbeatMs / 2, bearable: limits.electionTimeoutMs / 3 };
}

/** Sectors that the drive itself has given up or fears for. */
const telling: Readonly<Record<number, string>> = {
  5: 'reallocated sectors',
  187: 'uncorrectable errors',
  197: 'pending sectors',
  198: 'sectors that cannot be read',
};

function smartItem({ smart, rights, data }: HostProbe): CheckItem {
  const check = 'drive health';
  if (smart === null) {
    const needsRoot = rights === 'none' || rights === 'password';
    const why = needsRoot
      ? 'not readable without root'
      : 'the drive or its controller tells none, or smartctl is missing';
    return unknown(check, why, needsRoot ? null : `Try \`smartctl -a /dev/${data.disk ?? 'DISK'}\` on the host.`);
  }
  const signs = signsOf(smart);
  if (smart.smart_status?.passed === false)
    return fail(check, ['SMART says that it is failing', ...signs].join(', '), 'Replace the drive.');
  if (signs.length > 0) return warn(check, signs.join(', '), 'Watch it; these only grow on a drive that wears out.');
  return pass(check, 'SMART passed');
}

function signsOf(smart: Smart): string[] {
  const attributes = smart.ata_smart_attributes?.table ?? [];
  const ofAta = attributes.flatMap(({ id, raw }) => {
    const name = telling[id];
    return name !== undefined && raw.value > 0 ? [`${raw.value} ${name}`] : [];
  });
  const nvme = smart.nvme_smart_health_information_log;
  const used = nvme?.percentage_used ?? 0;
  return [
    ...ofAta,
    ...((nvme?.media_errors ?? 0) > 0 ? [`${nvme?.media_errors} media errors`] : []),
    ...((nvme?.critical_warning ?? 0) > 0 ? [`critical warning ${nvme?.critical_warning}`] : []),
    ...(used >= 90 ? [`${used} % of its life used`] : []),
  ];
}

function sayBytes(bytes: number): string {
  return bytes >= GIB ? `${(bytes / GIB).toFixed(1)} GiB` : `${Math.floor(bytes / 2 ** 20)} MiB`;
}

function sayMs(milliseconds: number): string {
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : Math.round(milliseconds)} ms`;
}
