/** One host of a lab: how tests log in, look inside, and take its power. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { identify, isAlive, type ProcessIdentity } from '../../electron/engine/lab/process-identity.ts';
import { until } from '../fixtures/until.ts';
import { HostCgroup } from './cgroups.ts';
import { attempt, type Command, type CommandOptions, type CommandResult, run } from './command.ts';
import { DataDisk } from './data-disk.ts';
import type { Enclosure } from './enclosure.ts';
import { portsOf } from './host-files.ts';
import type { HostOptions } from './host-options.ts';
import { type HostState, hostFolder, labFolder } from './lab-state.ts';
import { type LinkQuality, writeLinkQuality } from './link.ts';
import type { Switch } from './network.ts';

const SCRIPTS = join(import.meta.dirname, 'scripts');
const BOOT_TIMEOUT_MS = 90_000;
const CONSOLE_SHOWN = 3000;
/** What a login would have, whatever runs the test. */
const ENVIRONMENT = [
  'HOME=/root',
  'USER=root',
  'LANG=C.UTF-8',
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
];
const NAMESPACES = ['--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup', '--time'];

export interface HostPlace {
  readonly labName: string;
  readonly enclosure: Enclosure;
  readonly switch: Switch;
  /** Arguments of ssh for the way over a bastion; empty where this machine reaches the host. */
  readonly jump: readonly string[];
}

export class LabHost {
  readonly number: number;
  readonly name: string;
  readonly address: string;
  readonly sshPort: number;
  readonly options: HostOptions;
  /** `SHA256:…`, one a host key. */
  readonly fingerprints: readonly string[];
  /** Logs in as root, ops, deploy and plain. */
  readonly keyPath: string;
  readonly disk: DataDisk;
  readonly limits: HostCgroup;
  readonly #place: HostPlace;
  readonly #folder: string;
  #init: ProcessIdentity | null = null;

  constructor(state: HostState, place: HostPlace) {
    this.number = state.number;
    this.name = state.name;
    this.address = state.address;
    this.options = state.options;
    this.sshPort = state.options.sshPort ?? 22;
    this.fingerprints = state.fingerprints;
    this.#place = place;
    this.#folder = hostFolder(place.labName, state.name);
    this.keyPath = join(labFolder(place.labName), 'key');
    this.limits = new HostCgroup(place.labName, state.name);
    this.disk = new DataDisk(place.enclosure, this.#folder);
  }

  /** Runs in the host to its end; throws when it fails. Needs neither network nor sshd, and works while it is frozen. */
  async root(shellCommand: string, options?: CommandOptions): Promise<string> {
    return await run(await this.#inside(shellCommand), options);
  }

  /** The same, for commands that may fail. */
  async tryRoot(shellCommand: string, options?: CommandOptions): Promise<CommandResult> {
    return await attempt(await this.#inside(shellCommand), options);
  }

  /** OpenSSH's client with the host's key verified, over the bastion where the host is behind one. */
  async ssh(shellCommand: string, options: CommandOptions & { user?: string } = {}): Promise<CommandResult> {
    return await attempt(['ssh', ...this.sshArguments(options.user ?? 'ops'), shellCommand], options);
  }

  /** Arguments of OpenSSH's client up to the host's name. */
  sshArguments(user: string): string[] {
    const folder = labFolder(this.#place.labName);
    const settings = [
      `UserKnownHostsFile=${join(folder, 'known_hosts')}`,
      'StrictHostKeyChecking=yes',
      'IdentitiesOnly=yes',
      'BatchMode=yes',
      'ConnectTimeout=5',
      'LogLevel=ERROR',
    ].flatMap((setting) => ['-o', setting]);
    return [
      '-F',
      'none',
      ...settings,
      ...this.#place.jump,
      '-i',
      this.keyPath,
      '-p',
      String(this.sshPort),
      `${user}@${this.address}`,
    ];
  }

  /** From power off to a login: returns when sshd answers. */
  async boot(): Promise<void> {
    const { enclosure } = this.#place;
    const log = join(this.#folder, 'console.log');
    await this.limits.make();
    const program = enclosure.spawn(['bash', join(SCRIPTS, 'host.sh'), this.#folder], log);
    const off = new Promise<never>((_, reject) =>
      program.once('exit', (code) =>
        reject(new Error(`${this.name} went off with ${code}: ${readFileSync(log, 'utf8').slice(-CONSOLE_SHOWN)}`)),
      ),
    );
    await Promise.race([this.#answers(), off]);
    off.catch(() => {});
  }

  /** Power cut: what was not synced is lost, nobody hears of it over the network. */
  async cut(): Promise<void> {
    await this.limits.freeze(true);
    for (const port of portsOf(this.number, this.options)) await this.#place.switch.setPort(port, 'down');
    if (this.options.kind !== 'light') {
      // A request that waits for a stalled disk would keep the file system from going.
      const faults = await this.disk.faults();
      await this.disk.fail({});
      const fileSystems = ['data', 'system'].map((name) => join(this.#folder, name));
      await this.#place.enclosure.run(['python3', join(SCRIPTS, 'ioctl.py'), 'shut-down', ...fileSystems]);
      await this.disk.fail(faults);
    }
    await this.kill();
    await this.#releaseDisks();
  }

  /** All processes end at once; what they wrote is not lost, as after a crash of everything but the kernel. */
  async kill(): Promise<void> {
    await this.limits.kill();
  }

  async freeze(): Promise<void> {
    await this.limits.freeze(true);
  }

  async thaw(): Promise<void> {
    await this.limits.freeze(false);
  }

  get isOn(): boolean {
    return this.limits.pids().length > 0;
  }

  async cable(state: 'up' | 'down'): Promise<void> {
    for (const port of portsOf(this.number, this.options)) await this.#place.switch.setPort(port, state);
  }

  /** Only with `cable: 'slow'`. Holds until it is set anew; `{}` is a good cable. */
  async link(quality: LinkQuality): Promise<void> {
    if (this.options.cable !== 'slow') throw new Error(`${this.name} has a plain cable: start it with cable: 'slow'`);
    await writeLinkQuality(this.#folder, quality);
  }

  /** Frames from and to the host are lost, until `lab.heal`. */
  async lose(ratio: number): Promise<void> {
    for (const port of portsOf(this.number, this.options)) await this.#place.switch.lose(port, ratio);
  }

  async limitRate(kbitPerSecond: number | null): Promise<void> {
    for (const port of portsOf(this.number, this.options)) await this.#place.switch.limitRate(port, kbitPerSecond);
  }

  async limitDiskWrites(perSecond: number | null): Promise<void> {
    await this.limits.limitWrites(await this.disk.deviceNumber(), perSecond);
  }

  /** Only with `movableClock`: from the true time, for programs started by the system manager and over SSH, within a second. */
  async moveClock(seconds: number): Promise<void> {
    if (this.options.movableClock !== true)
      throw new Error(`${this.name} has no movable clock: start it with movableClock`);
    await this.root(`echo '${seconds < 0 ? '' : '+'}${seconds}' > /etc/faketimerc`);
  }

  async #answers(): Promise<void> {
    // Waits by reading from a pipe that stays empty: a program started for each pause would cost more than the boots do.
    const pause = 'exec 9<> <(:); pause() { read -r -t 0.05 -u 9 || true; }';
    const greets = 'read -r -t 5 banner < "/dev/tcp/$0/$1" && [[ $banner = SSH-* ]]';
    const listen = `${pause}; { until ${greets}; do pause; done; } 2>/dev/null`;
    await this.#place.enclosure.run(['bash', '-c', listen, this.address, String(this.sshPort)], {
      timeoutMs: BOOT_TIMEOUT_MS,
    });
  }

  /** Two mounts of one image would destroy it: waits until the kernel has let go of the loop devices. */
  async #releaseDisks(): Promise<void> {
    const { enclosure } = this.#place;
    const names = this.options.kind === 'light' ? ['root'] : ['root', 'data', 'system'];
    for (const name of names)
      await until(
        `${name} of ${this.name} is unmounted`,
        async () => await enclosure.succeeds(['umount', join(this.#folder, name)]),
      );
    const isFree = ['bash', '-c', '! grep -qsF "$0/" /sys/block/loop*/loop/backing_file', this.#folder] as const;
    await until(`the disks of ${this.name} are free`, async () => await enclosure.succeeds(isFree), 30_000);
  }

  async #inside(shellCommand: string): Promise<Command> {
    const { pid } = await this.#findInit();
    // Bash takes an input that is a socket for a remote login, and would read start files.
    const shell = ['env', '-i', ...ENVIRONMENT, 'bash', '--norc', '-c', shellCommand];
    return ['nsenter', '--target', String(pid), ...NAMESPACES, '--', ...shell];
  }

  /** The host's process 1, as numbered on this machine. */
  async #findInit(): Promise<ProcessIdentity> {
    if (this.#init !== null && (await isAlive(this.#init))) return this.#init;
    const pid = this.limits.pids().find(isFirstInHost);
    this.#init = pid === undefined ? null : await identify(pid);
    if (this.#init === null) throw new Error(`${this.name} is off: boot it first`);
    return this.#init;
  }
}

/** proc(5): NSpid has a number for each namespace from outside to inside: the machine, the lab, the host. */
function isFirstInHost(pid: number): boolean {
  try {
    return /^NSpid:\t\d+\t\d+\t1$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
