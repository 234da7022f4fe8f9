/**
 * The decisions on which the safety of Paxos rests, pure and in one place, so that they can be read beside the paper
 * (Lamport, "Paxos Made Simple", section 2.2) and broken one at a time by the simulator's negative controls. Everything
 * else in this folder is about progress: if it is wrong, the cluster is slow, not inconsistent.
 */
import type { Ballot, MemberSlot } from '../contract/ballot.ts';
import type { Entry } from '../contract/peer.ts';
import { majorityQuorums, type QuorumSystem } from './quorum.ts';

export interface PaxosRules {
  quorums(members: readonly MemberSlot[]): QuorumSystem;
  /** P1a: an acceptor may answer a prepare unless it has promised a higher ballot. (Equal: the same prepare again.) */
  mayPromise(promised: Ballot, ballot: Ballot): boolean;
  /** P1b: "An acceptor can accept a proposal numbered n iff it has not responded to a prepare request having a number greater than n." */
  mayAccept(promised: Ballot, ballot: Ballot): boolean;
  /** P2c: of the accepted proposals for one slot, the one that binds a new proposer: "the highest-numbered proposal". */
  binding(known: Entry | undefined, reported: Entry): Entry | undefined;
}

export const PAXOS_RULES: PaxosRules = {
  quorums: majorityQuorums,
  mayPromise: (promised, ballot) => ballot >= promised,
  mayAccept: (promised, ballot) => ballot >= promised,
  binding: (known, reported) => (known === undefined || reported.ballot > known.ballot ? reported : known),
};
