/** What makes a host this one, written into its folder for scripts/host.sh: addresses and kind, and what its root file system gets. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './command.ts';
import type { HostOptions } from './host-options.ts';
import { type HostKey, preparation, type RootPlan, writeRootFiles } from './root-files.ts';

export interface HostPlan extends Pick<RootPlan, 'options' | 'authorizedKey' | 'neighbours'> {
  readonly subnet: number;
  readonly number: number;
  readonly folder: string;
  readonly rootFileSystem: string;
  readonly cgroups: readonly string[];
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
  const { folder, options } = plan;
  await mkdir(folder, { recursive: true });
  const keys = await Promise.all((options.hostKeyTypes ?? ['ed25519']).map(async (type) => await makeKey(plan, type)));
  await writeFile(join(folder, 'host.env'), environmentOf(plan));
  await writeRootFiles(join(folder, 'files'), { ...plan, name: nameOf(plan.number), keys });
  await writeFile(join(folder, 'prepare.sh'), preparation(options));
  const address = addressesOf(plan.subnet, plan.number, options).ssh;
  const port = options.sshPort ?? 22;
  const knownAs = port === 22 ? address : `[${address}]:${port}`;
  return {
    fingerprints: keys.map(fingerprintOf),
    knownHosts: keys.map(({ publicKey }) => `${knownAs} ${publicKey}`),
  };
}

async function makeKey(plan: HostPlan, type: string): Promise<HostKey> {
  const file = join(plan.folder, `host-key-${type}`);
  await run(['ssh-keygen', '-q', '-t', type, '-N', '', '-C', nameOf(plan.number), '-f', file]);
  const publicKey = (await readFile(`${file}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ');
  return { type, privateKey: await readFile(file, 'utf8'), publicKey };
}

/** As OpenSSH prints it: SHA-256 of the key's blob, base64 without padding. */
function fingerprintOf({ publicKey }: HostKey): string {
  const blob = Buffer.from(publicKey.split(' ')[1] ?? '', 'base64');
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** Locally administered, the same at every boot, so that neighbours' ARP caches stay right. */
function macOf(segment: 0 | 1, subnet: number, number: number): string {
  const bytes = [segment, subnet, 0, number].map((byte) => byte.toString(16).padStart(2, '0'));
  return ['02', '53', ...bytes].join(':');
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
