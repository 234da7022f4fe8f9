/**
 * The rules of the paper (Lamport, "Paxos Made Simple", section 2.2), pure and in one place, so that they can be read beside
 * it and broken one at a time by the simulator's negative controls.
 *
 * They are not all that safety rests on. What a log of many slots adds is where it happens: outbox.ts (`sendDurable`: no vow
 * before its record is durable), acceptor.ts (`acknowledge`, `settle`: what one number counts as accepted; `keepChosen`),
 * candidacy.ts (a report is complete only without a missing page; own acceptances count; decided slots are learned first),
 * leadership.ts (one value per slot and ballot), learner.ts (a notice proves only what was accepted under its own ballot) and
 * reads.ts (`confirm`). Elections, batching, resending and routing are about progress alone.
 */
import type { Ballot, MemberSlot } from '../contract/ballot.ts';
import type { QuorumSizes } from '../contract/configuration.ts';
import type { Entry } from '../contract/peer.ts';
import { type QuorumSystem, quorumsOf } from './quorum.ts';

export interface PaxosRules {
  quorums(voters: readonly MemberSlot[], sizes: QuorumSizes): QuorumSystem;
  /** P1a: an acceptor may answer a prepare unless it has promised a higher ballot. (Equal: the same prepare again.) */
  mayPromise(promised: Ballot, ballot: Ballot): boolean;
  /** P1b: "An acceptor can accept a proposal numbered n iff it has not responded to a prepare request having a number greater than n." */
  mayAccept(promised: Ballot, ballot: Ballot): boolean;
  /** P2c: of the accepted proposals for one slot, the one that binds a new proposer: "the highest-numbered proposal". */
  binding(known: Entry | undefined, reported: Entry): Entry | undefined;
}

export const PAXOS_RULES: PaxosRules = {
  quorums: quorumsOf,
  mayPromise: (promised, ballot) => ballot >= promised,
  mayAccept: (promised, ballot) => ballot >= promised,
  binding: (known, reported) => (known === undefined || reported.ballot > known.ballot ? reported : known),
};
