/** What a preflight found on one host, as a list that an operator reads from top to bottom. Pure. */
import type { CheckItem, HostView } from '../../../contract/model.ts';
import type { GatheredFacts } from '../../fleet/facts.ts';
import { isSamePlace, overlaps, type PlannedHost } from '../../provision/plan/cluster-plan.ts';
import type { DiskSync } from '../disk-sync.ts';
import type { HostProbe } from '../probe.ts';
import { fail, pass, unknown, warn } from './check-item.ts';
import { type ClockReading, clockItems } from './clock-items.ts';
import { type DiskLimits, diskItems } from './disk-items.ts';
import { newMachineId } from './fixes.ts';
import { systemItems } from './system-items.ts';

export interface CheckInput {
  readonly host: PlannedHost;
  readonly gathered: GatheredFacts;
  readonly probe: HostProbe;
  readonly sync: DiskSync | null;
  readonly clock: ClockReading;
  readonly limits: DiskLimits;
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
    return [unknown('reachable', 'not tried', null), fail('login', found, nextStep)];
  if (!isReached) return [fail('reachable', found, nextStep)];
  return [
    pass('reachable', `${host.address} port ${host.port} answers`),
    fail(state === 'authFailed' ? 'login' : 'host key', found, nextStep),
  ];
}

export function checkItems(input: CheckInput): CheckItem[] {
  const { host, gathered, probe } = input;
  const ports = [host.peerPort, host.clientPort];
  return [
    pass('reachable', `${host.view.address} port ${host.view.port} answers`),
    pass('login', `as ${gathered.facts.user}`),
    ...platformItems(input),
    homeItem(input),
    ...diskItems(probe, input.sync, input.limits),
    identityItem(input),
    ...ports.map((port) => portItem(input, port)),
    ...systemItems(gathered.facts, probe, ports),
    ...clockItems(input.clock, probe),
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
      ? unknown('C library', 'not told', 'Make sure it has glibc 2.28 or later.')
      : libc === 'musl'
        ? fail('C library', libc, 'Use a host with glibc 2.28 or later.')
        : pass('C library', libc),
  ];
}

function homeItem({ gathered }: CheckInput): CheckItem {
  const { home, user } = gathered.facts;
  const isUsable = gathered.homeWritable && !gathered.homeNoexec;
  const problem = gathered.homeWritable ? 'is mounted noexec' : `cannot be written to by ${user}`;
  return isUsable
    ? pass('home folder', `${home} is writable`)
    : fail('home folder', `${home} ${problem}`, 'Give the login a home where it may write and run programs.');
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
  if (sibling && !isLab) {
    const isOneMachine = host.place?.bootId != null && host.place.bootId === sibling.place?.bootId;
    return isOneMachine
      ? warn(
          'machine identity',
          `the same machine as ${sibling.view.name}, with another home`,
          'One failure would take both: use one of them in a cluster.',
        )
      : warn(
          'machine identity',
          `the machine id of ${sibling.view.name} too: copies of one image`,
          'Give each its own machine id: journals and leases of addresses are told apart by it.',
          newMachineId,
        );
  }
  return pass('machine identity', machineId ?? 'no machine id; told apart by host name and home');
}

function portItem({ host, gathered }: CheckInput, port: number): CheckItem {
  const member = host.memberPorts.find((one) => one.port === port);
  if (member) return pass(`port ${port}`, `in use by the cluster ${member.cluster}`);
  const isTaken = gathered.listeners.some((one) => one.port === port && overlaps(one.address, host.view.address));
  return isTaken
    ? warn(`port ${port}`, 'something listens there', 'Give other ports when you create a cluster.')
    : pass(`port ${port}`, 'free');
}
