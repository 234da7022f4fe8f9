/**
 * Whether anything of a lab is left on this machine. What it consists of is taken down while it is up (its footprint), so that other
 * labs, which come and go at any time, do not disturb the comparison.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { labFolder, readState } from './lab-state.ts';

/** Of all of Linux's clocks for people. */
const TICKS_PER_SECOND = 100;

export interface Footprint {
  readonly labName: string;
  /** `synod-lab0 17`: with the number that the kernel gives each device once. */
  readonly networkDevice: string;
  /** `pid start time`. */
  readonly processes: readonly string[];
  /** `net:[4026532000]`: of mounts, network, processes, time and more. Their numbers are used again. */
  readonly namespaces: readonly string[];
  /** Clock ticks since the machine's boot, as proc(5) counts when processes start. */
  readonly takenAtTicks: number;
  /** `loop3 17`: with the number that the kernel gives each disk that was ever put in. */
  readonly loopDevices: readonly string[];
}

export interface Residue {
  readonly kind: 'process' | 'namespace' | 'loop device' | 'mount' | 'network device' | 'control group' | 'folder';
  readonly what: string;
}

export function footprintOf(labName: string): Footprint {
  const state = readState(labName);
  if (state === null) throw new Error(`lab ${labName} is not up`);
  const first = String(state.enclosure.pid);
  const pids = processes().filter((pid) => isEnclosed(pid, first));
  const own = new Set(namespacesOf('self'));
  const mounted = read(`/proc/${first}/mountinfo`).match(/\/dev\/loop\d+/g) ?? [];
  return {
    labName,
    networkDevice: networkIdentity(`synod-lab${state.subnet}`),
    processes: pids.map(identityOf),
    namespaces: [...new Set(pids.flatMap(namespacesOf))].filter((namespace) => !own.has(namespace)),
    takenAtTicks: Number(read('/proc/uptime').split(' ')[0]) * TICKS_PER_SECOND,
    loopDevices: [...new Set(mounted)].map((device) => loopIdentity(device.slice('/dev/'.length))),
  };
}

/** Of the footprint, and whatever carries the lab's name. Empty: nothing. */
export function residueOf(footprint: Footprint): Residue[] {
  const { labName } = footprint;
  const group = `synod-lab-${labName}`;
  const folder = labFolder(labName);
  const pids = processes();
  const there = new Set(pids.map(identityOf));
  const old = pids.filter((pid) => Number(startOf(`/proc/${pid}`)) <= footprint.takenAtTicks);
  const spaces = new Set(old.flatMap(namespacesOf));
  const mounts = read('/proc/self/mountinfo').split('\n');
  const hierarchies = ['.', ...list('/sys/fs/cgroup')];
  const same = (identity: (device: string) => string) => (found: string) =>
    identity(found.split(' ')[0] ?? '') === found;
  const left: Readonly<Record<Residue['kind'], readonly string[]>> = {
    process: [
      ...footprint.processes.filter((identity) => there.has(identity)),
      ...pids.filter((pid) => read(`/proc/${pid}/cmdline`).includes(`${folder}/`)),
    ],
    namespace: footprint.namespaces.filter((name) => spaces.has(name)),
    'loop device': footprint.loopDevices.filter(same(loopIdentity)),
    mount: mounts.filter((line) => line.includes(`${folder}/`)),
    'network device': [footprint.networkDevice].filter(same(networkIdentity)),
    'control group': hierarchies.map((path) => join('/sys/fs/cgroup', path, group)).filter((path) => existsSync(path)),
    folder: [folder].filter((path) => existsSync(path)),
  };
  return Object.entries(left).flatMap(([kind, found]) =>
    found.map((what) => ({ kind: kind as Residue['kind'], what })),
  );
}

function processes(): string[] {
  return list('/proc').filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
}

/** proc(5): NSpid has a process's number in each namespace, from the outermost; the lab's own /proc knows those inside. */
function isEnclosed(pid: string, first: string): boolean {
  const [, inside] = /^NSpid:\t\d+\t(\d+)/m.exec(read(`/proc/${pid}/status`)) ?? [];
  return inside !== undefined && startOf(`/proc/${first}/root/proc/${inside}`) === startOf(`/proc/${pid}`);
}

function identityOf(pid: string): string {
  return `${pid} ${startOf(`/proc/${pid}`)}`;
}

/** proc(5): after the name in parentheses the state is the third field, the start time the twenty-second. */
function startOf(folder: string): string {
  const stat = read(join(folder, 'stat'));
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? 'ended';
}

function networkIdentity(device: string): string {
  return `${device} ${read(join('/sys/class/net', device, 'ifindex')).trim() || 'gone'}`;
}

function namespacesOf(pid: string): string[] {
  return list(`/proc/${pid}/ns`).flatMap((name) => {
    try {
      return [readlinkSync(`/proc/${pid}/ns/${name}`)];
    } catch {
      return [];
    }
  });
}

/** Without a number when nothing is in it. */
function loopIdentity(device: string): string {
  const folder = join('/sys/block', device);
  return existsSync(join(folder, 'loop')) ? `${device} ${read(join(folder, 'diskseq')).trim()}` : device;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
