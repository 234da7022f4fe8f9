/**
 * Ballots only ever rise, so one absurdly high ballot, from a flipped bit or a broken node, would leave nobody a higher one for
 * good. A message whose ballot leaps further than a cluster's elections could in years is dropped and told of.
 */
import { type Ballot, ballotRound, formatBallot } from '../contract/ballot.ts';
import type { PeerMessage } from '../contract/peer.ts';

/** At a hundred elections a second it takes four months to come so far, unheard of by this node all the while. */
const MAX_ROUNDS_AT_ONCE = 2 ** 30;

export class BallotGuard {
  #highest: Ballot;

  /** `promised` as recovered. */
  constructor(promised: Ballot) {
    this.#highest = promised;
  }

  /** Why the message must not be listened to; null when it may. */
  flawOf(message: PeerMessage): string | null {
    const ballot = highestIn(message);
    if (ballot <= this.#highest) return null;
    if (ballotRound(ballot) - ballotRound(this.#highest) > MAX_ROUNDS_AT_ONCE)
      return `its ballot ${formatBallot(ballot)} is absurdly far above ${formatBallot(this.#highest)}`;
    this.#highest = ballot;
    return null;
  }
}

function highestIn(message: PeerMessage): Ballot {
  switch (message.kind) {
    case 'prepare':
    case 'accept':
    case 'accepted':
    case 'promise':
    case 'transferLeadership':
      return message.ballot;
    case 'nack':
      return Math.max(message.ballot, message.promised);
    case 'heartbeat':
      return Math.max(message.promised, message.leaderBallot);
    case 'heartbeatReply':
      return message.promised;
    case 'catchUpEntries':
      return message.entries.reduce((highest, { ballot }) => Math.max(highest, ballot), 0);
    default:
      return 0;
  }
}
