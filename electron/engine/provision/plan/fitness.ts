/** Whether a host can carry the node at all: rights, room, ports, service manager. Figures first, then what to do. */
import type { GatheredFacts } from '../../fleet/facts.ts';
import { NEEDED_FREE_BYTES, overlaps } from './cluster-plan.ts';
import type { HostStep } from './host-plan.ts';
import type { ObservedHost } from './observed-host.ts';
import type { Resource, ShippedResource } from './resources.ts';

/** Room that a node needs beyond the files that are there already: two segments of the log and a snapshot. */
const NEEDED_FOR_DATA_BYTES = 48 * 1024 * 1024;
/** Where the data are there already, only small files are written. */
const NEEDED_FOR_FILES_BYTES = 1024 * 1024;

export interface Unfitness {
  readonly kind: 'noRights' | 'noexec' | 'readOnly' | 'noSpace' | 'portInUse' | 'noServiceManager' | 'noFolder';
  readonly message: string;
  readonly nextStep: string;
}

export interface FitnessInput {
  readonly place: 'home' | 'system';
  readonly gathered: Pick<GatheredFacts, 'facts' | 'homeWritable' | 'listeners'>;
  readonly observed: ObservedHost;
  readonly steps: readonly HostStep[];
  /** Holds the programs, and the data unless `dataFolder` does. */
  readonly disk: string;
  readonly dataFolder: string | null;
  readonly member: { readonly address: string; readonly peerPort: number; readonly clientPort: number };
  readonly isRunning: boolean;
}

/** The first reason against it; null: there is none. */
export function unfitness(input: FitnessInput): Unfitness | null {
  return rightsProblem(input) ?? diskProblem(input) ?? (input.isRunning ? null : portProblem(input));
}

function rightsProblem({ place, gathered }: FitnessInput): Unfitness | null {
  const { home, user, serviceManager } = gathered.facts;
  if (place === 'home' && !gathered.homeWritable)
    return {
      kind: 'noRights',
      message: `${user} cannot write to ${home}. Nothing was changed.`,
      nextStep: `Give ${user} the right to write there (see \`ls -ld ${home}\` and \`mount\`), or log in as another user.`,
    };
  if (place === 'system' && serviceManager !== 'systemd')
    return {
      kind: 'noServiceManager',
      message: 'systemd does not run there, and the system place needs it. Nothing was changed.',
      nextStep: 'Use the home place: its nodes are kept by a supervisor of their own.',
    };
  return null;
}

function diskProblem({ observed, steps, disk, dataFolder }: FitnessInput): Unfitness | null {
  const main = observed.disks.get(disk);
  const seedBytes = steps.reduce((sum, { resource: one }) => sum + (isSeed(one) ? one.bytes : 0), 0);
  const hasUploads = steps.some((step) => step.resource.kind === 'shipped');
  const forData = (observed.filled.size > 0 ? NEEDED_FOR_FILES_BYTES : NEEDED_FOR_DATA_BYTES) + seedBytes;
  const wanted = [
    { path: disk, found: main, needed: (hasUploads ? NEEDED_FREE_BYTES : forData) + 2 * seedBytes, isRunFrom: true },
    ...(dataFolder === null
      ? []
      : [{ path: dataFolder, found: observed.disks.get(dataFolder), needed: forData, isRunFrom: false }]),
  ];
  for (const { path, found, needed, isRunFrom } of wanted) {
    if (!found && !isRunFrom)
      return {
        kind: 'noFolder',
        message: `There is no folder ${path} for the data. Nothing was changed.`,
        nextStep: 'Mount the disk there or make the folder, then run this again.',
      };
    if (!found || steps.length === 0) continue;
    if (found.isReadOnly)
      return {
        kind: 'readOnly',
        message: `${path} is on a file system that is mounted read-only. Nothing was changed.`,
        nextStep:
          'See why (`dmesg`, `mount`): a disk with errors is remounted read-only. Put it right, then run this again.',
      };
    if (isRunFrom && found.isNoexec)
      return {
        kind: 'noexec',
        message: `Programs may not be run from ${path}: its file system is mounted noexec. Nothing was changed.`,
        nextStep: 'Remount it with exec, or use the other place.',
      };
    if (found.freeBytes < needed)
      return {
        kind: 'noSpace',
        message: `${path} has ${mebibytes(found.freeBytes)} MiB free; ${mebibytes(needed)} are needed. Nothing was changed.`,
        nextStep: 'Free space on that file system (`df -h` shows it), then run this again.',
      };
  }
  return null;
}

/** It lies there once more as the node's first snapshot. */
function isSeed(resource: Resource): resource is ShippedResource {
  return resource.kind === 'shipped' && resource.source === 'seed';
}

function portProblem({ member, gathered }: FitnessInput): Unfitness | null {
  for (const port of [member.peerPort, member.clientPort]) {
    if (!gathered.listeners.some((one) => one.port === port && overlaps(one.address, member.address))) continue;
    return {
      kind: 'portInUse',
      message: `Something else listens on port ${port} of ${member.address}. Nothing was changed.`,
      nextStep: `See what it is (\`ss -ltnp 'sport = :${port}'\` on the host) and stop it, or destroy this cluster and create it with other ports.`,
    };
  }
  return null;
}

function mebibytes(bytes: number): number {
  return Math.round(bytes / (1024 * 1024));
}
