/** Which messages of other nodes are taken in at all. What is turned away is lost, which Paxos bears; its senders send again. */
import type { Ballot, MemberSlot } from '../contract/ballot.ts';
import type { PeerMessage } from '../contract/peer.ts';
import type { Alarms } from './alarms.ts';
import { BallotGuard } from './ballot-guard.ts';
import { flawOf } from './forwarded.ts';
import type { Journal } from './journal.ts';

export interface DoorSurroundings {
  /** As recovered. */
  readonly promised: Ballot;
  readonly nameOf: (member: MemberSlot) => string;
  readonly journal: Journal;
  readonly alarms: Alarms;
  /** The disk is far behind: nothing that makes this node write is taken in. */
  readonly isBacklogged: () => boolean;
}

export class Door {
  readonly #around: DoorSurroundings;
  readonly #ballots: BallotGuard;

  constructor(around: DoorSurroundings) {
    this.#around = around;
    this.#ballots = new BallotGuard(around.promised);
  }

  admits(from: MemberSlot, message: PeerMessage): boolean {
    const { nameOf, journal, alarms, isBacklogged } = this.#around;
    const { kind } = message;
    const flaw = kind === 'forward' ? flawOf(message) : null;
    if (flaw !== null) {
      journal.record({ kind: 'alarm', text: `dropped a request forwarded by ${nameOf(from)}: ${flaw}` });
      return false;
    }
    const leap = this.#ballots.flawOf(message);
    if (leap !== null) {
      alarms.raise(`ballot-${from}`, `what ${nameOf(from)} says is not listened to: ${leap}; look at that node`);
      return false;
    }
    const makesRecords = kind === 'accept' || kind === 'catchUpEntries' || kind === 'promise' || kind === 'forward';
    return !makesRecords || !isBacklogged();
  }
}
