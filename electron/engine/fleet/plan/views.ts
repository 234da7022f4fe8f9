/** Views of hosts and clusters for the screen: what was seen, with its age; what is stale is null. */
import type { HostSample } from '../../../../cluster-node/contract/sample.ts';
import type { ClusterView, Failure, HostAddress, HostFacts, HostView, NodeView } from '../../../contract/model.ts';
import { healthOf } from './health.ts';
import {
  behindOf,
  conditionOf,
  headOf,
  type MemberPicture,
  type Picture,
  pictureOf,
  writesPerSecondOf,
} from './picture.ts';
import { FRESH_MS, type MemberDesired, type Situation } from './situation.ts';

export interface HostObservation {
  readonly sample: HostSample;
  /** On the engine's clock. */
  readonly observedAtUnixMs: number;
}

export interface HostInput {
  readonly nowUnixMs: number;
  readonly host: HostAddress & {
    readonly hostId: string;
    readonly origin: HostView['origin'];
    readonly facts: HostFacts | null;
  };
  /** What the SSH connection says: it may stand for some time after the host has fallen silent. */
  readonly reachability: HostView['reachability'];
  /** Why the agent there was given up, where that was its silence; null: it speaks, or none is wanted. */
  readonly silence: Failure | null;
  /** Whatever its age; null: never sampled. */
  readonly observation: HostObservation | null;
  readonly clockOffsetMs: number | null;
  readonly nodeIds: readonly string[];
}

export function hostView(input: HostInput): HostView {
  const { host, observation } = input;
  const fresh = observation !== null && input.nowUnixMs - observation.observedAtUnixMs <= FRESH_MS;
  return {
    hostId: host.hostId,
    name: host.name,
    address: host.address,
    port: host.port,
    user: host.user,
    auth: host.auth,
    alias: host.alias,
    via: host.via,
    transport: host.transport,
    origin: host.origin,
    facts: host.facts,
    reachability: reachabilityOf(input),
    sample: fresh ? observation.sample : null,
    sampledAtUnixMs: fresh ? observation.observedAtUnixMs : null,
    clockOffsetMs: input.clockOffsetMs,
    nodeIds: [...input.nodeIds],
  };
}

/** A host that says nothing is not reachable, whatever its connection looks like: it is unknown since it was heard last. */
function reachabilityOf({ reachability, silence, observation }: HostInput): HostView['reachability'] {
  if (silence === null || reachability.state !== 'reachable') return reachability;
  const sinceUnixMs = observation?.observedAtUnixMs ?? reachability.sinceUnixMs;
  return { state: 'unknown', sinceUnixMs, offeredKey: null, failure: silence };
}

export function clusterView(situation: Situation): ClusterView {
  const picture = pictureOf(situation);
  const { cluster } = situation;
  const samples = picture.members.flatMap((member) => member.sample ?? []);
  const slowest = samples
    .filter((sample) => sample.fsyncLatency.p99Ms !== null)
    .sort((a, b) => (b.fsyncLatency.p99Ms ?? 0) - (a.fsyncLatency.p99Ms ?? 0))[0];
  // A median of medians is no median: the busiest node's is shown, and the worst node's 99th percentile.
  const busiest = samples.toSorted((a, b) => b.commitLatency.count - a.commitLatency.count)[0];
  return {
    clusterId: cluster.clusterId,
    name: cluster.name,
    origin: cluster.origin,
    createdAtUnixMs: cluster.createdAtUnixMs,
    lifecycle: cluster.lifecycle,
    health: healthOf(picture),
    quorum: quorumView(picture),
    leader: leaderView(picture),
    writesPerSecond: writesPerSecondOf(picture),
    commitP50Ms: busiest?.commitLatency.p50Ms ?? null,
    commitP99Ms: largest(samples.map((sample) => sample.commitLatency.p99Ms)),
    fsyncP99Ms: slowest?.fsyncLatency.p99Ms ?? null,
    fsyncP99NodeId: slowest?.nodeId ?? null,
    decidedUpTo: headOf(picture.members),
    nodes: picture.members.map((member) => nodeView(member, picture)),
    faults: [...situation.faults],
    certificatesExpireAtUnixMs: situation.certificatesExpireAtUnixMs,
    unfinished: unfinishedOf(picture),
    leaving: situation.leaving.map(({ nodeId, name, hostId }) => ({ nodeId, name, hostId })),
  };
}

/** What `synod cluster` is to be asked for again, so that it goes on. */
function unfinishedOf({ members, situation }: Picture): string[] {
  const { cluster, leaving, hosts } = situation;
  const on = ({ name, hostId }: MemberDesired) => `${name} on ${hosts.get(hostId)?.name ?? hostId}`;
  const isSettled = cluster.lifecycle === 'provisioned';
  const notVoting = isSettled ? members.filter(({ standing }) => standing !== 'voter') : [];
  return [
    ...notVoting.map((member) =>
      member.standing === 'learner'
        ? `${on(member)} learns and does not vote: add-node goes on with it, remove-node takes it away.`
        : `${on(member)} is not in the cluster: add-node goes on with a new one, remove-node takes away what is left.`,
    ),
    ...members
      .filter((member) => member.moving)
      .map((member) => `The data of ${on(member)} are half moved: move-node goes on.`),
    ...leaving.map((member) => `${on(member)} was removed, and its host not cleaned: remove-node goes on.`),
  ];
}

function nodeView(member: MemberPicture, picture: Picture): NodeView {
  return {
    nodeId: member.nodeId,
    memberSlot: member.memberSlot,
    name: member.name,
    standing: member.standing,
    hostId: member.hostId,
    address: member.address,
    peerPort: member.peerPort,
    clientPort: member.clientPort,
    service: member.service,
    sample: member.sample,
    observedAtUnixMs: member.observation?.observedAtUnixMs ?? null,
    condition: conditionOf(member, picture.leader),
    behindSlots: behindOf(member, picture),
    writesPerSecond: member.sample ? (member.observation?.writesPerSecond ?? null) : null,
  };
}

function quorumView(picture: Picture): ClusterView['quorum'] {
  const working = picture.working.length;
  // Without news from a quorum nothing is known about the margin, except that it is not below what works for certain.
  const heard = picture.members.filter((member) => member.fresh && member.standing === 'voter');
  const known = heard.length >= picture.quorumSize;
  return {
    voters: picture.voters.length,
    size: picture.quorumSize,
    working,
    tolerates: known ? working - picture.quorumSize : null,
  };
}

function leaderView(picture: Picture): ClusterView['leader'] {
  const { leader, members, situation } = picture;
  const node = members.find((member) => member.memberSlot === leader?.memberSlot);
  if (!leader || !node) return null;
  return { ...leader, nodeId: node.nodeId, sinceUnixMs: situation.leaderSinceUnixMs };
}

function largest(figures: readonly (number | null)[]): number | null {
  const known = figures.filter((figure) => figure !== null);
  return known.length === 0 ? null : Math.max(...known);
}
