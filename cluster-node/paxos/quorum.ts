/**
 * Quorum arithmetic, pure and alone. A quorum is a predicate over sets of members. Safety needs one thing of it: every
 * phase 1 quorum and every phase 2 quorum have a member in common (Howard et al., "Flexible Paxos"). Majorities do for both.
 */
import type { MemberSlot, Slot } from '../contract/ballot.ts';
import { majorityOf, type QuorumSizes } from '../contract/configuration.ts';

export interface QuorumSystem {
  readonly members: readonly MemberSlot[];
  /** Whether the members for which `has` holds make a phase 1 quorum: enough promises to propose. */
  phase1(has: (member: MemberSlot) => boolean): boolean;
  /** Whether they make a phase 2 quorum: enough acceptances to choose. */
  phase2(has: (member: MemberSlot) => boolean): boolean;
  /** The highest value that a phase 2 quorum of members has reached: what is chosen, given what each has accepted. */
  phase2UpTo(reached: (member: MemberSlot) => Slot): Slot;
}

/**
 * Quorums by size. Throws RangeError unless 1 ≤ size ≤ members for both phases and the phases intersect
 * (phase1Size + phase2Size > members).
 */
export function quorumsOfSize(members: readonly MemberSlot[], phase1Size: number, phase2Size: number): QuorumSystem {
  const count = members.length;
  if (phase1Size < 1 || phase2Size < 1 || phase1Size > count || phase2Size > count || phase1Size + phase2Size <= count)
    throw new RangeError(`quorums of ${phase1Size} and ${phase2Size} of ${count} members need not intersect`);
  return countingQuorums(members, phase1Size, phase2Size);
}

/** What a configuration asks for: explicit sizes, or majorities. */
export function quorumsOf(voters: readonly MemberSlot[], sizes: QuorumSizes): QuorumSystem {
  return sizes === null ? majorityQuorums(voters) : quorumsOfSize(voters, sizes.phase1, sizes.phase2);
}

/** More than half of the members, for both phases. */
export function majorityQuorums(members: readonly MemberSlot[]): QuorumSystem {
  const size = majorityOf(members.length);
  return quorumsOfSize(members, size, size);
}

/** Counts without checking that the quorums intersect; exported for negative controls only. */
export function countingQuorums(members: readonly MemberSlot[], phase1Size: number, phase2Size: number): QuorumSystem {
  const countOf = (has: (member: MemberSlot) => boolean) => {
    let count = 0;
    for (const member of members) if (has(member)) count++;
    return count;
  };
  return {
    members,
    phase1: (has) => countOf(has) >= phase1Size,
    phase2: (has) => countOf(has) >= phase2Size,
    phase2UpTo: (reached) => nthHighest(members.map(reached), phase2Size),
  };
}

/** The n-th highest (from 1) of a few numbers. */
function nthHighest(values: number[], n: number): number {
  values.sort((a, b) => b - a);
  return values[n - 1] ?? 0;
}
