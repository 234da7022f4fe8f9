/** What makes a host this one: addresses and kind (`host.env`), and a script run once in its root file system (`prepare.sh`). */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './command.ts';
import type { HostOptions } from './host-options.ts';

export interface HostPlan {
  readonly labName: string;
  readonly subnet: number;
  readonly number: number;
  readonly options: HostOptions;
  readonly folder: string;
  readonly rootFileSystem: string;
  readonly cgroups: readonly string[];
  /** Of the key that may log in as anyone. */
  readonly authorizedKey: string;
  /** Lines of /etc/hosts. */
  readonly neighbours: readonly string[];
}

export function nameOf(number: number): string {
  return `host${number}`;
}

/** null: the host is not on that segment. */
export function addressesOf(subnet: number, number: number, options: HostOptions) {
  const segment = options.segment ?? 'front';
  const front = segment === 'back' ? null : `10.77.${subnet}.${10 + number}`;
  const back = segment === 'front' ? null : `10.78.${subnet}.${10 + number}`;
  return { front, back, ssh: front ?? back ?? '' };
}

/** The switch's ports that a host is plugged into. */
export function portsOf(number: number, options: HostOptions): string[] {
  const segment = options.segment ?? 'front';
  return [...(segment === 'back' ? [] : [`f${number}`]), ...(segment === 'front' ? [] : [`b${number}`])];
}

/** Writes the files and makes the host keys; returns the fingerprints and the lines of known_hosts. */
export async function writeHostFiles(plan: HostPlan): Promise<{ fingerprints: string[]; knownHosts: string[] }> {
  await mkdir(plan.folder, { recursive: true });
  const keys = await Promise.all(
    (plan.options.hostKeyTypes ?? ['ed25519']).map(async (type) => await makeKey(plan, type)),
  );
  await writeFile(join(plan.folder, 'host.env'), environmentOf(plan));
  await writeFile(
    join(plan.folder, 'prepare.sh'),
    [...identity(plan), ...logins(plan), ...sshd(plan, keys), ...variations(plan)].join('\n'),
  );
  const address = addressesOf(plan.subnet, plan.number, plan.options).ssh;
  const port = plan.options.sshPort ?? 22;
  const knownAs = port === 22 ? address : `[${address}]:${port}`;
  return {
    fingerprints: keys.map((key) => key.fingerprint),
    knownHosts: keys.map((key) => `${knownAs} ${key.publicKey}`),
  };
}

interface HostKey {
  readonly type: string;
  readonly privateKey: string;
  /** Type and key, without the comment. */
  readonly publicKey: string;
  readonly fingerprint: string;
}

async function makeKey(plan: HostPlan, type: string): Promise<HostKey> {
  const file = join(plan.folder, `host-key-${type}`);
  await run(['ssh-keygen', '-q', '-t', type, '-N', '', '-C', nameOf(plan.number), '-f', file]);
  const publicKey = (await readFile(`${file}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ');
  const fingerprint = (await run(['ssh-keygen', '-l', '-f', `${file}.pub`])).split(' ')[1] ?? '';
  return { type, privateKey: await readFile(file, 'utf8'), publicKey, fingerprint };
}

/** Locally administered, the same at every boot, so that neighbours' ARP caches stay right. */
function macOf(segment: 0 | 1, subnet: number, number: number): string {
  return ['02', '53', segment, subnet, 0, number]
    .map((byte) => (typeof byte === 'string' ? byte : byte.toString(16).padStart(2, '0')))
    .join(':');
}

function environmentOf({ subnet, number, options, rootFileSystem, cgroups }: HostPlan): string {
  const { front, back } = addressesOf(subnet, number, options);
  const values = {
    NAME: nameOf(number),
    KIND: options.kind ?? 'full',
    CABLE: options.cable ?? 'plain',
    DATA_MIB: options.dataDiskMiB ?? 64,
    ROOT_FILE_SYSTEM: rootFileSystem,
    CGROUPS: cgroups.join(' '),
    GATEWAY: `10.77.${subnet}.1`,
    FRONT_ADDRESS: front === null ? '' : `${front}/24`,
    FRONT_PORT: `f${number}`,
    FRONT_MAC: macOf(0, subnet, number),
    BACK_ADDRESS: back === null ? '' : `${back}/24`,
    BACK_DEVICE: front === null ? 'eth0' : 'eth1',
    BACK_PORT: `b${number}`,
    BACK_MAC: macOf(1, subnet, number),
    TMP_OPTIONS: options.noexecTmp === true ? 'nosuid,nodev,noexec' : 'nosuid,nodev',
  };
  return Object.entries(values)
    .map(([name, value]) => `${name}='${value}'\n`)
    .join('');
}

function identity({ number, options, neighbours }: HostPlan): string[] {
  return [
    'set -e',
    `echo ${nameOf(number)} > /etc/hostname`,
    file('/etc/hosts', ['127.0.0.1 localhost', ...neighbours].join('\n')),
    `echo ${options.machineId ?? randomBytes(16).toString('hex')} > /etc/machine-id`,
  ];
}

function logins({ authorizedKey, options }: HostPlan): string[] {
  const sudo = options.opsSudo ?? 'nopasswd';
  const rules = [
    sudo === 'nopasswd' ? 'ops ALL=(ALL) NOPASSWD: ALL' : 'ops ALL=(ALL) ALL',
    ...(sudo === 'requiretty' ? ['Defaults:ops requiretty'] : []),
    'deploy ALL=(ALL) ALL',
  ];
  return [
    ...['root', 'ops', 'deploy', 'plain'].map(
      (
        user,
      ) => `home=~${user}; install -d -m 700 -o ${user} -g ${user} $home/.ssh; echo '${authorizedKey}' > $home/.ssh/authorized_keys
chown ${user}:${user} $home/.ssh/authorized_keys; chmod 600 $home/.ssh/authorized_keys`,
    ),
    file('/etc/sudoers.d/lab', rules.join('\n')),
    'chmod 440 /etc/sudoers.d/lab',
    ...(sudo === 'absent' ? ['rm -rf /usr/bin/sudo /etc/sudoers.d'] : []),
  ];
}

function sshd({ options }: HostPlan, keys: readonly HostKey[]): string[] {
  // sshd takes the first value that it reads.
  const lines = [
    ...(options.sshd ?? []),
    `Port ${options.sshPort ?? 22}`,
    ...keys.map(({ type }) => `HostKey /etc/ssh/ssh_host_${type}_key`),
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UsePAM yes',
    'UseDNS no',
    ...(options.sftp === false ? [] : ['Subsystem sftp /usr/lib/openssh/sftp-server']),
  ];
  return [
    file('/etc/ssh/sshd_config', lines.join('\n')),
    ...keys.flatMap(({ type, privateKey, publicKey }) => [
      `umask 077\n${file(`/etc/ssh/ssh_host_${type}_key`, privateKey.trimEnd())}\numask 022`,
      file(`/etc/ssh/ssh_host_${type}_key.pub`, publicKey),
    ]),
  ];
}

function variations({ options }: HostPlan): string[] {
  const { startFile, umask, movableClock, prepare } = options;
  return [
    ...(umask === undefined ? [] : [`echo 'session optional pam_umask.so umask=${umask}' >> /etc/pam.d/sshd`]),
    ...(startFile === undefined
      ? []
      : [
          file('/tmp/start', startFile),
          'for home in /root /home/*; do for start in .bashrc .profile; do cat /tmp/start $home/$start > /tmp/new; cat /tmp/new > $home/$start; done; done',
          'rm /tmp/start /tmp/new',
        ]),
    ...(movableClock === true ? [movable()] : []),
    ...(prepare === undefined ? [] : [prepare]),
  ];
}

/**
 * libfaketime for what the system manager starts and for sessions over SSH; not for the system manager, sshd and the journal, which
 * it breaks. Monotonic clocks stay true: Node hangs otherwise.
 */
function movable(): string {
  const preload = 'LD_PRELOAD=$library';
  const settings = 'DONT_FAKE_MONOTONIC=1 FAKETIME_CACHE_DURATION=1 FAKETIME_TIMESTAMP_FILE=/etc/faketimerc';
  return `library=$(echo /usr/lib/*/faketime/libfaketimeMT.so.1)
mkdir -p /etc/systemd/system.conf.d
echo '+0' > /etc/faketimerc
printf '[Manager]\\nDefaultEnvironment=%s\\n' "${preload} ${settings}" > /etc/systemd/system.conf.d/clock.conf
for unit in ssh systemd-journald systemd-logind dbus; do
  mkdir -p /etc/systemd/system/$unit.service.d
  printf '[Service]\\nUnsetEnvironment=LD_PRELOAD FAKETIME_TIMESTAMP_FILE\\n' > /etc/systemd/system/$unit.service.d/clock.conf
done
echo "SetEnv ${preload} ${settings}" >> /etc/ssh/sshd_config`;
}

function file(path: string, content: string): string {
  return `cat > ${path} <<'END OF FILE'\n${content}\nEND OF FILE`;
}
