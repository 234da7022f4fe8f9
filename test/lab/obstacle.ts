/** What keeps a lab from running on this machine. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { findHierarchies } from './cgroups.ts';
import { isRootFileSystemThere } from './root-file-system.ts';

/** What a lab runs on this machine → Debian's package with it. */
const NEEDED = {
  '/usr/bin/systemd-nspawn': 'systemd-container',
  '/usr/sbin/nft': 'nftables',
  '/usr/bin/ip': 'iproute2',
  '/usr/bin/python3': 'python3',
  '/usr/lib/python3/dist-packages/fusepy.py': 'python3-fusepy',
  '/usr/bin/ssh': 'openssh-client',
  '/usr/sbin/mkfs.ext4': 'e2fsprogs',
  '/usr/bin/zstd': 'zstd',
  '/dev/fuse': 'fuse (a kernel with FUSE)',
  '/dev/loop-control': 'a kernel with loop devices',
};

const NAMESPACES = ['--mount', '--net', '--pid', '--fork', '--mount-proc'];
/** What root may do on a machine but often not in a container. */
const PROBE =
  'mount -t tmpfs probe /run; ip link add probe type bridge; rmdir "$(mktemp -d -p "$0" synod-lab-probe-XXXXXX)"';

/**
 * null: labs can run here. Else the reason, in words that complete "skipped: …". SYNOD_LAB_OBSTACLE gives one from outside:
 * test/run.js does where the root file system cannot be built.
 */
export function labObstacle(): string | null {
  const { SYNOD_LAB_OBSTACLE } = process.env;
  if (SYNOD_LAB_OBSTACLE !== undefined) return SYNOD_LAB_OBSTACLE;
  if (process.platform !== 'linux') return 'hosts under systemd-nspawn need Linux';
  if (process.getuid?.() !== 0) return 'only root can make hosts under systemd-nspawn';
  const missing = Object.entries(NEEDED).flatMap(([file, origin]) => (existsSync(file) ? [] : [origin]));
  if (missing.length > 0) return `this machine lacks ${missing.join(', ')}`;
  const hierarchies = findHierarchies();
  if (hierarchies === null) return 'cgroup v2 is not mounted';
  const refused = spawnSync('unshare', [...NAMESPACES, 'sh', '-ec', PROBE, hierarchies.unified], { encoding: 'utf8' });
  if (refused.status !== 0) return `this machine's root lacks rights: ${refused.stderr.trim().split('\n').at(-1)}`;
  if (!isRootFileSystemThere() && !existsSync('/usr/sbin/debootstrap'))
    return 'the root file system is not built and debootstrap is missing';
  return null;
}
