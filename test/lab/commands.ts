/** The faults as commands: a name, what it takes, and the call that it stands for. */
import type { DiskFaults } from './data-disk.ts';
import type { LabHost } from './host.ts';
import type { Lab } from './lab.ts';
import type { LinkQuality } from './link.ts';

type FaultCommand = (lab: Lab, args: readonly string[]) => Promise<void>;

export const USAGE = `npm run lab -- up [--hosts 5] [--name NAME] [--light] [--bastion] [--strict] [--slow-cables] [--movable-clock]
               down | status | prepare                  prepare: only build the root file system
               ssh [USER@]N [COMMAND…]                  as ops without USER
and, for a lab with another name than "lab", each with --name NAME after the command:
  cut N      power cut: what was not synced is lost     kill N              every process ends at once
  boot N     power on                                   freeze N, thaw N    the whole host hangs
  cable N up|down                                       part A B, partway FROM TO, heal
  loss N RATIO        both ways, until heal             rate N KBIT|off     to the host
  link N JSON         with --slow-cables: {"out":{"delayMs":20,"jitterMs":5,"lossRatio":0.01},"in":{…}}; {} heals
  disk N JSON         {"flushMs":300,"readErrorRatio":1,"stalled":true,"dropsWrites":true,…}; {} heals
  ro N, rw N          data disk read-only, or not       fserr N             ext4 reports damage
  fill N, free N      no space left on the data disk
  memlimit N BYTES|off    cpu N PERCENT|off    iops N PER_SECOND|off    pids N COUNT|off
  clock N SECONDS     with --movable-clock: off the true time by so much
`;

export const COMMANDS: Readonly<Record<string, FaultCommand>> = {
  cut: onHost((host) => host.cut()),
  kill: onHost((host) => host.kill()),
  boot: onHost((host) => host.boot()),
  freeze: onHost((host) => host.freeze()),
  thaw: onHost((host) => host.thaw()),
  cable: onHost((host, state) => host.cable(oneOf(state, ['up', 'down']))),
  part: async (lab, [a, b]) => await lab.partition(lab.host(Number(a)), lab.host(Number(b))),
  partway: async (lab, [from, to]) => await lab.partitionOneWay(lab.host(Number(from)), lab.host(Number(to))),
  heal: async (lab) => await lab.heal(),
  loss: onHost((host, ratio) => host.lose(figure(ratio))),
  rate: onHost((host, kbit) => host.limitRate(limit(kbit))),
  link: onHost((host, quality) => host.link(JSON.parse(quality) as LinkQuality)),
  disk: onHost((host, faults) => host.disk.fail(JSON.parse(faults) as DiskFaults)),
  ro: onHost((host) => host.disk.setReadOnly(true)),
  rw: onHost((host) => host.disk.setReadOnly(false)),
  fserr: onHost((host) => host.disk.reportError()),
  fill: onHost((host) => host.disk.fill()),
  free: onHost((host) => host.disk.free()),
  memlimit: onHost((host, bytes) => host.limits.limitMemory(limit(bytes))),
  cpu: onHost((host, percent) => host.limits.limitCpu(limit(percent))),
  iops: onHost((host, perSecond) => host.limitDiskWrites(limit(perSecond))),
  pids: onHost((host, count) => host.limits.limitProcesses(limit(count))),
  clock: onHost((host, seconds) => host.moveClock(figure(seconds))),
};

function onHost(act: (host: LabHost, argument: string) => Promise<void>): FaultCommand {
  return async (lab, [number, argument = '']) => await act(lab.host(Number(number)), argument);
}

function limit(text: string): number | null {
  return text === 'off' ? null : figure(text);
}

function figure(text: string): number {
  const number = Number(text);
  if (text === '' || !Number.isFinite(number)) throw new Error(`"${text}" is not a number`);
  return number;
}

function oneOf<T extends string>(text: string, allowed: readonly T[]): T {
  const found = allowed.find((word) => word === text);
  if (found === undefined) throw new Error(`"${text}" is none of ${allowed.join(', ')}`);
  return found;
}
