/** What one node keeps is bounded by its options, whatever happens to it: looked up every now and then. */
import type { Ballot } from '../../cluster-node/contract/ballot.ts';
import type { CoreStatus } from '../../cluster-node/paxos/interface.ts';
import { Violation } from './violation.ts';

/** Messages that wait for a disk that stands still for seconds: a few for each heartbeat and each batch that came. */
const MAX_HELD_MESSAGES = 5000;

export class Bounds {
  #ballot: Ballot = 0;
  #undecidedSlots = 0;

  check(status: CoreStatus, held: number, maxUndecidedSlots: number): void {
    const { role, promised, undecidedSlots, pendingRequests } = status;
    // Writes and reads are counted apart.
    if (pendingRequests > 2 * maxUndecidedSlots)
      throw new Violation('bounded queues', `${pendingRequests} requests wait`);
    if (held > MAX_HELD_MESSAGES) throw new Violation('bounded queues', `${held} messages wait for the disk`);
    if (role !== 'leader') return;
    // It must take over what others left, and a stop entry comes on top; but it takes in nothing more until that is decided.
    const isFirst = promised !== this.#ballot;
    if (!isFirst && undecidedSlots > Math.max(maxUndecidedSlots + 1, this.#undecidedSlots))
      throw new Violation(
        'bounded queues',
        `${undecidedSlots} slots are undecided, ${this.#undecidedSlots} were before`,
      );
    this.#ballot = promised;
    this.#undecidedSlots = undecidedSlots;
  }
}
