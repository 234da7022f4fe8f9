/** A situation, read once: who is alive, what is cut, whom the fresh majority believes to lead, and who works under it. */
import type { NodeSample, ServiceState } from '../../../../cluster-node/contract/sample.ts';
import type { NodeView } from '../../../contract/model.ts';
import { CutLinks, outlookOf, quorumSize } from './links.ts';
import { FRESH_MS, holdingFaults, type MemberDesired, type NodeObservation, type Situation } from './situation.ts';

export type Standing = NodeView['standing'];

export interface MemberPicture extends MemberDesired {
  readonly standing: Standing;
  /** Last observation, whatever its age. */
  readonly observation: NodeObservation | null;
  /** Seen within `FRESH_MS`. */
  readonly fresh: boolean;
  /** The fresh service state and the fresh claims; null when they are not fresh. */
  readonly service: ServiceState | null;
  readonly sample: NodeSample | null;
  /** The process answers; false: it does not; null: unknown, its host was not heard. */
  readonly alive: boolean | null;
}

export interface BelievedLeader {
  readonly memberSlot: number;
  readonly ballot: number;
  /** How many freshly observed nodes say so, of how many that were asked. */
  readonly believedBy: number;
  readonly asked: number;
}

export interface Picture {
  readonly situation: Situation;
  readonly members: readonly MemberPicture[];
  /** Of the newest configuration that a node was heard to be in; 0: none was. */
  readonly configId: number;
  /** Member slots of the newest configuration that a node was heard to be in; until one was, of all members. */
  readonly voters: readonly number[];
  readonly quorumSize: number;
  /** What active faults cut, or may cut. */
  readonly cut: CutLinks;
  /** null: no majority of the freshly observed nodes agrees. */
  readonly leader: BelievedLeader | null;
  /** Member slots of voters that lead or follow in the majority's view; without one, those that could: see `couldWork`. */
  readonly working: readonly number[];
  /** Member slots of voters that may be alive: seen alive, or not heard of. */
  readonly possiblyAlive: readonly number[];
}

export function pictureOf(situation: Situation): Picture {
  const configuration = newestConfiguration(situation);
  const members = situation.members.map((member) =>
    memberPicture(member, situation, standingOf(member.memberSlot, configuration)),
  );
  const voting = members.filter((member) => member.standing === 'voter');
  const voters = configuration?.voters ?? voting.map(slotOf);
  const size = quorumSize(voters.length);
  const leader = believedLeader(members);
  const cut = new CutLinks(holdingFaults(situation.faults).flatMap((fault) => fault.links));
  return {
    situation,
    members,
    configId: configuration?.configId ?? 0,
    voters,
    quorumSize: size,
    cut,
    leader,
    working: leader ? voting.filter((member) => follows(member, leader)).map(slotOf) : couldWork(voting, cut, size),
    possiblyAlive: voting.filter((member) => member.alive !== false).map(slotOf),
  };
}

type Configuration = NodeSample['configuration'];

/** However old the news: configurations only ever follow each other. */
function newestConfiguration({ members, observations }: Situation): Configuration | null {
  const heard = members.flatMap(({ nodeId }) => observations.get(nodeId)?.sample?.configuration ?? []);
  return heard.reduce<Configuration | null>(
    (newest, one) => (one.configId > (newest?.configId ?? 0) ? one : newest),
    null,
  );
}

function standingOf(memberSlot: number, configuration: Configuration | null): Standing {
  if (configuration === null || configuration.voters.includes(memberSlot)) return 'voter';
  return configuration.learners.includes(memberSlot) ? 'learner' : 'outside';
}

function memberPicture(member: MemberDesired, situation: Situation, standing: Standing): MemberPicture {
  const observation = situation.observations.get(member.nodeId) ?? null;
  const fresh = observation !== null && situation.nowUnixMs - observation.observedAtUnixMs <= FRESH_MS;
  const service = fresh ? observation.service : null;
  const sample = fresh ? observation.sample : null;
  return { ...member, standing, observation, fresh, service, sample, alive: fresh ? sample !== null : null };
}

/**
 * The leader that more than half of the freshly observed nodes agree on. A node without a quorum holds on to what it last
 * knew, so its claim is not counted, but it was asked.
 */
function believedLeader(members: readonly MemberPicture[]): BelievedLeader | null {
  const asked = members.flatMap((member) => member.sample ?? []);
  const claims = new Map<string, { memberSlot: number; ballot: number; believedBy: number }>();
  for (const sample of asked) {
    if (!sample.quorumConnected || sample.believedLeader === 0) continue;
    const name = `${sample.believedLeader}/${sample.leaderBallot}`;
    const claim = claims.get(name) ?? {
      memberSlot: sample.believedLeader,
      ballot: sample.leaderBallot,
      believedBy: 0,
    };
    claim.believedBy += 1;
    claims.set(name, claim);
  }
  const most = [...claims.values()].sort((a, b) => b.believedBy - a.believedBy || b.ballot - a.ballot)[0];
  return most && most.believedBy * 2 > asked.length ? { ...most, asked: asked.length } : null;
}

function follows({ sample }: MemberPicture, leader: BelievedLeader): boolean {
  return (
    sample?.quorumConnected === true &&
    sample.believedLeader === leader.memberSlot &&
    sample.leaderBallot === leader.ballot
  );
}

/** Without a leader: those that reach a quorum; when none does, the most that still talk, if they are too few for one. */
function couldWork(voting: readonly MemberPicture[], cut: CutLinks, size: number): number[] {
  const connected = voting.filter((member) => member.sample?.quorumConnected).map(slotOf);
  if (connected.length > 0) return connected;
  const alive = voting.filter((member) => member.alive === true).map(slotOf);
  const { working } = outlookOf({ alive, cut, size, leader: null });
  return working.length < size ? [...working] : [];
}

function slotOf(member: MemberPicture): number {
  return member.memberSlot;
}

/** The process runs and did answer once, but no longer does: frozen, or too busy to say anything. */
export function isSilent({ service, sample, observation }: MemberPicture): boolean {
  return service?.state === 'running' && sample === null && observation?.answeredPid === service.pid;
}

function conditionOfService(service: ServiceState): NodeView['condition'] {
  return service.state === 'running' || service.state === 'restarting' ? 'starting' : service.state;
}

/** One word for the screen. */
export function conditionOf(member: MemberPicture, leader: BelievedLeader | null): NodeView['condition'] {
  const { service, sample } = member;
  if (service === null) return 'unknown';
  if (sample === null) return isSilent(member) ? 'unknown' : conditionOfService(service);
  if (!sample.quorumConnected) return 'minority';
  if (sample.role !== 'leader') return sample.role;
  // A leader that the majority has left for a higher ballot has not heard of it yet: it leads nobody.
  return leader !== null && leader.memberSlot !== member.memberSlot ? 'follower' : 'leader';
}

/** Decided slots of the freshest knowledge; null: nobody was heard. */
export function headOf(members: readonly MemberPicture[]): number | null {
  const heads = members.flatMap((member) => member.sample?.decidedUpTo ?? []);
  return heads.length === 0 ? null : Math.max(...heads);
}

/** A peer that was heard within this time is compared by what it told its leader, not by samples taken at two moments. */
const HEARD_RECENTLY_MS = 500;

/**
 * Decided slots behind the head; null: unknown. Hosts are sampled at different moments of a second, in which a busy cluster
 * decides thousands of slots, so the leader's own view of its peers at one moment is used where there is one.
 */
export function behindOf(member: MemberPicture, picture: Picture): number | null {
  if (member.sample === null) return null;
  const leading = picture.members.find((one) => one.memberSlot === picture.leader?.memberSlot)?.sample;
  if (leading && leading.memberSlot === member.memberSlot) return 0;
  const seen = leading?.peers.find((peer) => peer.memberSlot === member.memberSlot);
  if (leading && seen?.heardMsAgo != null && seen.heardMsAgo <= HEARD_RECENTLY_MS)
    return Math.max(0, leading.decidedUpTo - seen.decidedUpTo);
  const head = headOf(picture.members) ?? member.sample.decidedUpTo;
  return Math.max(0, head - member.sample.decidedUpTo);
}

/** The sum over the nodes whose rate is known; null: none is. */
export function writesPerSecondOf(picture: Picture): number | null {
  const rates = picture.members.flatMap((member) => (member.sample ? (member.observation?.writesPerSecond ?? []) : []));
  return rates.length === 0 ? null : rates.reduce((sum, rate) => sum + rate, 0);
}
