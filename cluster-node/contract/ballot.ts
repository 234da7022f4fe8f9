/**
 * Ballots, slots and member slots: the numbers that every part of Synod agrees on.
 *
 * A ballot is the totally ordered number of one proposer's attempt to lead (Lamport, "Paxos Made Simple", section 2.2).
 * It is a pair (round, member slot) packed in one safe integer, `round * 1024 + memberSlot`, so that two members can never
 * make the same one and so that ballots compare as numbers.
 */

/** A packed ballot: integer in [0, 2^53). 0 is "no ballot yet", lower than any real one. */
export type Ballot = number;

/** A member's number in its cluster: integer in [1, 1023], assigned once and never reused. */
export type MemberSlot = number;

/** A position in the replicated log: integer from 1. 0 means "before the first slot". */
export type Slot = number;

export const NO_BALLOT: Ballot = 0;
export const MAX_MEMBER_SLOT = 1023;

const MEMBERS_PER_ROUND = 1024;
const MAX_ROUND = Math.floor(Number.MAX_SAFE_INTEGER / MEMBERS_PER_ROUND) - 1;

/** Packs (round, member slot). Throws RangeError outside round [1, 2^43) and member slot [1, 1023]. */
export function ballotOf(round: number, memberSlot: MemberSlot): Ballot {
  if (!Number.isInteger(round) || round < 1 || round > MAX_ROUND)
    throw new RangeError(`ballot round ${round} is out of range`);
  if (!Number.isInteger(memberSlot) || memberSlot < 1 || memberSlot > MAX_MEMBER_SLOT)
    throw new RangeError(`member slot ${memberSlot} is out of range`);
  return round * MEMBERS_PER_ROUND + memberSlot;
}

export function ballotRound(ballot: Ballot): number {
  return Math.floor(ballot / MEMBERS_PER_ROUND);
}

/** The member slot of the proposer that owns this ballot; 0 for NO_BALLOT. */
export function ballotMemberSlot(ballot: Ballot): MemberSlot {
  return ballot % MEMBERS_PER_ROUND;
}

/** "17.2": round 17 of member 2; "none" for NO_BALLOT. */
export function formatBallot(ballot: Ballot): string {
  return ballot === NO_BALLOT ? 'none' : `${ballotRound(ballot)}.${ballotMemberSlot(ballot)}`;
}

/** The lowest ballot of this member that is higher than `above`. */
export function nextBallot(above: Ballot, memberSlot: MemberSlot): Ballot {
  return ballotOf(ballotRound(above) + 1, memberSlot);
}
