/**
 * Why this node does not keep up with what is decided elsewhere: for people, never needed for anything else. A node that
 * gets further is only behind for a moment, so the reason is asked for after some rounds of standing still.
 */
import type { Slot } from '../contract/ballot.ts';
import type { Election } from './election.ts';
import type { Membership } from './membership.ts';
import type { Outbox } from './outbox.ts';
import type { Peers } from './peers.ts';
import type { ReplicaLog } from './replica-log.ts';

const ROUNDS_TO_BE_BEHIND = 10;

interface Parts {
  readonly out: Outbox;
  readonly log: ReplicaLog;
  readonly peers: Peers;
  readonly membership: Membership;
  readonly election: Pick<Election, 'leader'>;
  /** What catching up waits for, in words, when that is more than the answer of a peer. */
  readonly obstacle: () => string | null;
}

export class Lag {
  #stillRounds = 0;
  #decidedUpTo: Slot = 0;
  #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Once a heartbeat interval. */
  onRound(): void {
    const { log } = this.#parts;
    const isStill = log.decidedUpTo === this.#decidedUpTo && log.decidedUpTo < this.#credibleUpTo;
    this.#stillRounds = isStill ? this.#stillRounds + 1 : 0;
    this.#decidedUpTo = log.decidedUpTo;
  }

  get #credibleUpTo(): Slot {
    return this.#parts.peers.credibleUpTo(this.#parts.election.leader);
  }

  /** null while this node keeps up. */
  text(): string | null {
    const { out, log, peers, membership, obstacle } = this.#parts;
    const { configId, self } = membership;
    if (membership.isRemoved) return `member ${self} is not in the cluster any more, as of configuration ${configId}`;
    const waitsFor = obstacle();
    if (waitsFor !== null) return waitsFor;
    const missing = this.#credibleUpTo - log.decidedUpTo;
    if (this.#stillRounds >= ROUNDS_TO_BE_BEHIND && missing > 0) {
      const lacking = `${missing} decided slots are missing from slot ${log.decidedUpTo + 1} on`;
      const source = peers.mostDecided(out.nowMs);
      const asked = source === undefined || source.decidedUpTo <= log.decidedUpTo ? null : source.member;
      const why = asked === null ? 'no peer that has them answers' : `${membership.nameOf(asked)} was asked for them`;
      return `${lacking}: ${why}`;
    }
    if (membership.roleOf(self) !== null) return null;
    return `member ${self} is not in the cluster yet, as far as configuration ${configId} tells`;
  }
}
