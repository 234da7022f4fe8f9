/** What a check of a host found, as a list that an operator reads from top to bottom. Pure. */
import type { CheckItem, HostView } from '../../contract/model.ts';
import { isSamePlace, NEEDED_FREE_BYTES, overlaps, type PlannedHost } from '../provision/plan/cluster-plan.ts';
import type { GatheredFacts } from './facts.ts';

export interface CheckInput {
  readonly host: PlannedHost;
  readonly gathered: GatheredFacts;
  /** Host clock minus engine clock, milliseconds. */
  readonly clockOffsetMs: number | null;
  /** The other hosts of the fleet, with what was gathered of them last. */
  readonly others: readonly PlannedHost[];
  /** As `uname -m` names it: what the runtime at hand runs on. */
  readonly runtimeArchitectures: readonly string[];
}

/** Only what can be said of a host that could not be reached. */
export function unreachableItems(host: HostView): CheckItem[] {
  const { state, failure } = host.reachability;
  const isReached = !['unknown', 'connecting', 'unreachable'].includes(state);
  const found = failure?.message ?? state;
  const nextStep = failure?.nextStep ?? 'Check the address and the port, then check again.';
  if (failure?.kind === 'keyFileUnreadable')
    return [
      { check: 'reachable', verdict: 'unknown', found: 'not tried', nextStep: null },
      { check: 'login', verdict: 'fail', found, nextStep },
    ];
  const reached: CheckItem = { check: 'reachable', verdict: isReached ? 'pass' : 'fail', found, nextStep };
  if (!isReached) return [{ ...reached }];
  return [
    { ...reached, found: `${host.address} port ${host.port} answers`, nextStep: null },
    { check: state === 'authFailed' ? 'login' : 'host key', verdict: 'fail', found, nextStep },
  ];
}

export function checkItems(input: CheckInput): CheckItem[] {
  const { view } = input.host;
  return [
    pass('reachable', `${view.address} port ${view.port} answers`),
    pass('login', `as ${input.gathered.facts.user}`),
    ...platformItems(input),
    ...homeItems(input),
    identityItem(input),
    ...[input.host.peerPort, input.host.clientPort].map((port) => portItem(input, port)),
    ...serviceItems(input),
    clockItem(input.clockOffsetMs),
  ];
}

function platformItems({ gathered, runtimeArchitectures }: CheckInput): CheckItem[] {
  const { architecture, kernel, libc } = gathered.facts;
  const isKnown = kernel.startsWith('Linux') && runtimeArchitectures.includes(architecture);
  return [
    isKnown
      ? pass('architecture', `${kernel}, ${architecture}`)
      : fail(
          'architecture',
          `${kernel}, ${architecture}`,
          `Use a Linux host with ${runtimeArchitectures.join(' or ')}.`,
        ),
    libc === null
      ? { check: 'C library', verdict: 'unknown', found: 'not told', nextStep: 'Make sure it has glibc 2.28 or later.' }
      : libc === 'musl'
        ? fail('C library', libc, 'Use a host with glibc 2.28 or later.')
        : pass('C library', libc),
  ];
}

function homeItems({ gathered }: CheckInput): CheckItem[] {
  const { home, homeFreeBytes, user } = gathered.facts;
  const isUsable = gathered.homeWritable && !gathered.homeNoexec;
  const problem = gathered.homeWritable ? 'is mounted noexec' : `cannot be written to by ${user}`;
  const free = homeFreeBytes === null ? null : Math.floor(homeFreeBytes / 2 ** 20);
  const needed = NEEDED_FREE_BYTES / 2 ** 20;
  return [
    isUsable
      ? pass('home folder', `${home} is writable`)
      : fail('home folder', `${home} ${problem}`, 'Give the login a home where it may write and run programs.'),
    free === null
      ? { check: 'free space', verdict: 'unknown', found: 'not told', nextStep: `Make sure ${needed} MiB are free.` }
      : free >= needed
        ? pass('free space', `${free} MiB in ${home}`)
        : fail('free space', `${free} MiB in ${home}`, `Free at least ${needed} MiB.`),
  ];
}

function identityItem({ host, others }: CheckInput): CheckItem {
  const twin = others.find((other) => isSamePlace(host, other));
  if (twin)
    return fail(
      'machine identity',
      `the same machine and login as ${twin.view.name}`,
      `Remove ${host.view.name} or ${twin.view.name}: two nodes of a cluster must not share a machine.`,
    );
  const machineId = host.place?.machineId ?? null;
  const sibling = others.find((other) => machineId !== null && other.place?.machineId === machineId);
  const isLab = host.view.origin === 'lab' && sibling?.view.origin === 'lab';
  if (sibling && !isLab)
    return {
      check: 'machine identity',
      verdict: 'warn',
      found: `the same machine id as ${sibling.view.name}, with another home`,
      nextStep:
        'If they are one machine, use one of them; if they are copies of an image, give each its own machine id.',
    };
  return pass('machine identity', machineId ?? 'no machine id; told apart by host name and home');
}

function portItem({ host, gathered }: CheckInput, port: number): CheckItem {
  const member = host.memberPorts.find((one) => one.port === port);
  if (member) return pass(`port ${port}`, `in use by the cluster ${member.cluster}`);
  const isTaken = gathered.listeners.some((one) => one.port === port && overlaps(one.address, host.view.address));
  return isTaken
    ? {
        check: `port ${port}`,
        verdict: 'warn',
        found: 'something listens there',
        nextStep: 'Give other ports when you create a cluster.',
      }
    : pass(`port ${port}`, 'free');
}

function serviceItems({ gathered }: CheckInput): CheckItem[] {
  const { privilege, serviceManager } = gathered.facts;
  return [
    pass('privilege', privilege === 'none' ? 'an ordinary login; faults are made in the node itself' : privilege),
    pass(
      'service manager',
      serviceManager === 'systemd' ? 'systemd' : "none; Synod's own supervisor keeps nodes running",
    ),
  ];
}

function clockItem(offsetMs: number | null): CheckItem {
  if (offsetMs === null)
    return { check: 'clock', verdict: 'unknown', found: 'not told', nextStep: 'See `date` on the host.' };
  const found = `${Math.round(offsetMs)} ms from this computer's`;
  return Math.abs(offsetMs) < 1000
    ? pass('clock', found)
    : { check: 'clock', verdict: 'warn', found, nextStep: 'Set up time synchronisation (chrony, systemd-timesyncd).' };
}

function pass(check: string, found: string): CheckItem {
  return { check, verdict: 'pass', found, nextStep: null };
}

function fail(check: string, found: string, nextStep: string): CheckItem {
  return { check, verdict: 'fail', found, nextStep };
}
