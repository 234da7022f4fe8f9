/**
 * From one configuration to the next, or why not; pure. Every step is small (one member, or the sizes alone) and must leave
 * the cluster able to decide: enough voters of the next configuration answer the leader now. The quorums of two adjacent
 * configurations intersect, so somebody in every new phase 1 quorum has what the old configuration chose, and a removed
 * member's disk may be thrown away.
 */
import { MAX_MEMBER_SLOT, type MemberSlot, type Slot } from '../contract/ballot.ts';
import {
  type Configuration,
  type ConfigurationChange,
  type Member,
  type QuorumSizes,
  quorumSizesOf,
  votersOf,
} from '../contract/configuration.ts';

/** A learner this few slots behind is as good as level: it has them before the next configuration needs it. */
export const MAX_PROMOTION_LAG_SLOTS = 512;
const MAX_MEMBERS = 63;

export interface Surroundings {
  readonly leader: MemberSlot;
  /** The leader itself, or a member that it is connected with both ways. */
  isPresent(member: MemberSlot): boolean;
  readonly decidedUpTo: Slot;
  /** How far this member has everything on disk under the leader's ballot; 0 when nothing is known. */
  durableUpTo(member: MemberSlot): Slot;
}

export type Plan =
  | { readonly kind: 'next'; readonly configuration: Configuration }
  | { readonly kind: 'refused'; readonly reason: string };

/** The configuration that this change leads to, or the reason why it must not be made now. */
export function planChange(now: Configuration, change: ConfigurationChange, around: Surroundings): Plan {
  const obstacle = obstacleTo(now, change, around);
  if (obstacle !== null) return { kind: 'refused', reason: obstacle };
  const members = membersAfter(now, change);
  const voters = members.filter(({ role }) => role === 'voter').map(({ memberSlot }) => memberSlot);
  const asked = change.kind === 'setQuorums' ? change.quorumSizes : now.quorumSizes;
  const quorumSizes = change.kind === 'setQuorums' ? asked : adaptedSizes(now, asked, voters);
  const nextMemberSlot = now.nextMemberSlot + (change.kind === 'addLearner' ? 1 : 0);
  const configuration = { configId: now.configId + 1, members, quorumSizes, nextMemberSlot };
  if (change.kind === 'addLearner') return { kind: 'next', configuration };
  const flaw = flawOfSizes(now, configuration) ?? absenceIn(configuration, around);
  return flaw === null ? { kind: 'next', configuration } : { kind: 'refused', reason: flaw };
}

function obstacleTo(now: Configuration, change: ConfigurationChange, around: Surroundings): string | null {
  switch (change.kind) {
    case 'addLearner':
      return obstacleToAdding(now, change.member);
    case 'promote':
      return obstacleToPromoting(now, change.memberSlot, around);
    case 'remove':
      return obstacleToRemoving(now, change.memberSlot, around);
    case 'setQuorums':
      return null;
  }
}

function obstacleToAdding({ members, nextMemberSlot }: Configuration, added: Omit<Member, 'memberSlot' | 'role'>) {
  if (members.length >= MAX_MEMBERS) return `the cluster has ${MAX_MEMBERS} members, as many as it may`;
  if (nextMemberSlot > MAX_MEMBER_SLOT) return 'every member slot has been used once, and none is given twice';
  for (const member of members) {
    if (member.nodeId === added.nodeId) return `${nameOf(member)} has the node id ${added.nodeId} already`;
    if (member.name === added.name) return `member ${member.memberSlot} has the name ${added.name} already`;
    if (member.address !== added.address) continue;
    const taken = [added.peerPort, added.clientPort].find(
      (port) => port === member.peerPort || port === member.clientPort,
    );
    if (taken !== undefined) return `${nameOf(member)} listens at ${member.address}:${taken} already`;
  }
  return null;
}

function obstacleToPromoting(now: Configuration, memberSlot: MemberSlot, around: Surroundings): string | null {
  const member = now.members.find((candidate) => candidate.memberSlot === memberSlot);
  if (member === undefined) return `there is no member ${memberSlot} in configuration ${now.configId}`;
  if (member.role === 'voter') return `${nameOf(member)} is a voter already`;
  if (!around.isPresent(memberSlot)) return `${nameOf(member)} is not connected to the leader`;
  const lag = around.decidedUpTo - around.durableUpTo(memberSlot);
  if (lag <= MAX_PROMOTION_LAG_SLOTS) return null;
  return `${nameOf(member)} has not caught up: it lacks ${lag} decided slots, at most ${MAX_PROMOTION_LAG_SLOTS} are allowed`;
}

function obstacleToRemoving(now: Configuration, memberSlot: MemberSlot, around: Surroundings): string | null {
  const member = now.members.find((candidate) => candidate.memberSlot === memberSlot);
  if (member === undefined) return `there is no member ${memberSlot} in configuration ${now.configId}`;
  if (member.role === 'voter' && votersOf(now).length === 1) return `${nameOf(member)} is the last voter`;
  return memberSlot === around.leader ? `${nameOf(member)} leads: transfer leadership first` : null;
}

function membersAfter({ members, nextMemberSlot }: Configuration, change: ConfigurationChange): Member[] {
  switch (change.kind) {
    case 'addLearner':
      return [...members, { ...change.member, memberSlot: nextMemberSlot, role: 'learner' }];
    case 'promote':
      return members.map((member) =>
        member.memberSlot === change.memberSlot ? { ...member, role: 'voter' as const } : member,
      );
    case 'remove':
      return members.filter((member) => member.memberSlot !== change.memberSlot);
    case 'setQuorums':
      return [...members];
  }
}

/** Explicit sizes go with the voters: never more than there are, and raised as little as makes all quorums intersect. */
function adaptedSizes(now: Configuration, sizes: QuorumSizes, voters: readonly MemberSlot[]): QuorumSizes {
  if (sizes === null) return null;
  const union = new Set([...votersOf(now), ...voters]).size;
  const adapted = (size: number, opposite: number) => Math.min(voters.length, Math.max(size, union + 1 - opposite));
  return { phase1: adapted(sizes.phase1, sizes.phase2), phase2: adapted(sizes.phase2, sizes.phase1) };
}

function flawOfSizes(now: Configuration, next: Configuration): string | null {
  const voters = votersOf(next).length;
  const from = quorumSizesOf(now);
  const to = quorumSizesOf(next);
  const named = `quorums of ${to.phase1} and ${to.phase2}`;
  if (to.phase1 > voters || to.phase2 > voters) return `${named} are more than the ${voters} voters`;
  if (to.phase1 + to.phase2 <= voters) return `${named} of ${voters} voters need not intersect`;
  const union = new Set([...votersOf(now), ...votersOf(next)]).size;
  if (to.phase1 + from.phase2 > union && from.phase1 + to.phase2 > union) return null;
  const first = `${Math.max(from.phase1, union + 1 - to.phase2)} and ${Math.max(from.phase2, union + 1 - to.phase1)}`;
  return `${named} need not intersect those in force, of ${from.phase1} and ${from.phase2}: set quorums of ${first} first`;
}

function absenceIn(next: Configuration, around: Surroundings): string | null {
  const voters = next.members.filter(({ role }) => role === 'voter');
  const absent = voters.filter(({ memberSlot }) => !around.isPresent(memberSlot));
  const { phase1, phase2 } = quorumSizesOf(next);
  const needed = Math.max(phase1, phase2);
  if (voters.length - absent.length >= needed) return null;
  const names = absent.map(nameOf).join(', ');
  return `the next configuration needs ${needed} of its ${voters.length} voters, and ${names} would be missing now`;
}

function nameOf({ name, memberSlot }: Member): string {
  return `${name} (member ${memberSlot})`;
}
