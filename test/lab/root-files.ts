/** What a host's root file system gets before the first boot: files of its own, and for some options a script run in it. */
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { HostOptions } from './host-options.ts';

/** As scripts/root-file-system.sh made them, in that order. */
const USERS = { root: 0, ops: 1000, deploy: 1001, plain: 1002 } as const;

export interface HostKey {
  readonly type: string;
  readonly privateKey: string;
  /** Type and key, without the comment. */
  readonly publicKey: string;
}

export interface RootPlan {
  readonly name: string;
  readonly options: HostOptions;
  readonly keys: readonly HostKey[];
  /** Of the key that may log in as anyone. */
  readonly authorizedKey: string;
  /** Lines of /etc/hosts. */
  readonly neighbours: readonly string[];
}

/** `folder` is laid out as `/` and copied over it, with owners and modes. */
export async function writeRootFiles(folder: string, plan: RootPlan): Promise<void> {
  const { options, keys } = plan;
  const put = async (path: string, content: string, mode = 0o644): Promise<void> => {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content.endsWith('\n') ? content : `${content}\n`);
    await chmod(file, mode);
  };
  await put('etc/hostname', plan.name);
  await put('etc/hosts', ['127.0.0.1 localhost', ...plan.neighbours].join('\n'));
  await put('etc/machine-id', options.machineId ?? randomBytes(16).toString('hex'));
  await put('etc/sudoers.d/lab', sudoers(options), 0o440);
  await put('etc/ssh/sshd_config', sshdConfig(options, keys));
  for (const { type, privateKey, publicKey } of keys) {
    await put(`etc/ssh/ssh_host_${type}_key`, privateKey, 0o600);
    await put(`etc/ssh/ssh_host_${type}_key.pub`, publicKey);
  }
  for (const [user, id] of Object.entries(USERS)) {
    const home = user === 'root' ? 'root' : `home/${user}`;
    const ssh = join(folder, home, '.ssh');
    await put(`${home}/.ssh/authorized_keys`, plan.authorizedKey, 0o600);
    for (const path of [join(folder, home), ssh]) await chmod(path, 0o700);
    for (const path of [join(folder, home), ssh, join(ssh, 'authorized_keys')]) await chown(path, id, id);
  }
  // Whatever the umask of this process is.
  for (const path of ['.', 'etc', 'etc/ssh', 'home']) await chmod(join(folder, path), 0o755);
}

/** Shell lines for root in the host's root file system; empty when there is nothing to do. */
export function preparation({ opsSudo, startFile, umask, movableClock, prepare }: HostOptions): string {
  return [
    ...(opsSudo === 'absent' ? ['rm -rf /usr/bin/sudo /etc/sudoers.d'] : []),
    ...(umask === undefined ? [] : [`echo 'session optional pam_umask.so umask=${umask}' >> /etc/pam.d/sshd`]),
    ...(startFile === undefined ? [] : [greeting(startFile)]),
    ...(movableClock === true ? [MOVABLE_CLOCK] : []),
    ...(prepare === undefined ? [] : [prepare]),
  ]
    .map((lines) => `${lines}\n`)
    .join('');
}

function sudoers({ opsSudo = 'nopasswd' }: HostOptions): string {
  return [
    opsSudo === 'nopasswd' ? 'ops ALL=(ALL) NOPASSWD: ALL' : 'ops ALL=(ALL) ALL',
    ...(opsSudo === 'requiretty' ? ['Defaults:ops requiretty'] : []),
    'deploy ALL=(ALL) ALL',
  ].join('\n');
}

/** sshd takes the first value that it reads. */
function sshdConfig(
  { sshd = [], sshPort = 22, sftp = true, movableClock = false }: HostOptions,
  keys: readonly HostKey[],
): string {
  return [
    ...sshd,
    `Port ${sshPort}`,
    ...keys.map(({ type }) => `HostKey /etc/ssh/ssh_host_${type}_key`),
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UsePAM yes',
    'UseDNS no',
    ...(sftp ? ['Subsystem sftp /usr/lib/openssh/sftp-server'] : []),
    ...(movableClock ? [`SetEnv ${FAKE_TIME}`] : []),
  ].join('\n');
}

/** Under bash a command over SSH reads .bashrc, a login .profile. */
function greeting(startFile: string): string {
  return `for start in /root/.bashrc /root/.profile /home/*/.bashrc /home/*/.profile; do
  rest=$(cat $start)
  cat > $start <<'END OF START FILE'
${startFile}
END OF START FILE
  printf '%s\\n' "$rest" >> $start
done`;
}

/** The folder's name has the architecture in it; the loader knows it as $LIB. Monotonic clocks stay true: Node hangs otherwise. */
const FAKE_TIME = [
  'LD_PRELOAD=/usr/$LIB/faketime/libfaketimeMT.so.1',
  'DONT_FAKE_MONOTONIC=1',
  'FAKETIME_CACHE_DURATION=1',
  'FAKETIME_TIMESTAMP_FILE=/etc/faketimerc',
].join(' ');

/**
 * libfaketime for what the system manager starts (sessions over SSH get it from sshd_config); not for the system manager, sshd and the
 * journal, which it breaks.
 */
const MOVABLE_CLOCK = `mkdir -p /etc/systemd/system.conf.d
echo '+0' > /etc/faketimerc
printf '[Manager]\\nDefaultEnvironment=%s\\n' '${FAKE_TIME}' > /etc/systemd/system.conf.d/clock.conf
for unit in ssh systemd-journald systemd-logind dbus; do
  mkdir -p /etc/systemd/system/$unit.service.d
  printf '[Service]\\nUnsetEnvironment=LD_PRELOAD FAKETIME_TIMESTAMP_FILE\\n' > /etc/systemd/system/$unit.service.d/clock.conf
done`;
