/**
 * What a lab is enclosed in: namespaces for mounts, processes and network, held by one process. With it everything ends, so a lab
 * whose owner dies is off at once; a folder and control groups are left, which `down` or the next start of any lab removes.
 * Its network namespace is the switch that hosts are plugged into.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { identify, isAlive, type ProcessIdentity, signalProcess } from '../../electron/engine/lab/process-identity.ts';
import { until } from '../fixtures/until.ts';
import { attempt, type Command, type CommandOptions, run } from './command.ts';
import { labFolder } from './lab-state.ts';

const SCRIPTS = join(import.meta.dirname, 'scripts');
/** The machine's end of the cable to the switch. */
const machinePort = (subnet: number): string => `synod-lab${subnet}`;

export interface EnclosurePlan {
  readonly name: string;
  readonly subnet: number;
  /** false: it stays until somebody takes it down, for labs by hand. */
  readonly endsWithOwner: boolean;
}

export class Enclosure {
  readonly process: ProcessIdentity;

  constructor(process: ProcessIdentity) {
    this.process = process;
  }

  static async start({ name, subnet, endsWithOwner }: EnclosurePlan): Promise<Enclosure> {
    const log = openSync(join(labFolder(name), 'enclosure.log'), 'a');
    const namespaces = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc', '--propagation=private'];
    const env = {
      ...process.env,
      FRONT_ADDRESS: `10.77.${subnet}.2/24`,
      BACK_ADDRESS: `10.78.${subnet}.2/24`,
      UNTIL: endsWithOwner ? 'owner ends' : 'told to end',
    };
    const args = [...namespaces, 'bash', join(SCRIPTS, 'enclosure.sh')];
    const child = spawn('unshare', args, { stdio: ['pipe', 'pipe', log], env, detached: true });
    closeSync(log);
    await saysReady(child, name);
    // The other end of standard input is what ties the lab to its owner's life; it must not keep the owner alive in turn.
    (child.stdin as Socket).unref();
    child.unref();
    const pid = await until('the lab has a process 1', () => firstProcessBelow(child.pid ?? 0));
    const identity = await identify(pid);
    if (identity === null) throw new Error(`lab ${name} ended at once: see ${labFolder(name)}/enclosure.log`);
    const enclosure = new Enclosure(identity);
    await enclosure.#plugMachineIn(subnet);
    return enclosure;
  }

  /** The switch is the network, the lab's mounts and processes are visible. */
  async run(command: Command, options?: CommandOptions): Promise<string> {
    return await run(this.#enter(command), options);
  }

  async succeeds(command: Command): Promise<boolean> {
    return (await attempt(this.#enter(command))).exitCode === 0;
  }

  /** A program that lives on; with `output` as its standard output and error. */
  spawn(command: Command, output: string): ChildProcess {
    const log = openSync(output, 'a');
    const [program, ...args] = this.#enter(command);
    const child = spawn(program, args, { stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    child.unref();
    return child;
  }

  async isUp(): Promise<boolean> {
    return await isAlive(this.process);
  }

  /** Returns when the kernel has ended every process. */
  async end(subnet: number): Promise<void> {
    await signalProcess(this.process, 'SIGKILL');
    await until(`process ${this.process.pid} ends`, async () => !(await this.isUp()), 30_000);
    // The kernel would take it away with the switch, but a moment later.
    await attempt(['ip', 'link', 'delete', machinePort(subnet)]);
  }

  #enter(command: Command): Command {
    return ['nsenter', '--target', String(this.process.pid), '--mount', '--net', '--pid', ...command];
  }

  async #plugMachineIn(subnet: number): Promise<void> {
    const port = machinePort(subnet);
    const { pid } = this.process;
    await run(['ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'machine', 'netns', String(pid)]);
    await this.run(['ip', 'link', 'set', 'machine', 'master', 'front', 'up']);
    await run(['ip', 'address', 'add', `10.77.${subnet}.1/24`, 'dev', port]);
    await run(['ip', 'link', 'set', port, 'up']);
  }
}

async function saysReady(child: ChildProcess, name: string): Promise<void> {
  const ended = once(child, 'close').then(() => 'ended');
  const spoke = once(child.stdout as NonNullable<ChildProcess['stdout']>, 'data').then(String);
  const said = await Promise.race([spoke, ended]);
  if (said.trim() !== 'ready') {
    const log = readFileSync(join(labFolder(name), 'enclosure.log'), 'utf8');
    throw new Error(`lab ${name} did not start: ${log.trim()}`);
  }
  child.stdout?.destroy();
}

/** The process that bash runs as in the new namespace: the only one below unshare. */
function firstProcessBelow(pid: number): number | null {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number);
  for (const child of children) {
    if (/^NSpid:.*\t1$/m.test(readFileSync(`/proc/${child}/status`, 'utf8'))) return child;
    const below = firstProcessBelow(child);
    if (below !== null) return below;
  }
  return null;
}
