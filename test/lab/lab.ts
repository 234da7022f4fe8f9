/**
 * A lab of real Debian hosts on this machine, for tests, CI and people: each has its own system manager, sshd, users, sudo, firewall,
 * network address, control group and disks, and can lose its power. `docs/lab.md` tells what it cannot do.
 *
 * A lab is one folder (disks, keys, `lab.json`), one control group in each hierarchy, one cable to this machine, and one enclosure with
 * everything else. Several labs run side by side.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { removeLabCgroups } from './cgroups.ts';
import { attempt, run } from './command.ts';
import { Enclosure } from './enclosure.ts';
import { LabHost } from './host.ts';
import { HostCgroup } from './cgroups.ts';
import { addressesOf, nameOf, portsOf, writeHostFiles } from './host-files.ts';
import type { HostOptions } from './host-options.ts';
import {
  hostFolder,
  type HostState,
  labFolder,
  labsFolder,
  type LabState,
  readLabs,
  readState,
  writeState,
} from './lab-state.ts';
import { Switch } from './network.ts';
import { labObstacle } from './obstacle.ts';
import { rootFileSystem } from './root-file-system.ts';

const SUBNETS = 256;
const LARGEST_HOST_NUMBER = 240;
/** Booting is mostly work of the processor: more at once than a few is not faster. */
const BOOTS_AT_ONCE = 8;

export interface LabOptions {
  /** How many, or what each is; they are numbered from 1. */
  readonly hosts: number | readonly HostOptions[];
  /** Unique on this machine; made from the process's number without. */
  readonly name?: string;
  /** false: it stays up when this process ends, until someone takes it down. */
  readonly endsWithOwner?: boolean;
}

/** Returns when every host answers over SSH. Throws where `labObstacle` has a reason. The first lab of a machine takes a minute longer. */
export async function startLab(options: LabOptions): Promise<Lab> {
  const obstacle = labObstacle();
  if (obstacle !== null) throw new Error(`no lab can run here: ${obstacle}`);
  const name = options.name ?? `${process.pid}-${randomBytes(3).toString('hex')}`;
  if (!/^[a-z0-9-]{1,32}$/.test(name)) throw new Error(`a lab's name is made of a-z, 0-9 and "-", not "${name}"`);
  const hosts = typeof options.hosts === 'number' ? Array.from({ length: options.hosts }, () => ({})) : options.hosts;
  if (hosts.length > LARGEST_HOST_NUMBER) throw new Error(`a lab has ${LARGEST_HOST_NUMBER} hosts at most`);
  const base = await rootFileSystem();
  const state = await alone(async () => {
    await removeDeadLabs();
    return await enclose(name, options.endsWithOwner ?? true);
  });
  try {
    return await populate(state, hosts, base);
  } catch (error) {
    await remove(name, state);
    throw error;
  }
}

/** A lab that is up, of this process or another. */
export async function openLab(name: string): Promise<Lab> {
  const state = readState(name);
  if (state === null || !(await new Enclosure(state.enclosure).isUp()))
    throw new Error(`there is no lab "${name}" up here: npm run lab -- up`);
  return new Lab(state);
}

/** Also of a lab whose owner died, or that was only half started. Removes nothing where nothing is. */
export async function takeDown(name: string): Promise<void> {
  await alone(async () => await remove(name, readState(name)));
}

export class Lab implements AsyncDisposable {
  readonly name: string;
  readonly hosts: readonly LabHost[];
  /** Lines for every host key, for OpenSSH and for us. */
  readonly knownHostsPath: string;
  /** OpenSSH's format, without passphrase; the public half is beside it. */
  readonly keyPath: string;
  readonly #switch: Switch;

  constructor(state: LabState) {
    const enclosure = new Enclosure(state.enclosure);
    this.name = state.name;
    this.knownHostsPath = join(labFolder(state.name), 'known_hosts');
    this.keyPath = join(labFolder(state.name), 'key');
    this.#switch = new Switch(enclosure);
    const make = (host: HostState, jump: readonly string[]): LabHost =>
      new LabHost(host, { labName: state.name, enclosure, switch: this.#switch, jump });
    const bastion = state.hosts.find(({ options }) => options.segment === 'both');
    const jump = bastion === undefined ? [] : over(make(bastion, []));
    this.hosts = state.hosts.map((host) => make(host, host.options.segment === 'back' ? jump : []));
  }

  /** From 1. */
  host(number: number): LabHost {
    const host = this.hosts[number - 1];
    if (host === undefined) throw new Error(`lab ${this.name} has hosts 1 to ${this.hosts.length}, not ${number}`);
    return host;
  }

  /** Nothing passes between them; this machine reaches both. */
  async partition(a: LabHost, b: LabHost): Promise<void> {
    await this.partitionOneWay(a, b);
    await this.partitionOneWay(b, a);
  }

  async partitionOneWay(from: LabHost, to: LabHost): Promise<void> {
    for (const source of portsOf(from.number, from.options))
      for (const target of portsOf(to.number, to.options))
        if (source[0] === target[0]) await this.#switch.cut(source, target);
  }

  /** Takes partitions and loss back; cables, rates and the quality of links stay. */
  async heal(): Promise<void> {
    await this.#switch.heal();
  }

  async down(): Promise<void> {
    await takeDown(this.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }
}

function over(bastion: LabHost): string[] {
  const command = ['ssh', ...bastion.sshArguments('ops')].map((word) => `'${word}'`).join(' ');
  return ['-o', `ProxyCommand=${command} -W %h:%p`];
}

async function populate(state: LabState, hosts: readonly HostOptions[], base: string): Promise<Lab> {
  const folder = labFolder(state.name);
  const keyPath = join(folder, 'key');
  await run(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'lab', '-f', keyPath]);
  const authorizedKey = (await readFile(`${keyPath}.pub`, 'utf8')).trim();
  const numbered = hosts.map((options, index) => ({ number: index + 1, options }));
  const addressOf = ({ number, options }: (typeof numbered)[number]): string =>
    addressesOf(state.subnet, number, options).ssh;
  const neighbours = numbered.map((host) => `${addressOf(host)} ${nameOf(host.number)}`);
  const written = await inTurns(numbered, async (host): Promise<{ state: HostState; knownHosts: string[] }> => {
    const name = nameOf(host.number);
    const cgroups = new HostCgroup(state.name, name).folders;
    const place = { folder: hostFolder(state.name, name), rootFileSystem: base, cgroups, authorizedKey, neighbours };
    const { fingerprints, knownHosts } = await writeHostFiles({
      subnet: state.subnet,
      ...host,
      ...place,
    });
    return { state: { ...host, name, address: addressOf(host), fingerprints }, knownHosts };
  });
  await writeFile(
    join(folder, 'known_hosts'),
    written
      .flatMap(({ knownHosts }) => knownHosts)
      .map((line) => `${line}\n`)
      .join(''),
  );
  const full: LabState = { ...state, hosts: written.map((host) => host.state) };
  writeState(full);
  const lab = new Lab(full);
  await inTurns(lab.hosts, async (host) => await host.boot());
  return lab;
}

/** Called alone. */
async function enclose(name: string, endsWithOwner: boolean): Promise<LabState> {
  const labs = readLabs();
  if (labs.some((lab) => lab.name === name))
    throw new Error(`lab ${name} is up already: npm run lab -- down --name ${name}`);
  // By labs, and by whatever else this machine has.
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const taken = new Set(addresses.map(({ address }) => address.split('.').slice(0, 3).join('.')));
  const subnet = Array.from({ length: SUBNETS }, (_, x) => x).find((x) => !taken.has(`10.77.${x}`));
  if (subnet === undefined) throw new Error(`${SUBNETS} labs are up on this machine, which is all there can be`);
  mkdirSync(labFolder(name), { recursive: true });
  try {
    const enclosure = await Enclosure.start({ name, subnet, endsWithOwner });
    const state: LabState = { name, subnet, enclosure: enclosure.process, hosts: [] };
    writeState(state);
    return state;
  } catch (error) {
    await remove(name, null);
    throw error;
  }
}

/** Called alone: a lab without a state is then none that is just starting. */
async function removeDeadLabs(): Promise<void> {
  for (const { name, state } of readLabs())
    if (state === null || !(await new Enclosure(state.enclosure).isUp())) await remove(name, state);
}

async function remove(name: string, state: LabState | null): Promise<void> {
  if (state !== null) {
    const enclosure = new Enclosure(state.enclosure);
    // In order, as a power cut: the kernel has nothing to write when the enclosure's mounts go.
    const withDisks = new Lab(state).hosts.filter(({ options }) => options.kind !== 'light');
    if (await enclosure.isUp()) await inTurns(withDisks, async (host) => await host.cut().catch(() => {}));
    await enclosure.end(state.subnet);
  }
  await removeLabCgroups(name);
  await rm(labFolder(name), { recursive: true, force: true });
  await attempt(['python3', join(import.meta.dirname, 'scripts/ioctl.py'), 'spare-loops']);
  if (readLabs().length === 0) await rm(labsFolder(), { recursive: true, force: true });
}

/** One process of this machine at a time. The lock ends with its holder. */
async function alone<T>(work: () => Promise<T>): Promise<T> {
  mkdirSync('/run/lock', { recursive: true });
  const holder = spawn('flock', ['/run/lock/synod-lab', 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    await once(holder.stdout, 'data');
    return await work();
  } finally {
    holder.stdin.end();
  }
}

async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index] as T);
  };
  await Promise.all(Array.from({ length: Math.min(BOOTS_AT_ONCE, items.length) }, worker));
  return results;
}
