/**
 * What creating a cluster would do, and why it may not: computed from what is known of the hosts, without touching them.
 * The same function judges the preview and, with facts gathered again, the creation itself.
 */
import { hostPlace } from '../../../../cluster-node/contract/host-layout.ts';
import type { ClusterPlan } from '../../../contract/contract.ts';
import type { HostView } from '../../../contract/model.ts';

/** What can be said without a look at the hosts' files. */
export type JudgedPlan = Omit<ClusterPlan, 'hash' | 'hosts' | 'changes'>;

/** Room for the runtime (about 120 MB), the release and the first of the log. */
export const NEEDED_FREE_BYTES = 512 * 1024 * 1024;
export const DEFAULT_PEER_PORT = 2380;
export const DEFAULT_CLIENT_PORT = 2379;

export interface PlannedHost {
  readonly view: HostView;
  /** null: never gathered. */
  readonly place: {
    readonly machineId: string | null;
    readonly bootId: string | null;
    readonly homeDevice: string;
    readonly homeInode: string;
  } | null;
  readonly homeWritable: boolean | null;
  readonly homeNoexec: boolean | null;
  readonly peerPort: number;
  readonly clientPort: number;
  /** What listens on the host. */
  readonly listeners: readonly { readonly address: string; readonly port: number }[];
  /** Ports of members of other clusters at the same address. */
  readonly memberPorts: readonly { readonly port: number; readonly cluster: string }[];
}

export interface ClusterPlanInput {
  readonly name: string;
  readonly hosts: readonly PlannedHost[];
  /** Names of clusters that exist. */
  readonly takenNames: readonly string[];
  readonly place: 'home' | 'system';
  readonly runtimeVersion: string;
  readonly releaseVersion: string;
}

export function planCluster(input: ClusterPlanInput): JudgedPlan {
  const members = input.hosts.map((host, at) => ({
    hostId: host.view.hostId,
    host: host.view.name,
    nodeName: `node-${at + 1}`,
    address: host.view.address,
    peerPort: host.peerPort,
    clientPort: host.clientPort,
  }));
  // Whatever else is wrong then follows from it.
  const twice = namedTwice(input);
  if (twice.length > 0) return { name: input.name, members, puts: [], refusals: twice, warnings: [] };
  return {
    name: input.name,
    members,
    puts: putsOf(input),
    refusals: [...refusalsOfWhole(input), ...input.hosts.flatMap((host) => refusalsOfHost(host, input))],
    warnings: warningsOf(input),
  };
}

function namedTwice({ hosts }: ClusterPlanInput): string[] {
  const names = hosts.map(({ view }) => view.name);
  const repeated = new Set(names.filter((name, at) => names.indexOf(name) < at));
  return [...repeated].map((name) => `${name} is named twice; a host carries one node of a cluster.`);
}

function putsOf(input: ClusterPlanInput): string[] {
  const isHome = input.place === 'home';
  const place = isHome ? hostPlace('home', '~') : hostPlace('system');
  return input.hosts.flatMap((host, at) => [
    `${host.view.name}: the Node ${input.runtimeVersion} runtime in ${place.runtime(input.runtimeVersion)}`,
    `${host.view.name}: the node program ${input.releaseVersion} in ${place.release(input.releaseVersion)}`,
    `${host.view.name}: node-${at + 1} with its configuration, certificates${isHome ? ', log and data' : ''} in ${place.nodesDir}/`,
    `${host.view.name}: ${isHome ? 'one supervisor and one node process' : 'one systemd unit'}, listening on ${host.view.address} ports ${host.peerPort} (peers) and ${host.clientPort} (clients)`,
  ]);
}

function refusalsOfWhole(input: ClusterPlanInput): string[] {
  const refusals: string[] = [];
  if (input.takenNames.includes(input.name))
    refusals.push(`A cluster named ${input.name} exists already; choose another name.`);
  for (const [first, second] of pairs(input.hosts)) {
    if (isSamePlace(first, second))
      refusals.push(
        `${first.view.name} and ${second.view.name} are the same machine and the same login: one failure would take both nodes. Remove one of them.`,
      );
  }
  return refusals;
}

function refusalsOfHost(host: PlannedHost, input: ClusterPlanInput): string[] {
  const { name, reachability, facts } = host.view;
  if (reachability.state !== 'reachable') {
    const why = reachability.failure?.message ?? `it is ${reachability.state}`;
    return [
      `${name} cannot be used now: ${why.replace(/\.$/, '')}. ${reachability.failure?.nextStep ?? 'Check the host, then try again.'}`,
    ];
  }
  if (facts === null) return [`${name} has not been checked yet; check it first.`];
  return [
    ...platformRefusals(host),
    ...(input.place === 'home' ? homeRefusals(host) : systemRefusals(host)),
    ...portRefusals(host),
  ];
}

function platformRefusals(host: PlannedHost): string[] {
  const { name, facts } = host.view;
  const refusals: string[] = [];
  if (!facts?.kernel.startsWith('Linux')) refusals.push(`${name} runs ${facts?.kernel}; nodes run on Linux only.`);
  if (facts?.libc === 'musl')
    refusals.push(`${name} has musl as its C library; the runtime needs glibc. Use a host with glibc 2.28 or later.`);
  return refusals;
}

function systemRefusals({ view: { name, facts } }: PlannedHost): string[] {
  if (facts?.serviceManager === 'systemd') return [];
  return [`${name}: systemd does not run there, and the system place needs it. Use the home place.`];
}

function homeRefusals(host: PlannedHost): string[] {
  const { name, facts } = host.view;
  const refusals: string[] = [];
  const home = facts?.home ?? 'the home folder';
  if (host.homeWritable === false)
    refusals.push(`${name}: ${facts?.user} cannot write to ${home}. Give it the right, or log in as another user.`);
  if (host.homeNoexec === true)
    refusals.push(`${name}: programs may not be run from ${home} (mounted noexec). Remount it with exec.`);
  const free = facts?.homeFreeBytes ?? null;
  if (free !== null && free < NEEDED_FREE_BYTES)
    refusals.push(
      `${name} has ${mebibytes(free)} MiB free in ${home}; at least ${mebibytes(NEEDED_FREE_BYTES)} are needed.`,
    );
  return refusals;
}

function portRefusals(host: PlannedHost): string[] {
  const { name, address, facts } = host.view;
  const refusals: string[] = [];
  if (host.peerPort === host.clientPort)
    refusals.push(`${name}: peers and clients cannot share port ${host.peerPort}; give two different ports.`);
  for (const port of new Set([host.peerPort, host.clientPort])) {
    const member = host.memberPorts.find((one) => one.port === port);
    if (member) refusals.push(`${name}: port ${port} belongs to the cluster ${member.cluster}; give other ports.`);
    else if (host.listeners.some((one) => one.port === port && overlaps(one.address, address)))
      refusals.push(
        `${name}: something listens on port ${port} already (see \`ss -ltnp\` there); free it or give other ports.`,
      );
    if (port < 1024 && facts?.privilege !== 'root')
      refusals.push(`${name}: only root may listen on port ${port}; give a port from 1024 up.`);
  }
  return refusals;
}

/** Whether a listener at `listening` keeps a node from listening at `wanted`; names are taken to overlap. */
export function overlaps(listening: string, wanted: string): boolean {
  const isWildcard = listening === '0.0.0.0' || listening === '::';
  const isPlainAddress = /^[\d.]+$/.test(wanted);
  return isWildcard || !isPlainAddress || listening === wanted;
}

function warningsOf(input: ClusterPlanInput): string[] {
  const warnings: string[] = [];
  const size = input.hosts.length;
  if (size < 3)
    warnings.push(`With ${size === 1 ? 'one node' : 'two nodes'} the cluster tolerates no failure; use three or more.`);
  else if (size % 2 === 0)
    warnings.push(`${size} nodes tolerate no more failures than ${size - 1} do; use an odd number.`);
  for (const [first, second] of pairs(input.hosts)) {
    const isLab = first.view.origin === 'lab' && second.view.origin === 'lab';
    if (!isLab && !isSamePlace(first, second) && isSameMachineId(first, second))
      warnings.push(
        `${first.view.name} and ${second.view.name} have the same machine id: they are one machine, or copies of one image.`,
      );
  }
  for (const { view } of input.hosts)
    if (view.clockOffsetMs !== null && Math.abs(view.clockOffsetMs) > 60_000)
      warnings.push(
        `The clock of ${view.name} is off by ${Math.round(view.clockOffsetMs / 1000)} s; set up time synchronisation.`,
      );
  return warnings;
}

function isSameMachineId(first: PlannedHost, second: PlannedHost): boolean {
  const id = first.place?.machineId ?? null;
  return id !== null && id === second.place?.machineId;
}

/** Machine, running kernel and home folder agree: a copy of an image differs at least in its boot id. */
export function isSamePlace(first: PlannedHost, second: PlannedHost): boolean {
  const [a, b] = [first.place, second.place];
  if (a === null || b === null) return false;
  const isSameHome = a.homeDevice === b.homeDevice && a.homeInode === b.homeInode;
  const hasBoot = a.bootId !== null && b.bootId !== null;
  const isSameKernel = hasBoot ? a.bootId === b.bootId : first.view.facts?.hostname === second.view.facts?.hostname;
  return isSameHome && isSameKernel && a.machineId === b.machineId;
}

function* pairs<T>(items: readonly T[]): Generator<[T, T]> {
  for (const [at, first] of items.entries()) for (const second of items.slice(at + 1)) yield [first, second];
}

function mebibytes(bytes: number): number {
  return Math.floor(bytes / (1024 * 1024));
}
