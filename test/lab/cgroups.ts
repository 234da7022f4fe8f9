/**
 * A control group for each host: what kills it at one stroke, freezes it and limits it. Killing and freezing need cgroup v2, mounted
 * alone or beside v1. Limits are set where the machine has the controller: on v1 in a hierarchy each, else on v2.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../fixtures/until.ts';

const PERIOD_US = 100_000;
const CONTROLLERS = new Set(['memory', 'cpu', 'cpuacct', 'pids', 'blkio', 'freezer', 'name=systemd']);

interface Hierarchies {
  /** Where cgroup v2 is mounted. */
  readonly unified: string;
  /** v1: controller → where it is mounted. */
  readonly byController: ReadonlyMap<string, string>;
}

/** null: this machine has no cgroup v2 mounted. */
export function findHierarchies(): Hierarchies | null {
  const byController = new Map<string, string>();
  let unified: string | null = null;
  for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
    const [, path = '', type, options = ''] = line.split(' ');
    if (type === 'cgroup2') unified ??= path;
    if (type !== 'cgroup') continue;
    for (const option of options.split(',')) if (CONTROLLERS.has(option)) byController.set(option, path);
  }
  return unified === null ? null : { unified, byController };
}

function hierarchies(): Hierarchies {
  const found = findHierarchies();
  if (found === null) throw new Error('cgroup v2 is not mounted on this machine');
  return found;
}

export class HostCgroup {
  /** `synod-lab-NAME/HOST`, in every hierarchy. */
  readonly #name: string;
  readonly #at: Hierarchies;

  constructor(labName: string, hostName: string) {
    this.#name = join(labFolder(labName), hostName);
    this.#at = hierarchies();
  }

  /** Where a process of the host has to be written, all of them. */
  get folders(): string[] {
    return [...new Set([this.#at.unified, ...this.#at.byController.values()])].map((path) => join(path, this.#name));
  }

  async make(): Promise<void> {
    await Promise.all(this.folders.map(async (folder) => await mkdir(folder, { recursive: true })));
    if (this.#at.byController.has('memory')) return;
    const controllers = '+memory +cpu +pids +io';
    for (const folder of [this.#at.unified, join(this.#at.unified, this.#name, '..')])
      await writeFile(join(folder, 'cgroup.subtree_control'), controllers);
  }

  /** Returns when no process is left. One that is frozen ends without running again. */
  async kill(): Promise<void> {
    await this.#write('unified', 'cgroup.kill', '1');
    await until(`every process of ${this.#name} ends`, async () => !(await this.#isPopulated()), 30_000);
    await this.freeze(false);
  }

  /** Asks for it and waits for a moment: a process that waits for its disk freezes when it has its answer. */
  async freeze(frozen: boolean): Promise<void> {
    await this.#write('unified', 'cgroup.freeze', frozen ? '1' : '0');
    const isSo = async (): Promise<boolean> => (await this.#events()).includes(`frozen ${frozen ? 1 : 0}`);
    await until('the host freezes', isSo, 500).catch(() => {});
  }

  /** Every process of the host, as numbered on this machine. */
  pids(): number[] {
    return pidsBelow(join(this.#at.unified, this.#name));
  }

  /** null takes the limit away. */
  async limitMemory(bytes: number | null): Promise<void> {
    if (this.#at.byController.has('memory')) await this.#write('memory', 'memory.limit_in_bytes', String(bytes ?? -1));
    else await this.#write('unified', 'memory.max', String(bytes ?? 'max'));
  }

  /** 100 is one core. */
  async limitCpu(percent: number | null): Promise<void> {
    const quotaUs = percent === null ? null : Math.round((PERIOD_US * percent) / 100);
    if (this.#at.byController.has('cpu')) await this.#write('cpu', 'cpu.cfs_quota_us', String(quotaUs ?? -1));
    else await this.#write('unified', 'cpu.max', `${quotaUs ?? 'max'} ${PERIOD_US}`);
  }

  async limitProcesses(count: number | null): Promise<void> {
    await this.#write(this.#at.byController.has('pids') ? 'pids' : 'unified', 'pids.max', String(count ?? 'max'));
  }

  /** `device`: MAJOR:MINOR. */
  async limitWrites(device: string, perSecond: number | null): Promise<void> {
    if (this.#at.byController.has('blkio'))
      await this.#write('blkio', 'blkio.throttle.write_iops_device', `${device} ${perSecond ?? 0}`);
    else await this.#write('unified', 'io.max', `${device} wiops=${perSecond ?? 'max'}`);
  }

  async #write(hierarchy: string, file: string, text: string): Promise<void> {
    const path = hierarchy === 'unified' ? this.#at.unified : this.#at.byController.get(hierarchy);
    await writeFile(join(path ?? '', this.#name, file), text);
  }

  async #events(): Promise<string> {
    return await readFile(join(this.#at.unified, this.#name, 'cgroup.events'), 'utf8');
  }

  async #isPopulated(): Promise<boolean> {
    return (await this.#events()).includes('populated 1');
  }
}

/** Kills what is left in a lab's groups and removes them. */
export async function removeLabCgroups(labName: string): Promise<void> {
  const { unified, byController } = hierarchies();
  const top = join(unified, labFolder(labName));
  if (existsSync(top)) await writeFile(join(top, 'cgroup.kill'), '1');
  for (const path of new Set([unified, ...byController.values()])) {
    const folder = join(path, labFolder(labName));
    await until(`${folder} is empty and removed`, async () => await removeTree(folder));
  }
}

/** false: something is still in it. Files of a control group cannot and need not be removed. */
async function removeTree(folder: string): Promise<boolean> {
  if (!existsSync(folder)) return true;
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory() && !(await removeTree(join(folder, entry.name)))) return false;
    await rmdir(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EBUSY') return false;
    throw error;
  }
}

/** Groups come and go while they are listed: sessions, units. */
function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function labFolder(labName: string): string {
  return `synod-lab-${labName}`;
}

/** Groups come and go with sessions while one looks. */
function pidsBelow(group: string): number[] {
  const own = readIfThere(join(group, 'cgroup.procs')).split('\n').filter(Boolean).map(Number);
  return [...own, ...foldersIn(group).flatMap((name) => pidsBelow(join(group, name)))];
}

function foldersIn(group: string): string[] {
  try {
    return readdirSync(group, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
