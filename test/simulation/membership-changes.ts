/** Draws changes of the members, and tells what kind one was. */
import type { MemberSlot } from '../../cluster-node/contract/ballot.ts';
import { type Configuration, type ConfigurationChange, votersOf } from '../../cluster-node/contract/configuration.ts';
import { exampleMember } from '../../cluster-node/paxos/under-test/member-example.ts';
import type { FaultEvent, FaultKind } from './fault-schedule.ts';
import { Random } from './random.ts';

/** Members that a simulated cluster ever has at most: the checker counts them in the bits of a number. */
const MEMBER_LIMIT = 20;
const MAX_LEARNERS = 2;

/** What the fault asks of the leader, as far as the configuration has room for it; null: nothing. */
export function drawChange(
  { kind, draw }: FaultEvent,
  configuration: Configuration,
  { leader, isLost }: { readonly leader: MemberSlot; readonly isLost: (member: MemberSlot) => boolean },
): ConfigurationChange | null {
  const random = new Random(draw);
  const voters = votersOf(configuration);
  const learners = configuration.members.filter(({ role }) => role === 'learner');
  switch (kind) {
    case 'addLearner': {
      const { nextMemberSlot } = configuration;
      if (nextMemberSlot >= MEMBER_LIMIT || learners.length >= MAX_LEARNERS) return null;
      const { memberSlot: _, ...member } = exampleMember(nextMemberSlot);
      return { kind, member };
    }
    case 'promote':
      return learners.length === 0 ? null : { kind, memberSlot: random.pick(learners).memberSlot };
    case 'remove': {
      const others = configuration.members.filter(({ memberSlot }) => memberSlot !== leader);
      // Whoever lost its disk is replaced first.
      const lost = others.filter(({ memberSlot }) => isLost(memberSlot));
      const removable = lost.length > 0 && random.chance(0.7) ? lost : others;
      return removable.length === 0 ? null : { kind, memberSlot: random.pick(removable).memberSlot };
    }
    case 'setQuorums': {
      const phase2 = random.integer(1, voters.length);
      const phase1 = random.integer(voters.length - phase2 + 1, voters.length);
      return { kind, quorumSizes: random.chance(0.5) ? null : { phase1, phase2 } };
    }
    default:
      return null;
  }
}

export function kindOfChange(next: Configuration, previous: Configuration): FaultKind {
  if (next.members.length > previous.members.length) return 'addLearner';
  if (next.members.length < previous.members.length) return 'remove';
  return votersOf(next).length > votersOf(previous).length ? 'promote' : 'setQuorums';
}
