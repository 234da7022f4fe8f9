/** What happens to this node, in words: one line in its log each, kept for whoever asks, and told to whoever listens. */
import type { Logger } from 'pino';
import type { NodeEvent } from '../contract/admin.ts';
import type { MemberSlot } from '../contract/ballot.ts';
import type { CoreEvent } from '../paxos/interface.ts';
import { EventRing } from './event-ring.ts';
import { nodeEventOf } from './event-text.ts';

export class Journal {
  readonly #events = new EventRing();
  readonly #listeners = new Set<(event: CoreEvent) => void>();
  readonly #logger: Logger;
  readonly #nameOf: (member: MemberSlot) => string;

  constructor(options: { readonly logger: Logger; readonly nameOf: (member: MemberSlot) => string }) {
    this.#logger = options.logger;
    this.#nameOf = options.nameOf;
  }

  record(event: Pick<NodeEvent, 'kind' | 'text'> & Partial<Pick<NodeEvent, 'ballot' | 'memberSlot'>>): void {
    const { sequence, kind, ballot, memberSlot, text } = this.#events.add({ ballot: null, memberSlot: null, ...event });
    this.#logger.info({ event: kind, sequence, ballot, memberSlot }, text);
  }

  /** A protocol event. */
  onCoreEvent(event: CoreEvent): void {
    this.record(nodeEventOf(event, this.#nameOf));
    for (const listener of this.#listeners) listener(event);
  }

  /** Calls back at every protocol event until the returned function is called. */
  listen(listener: (event: CoreEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Oldest first, at most 500. */
  after(sequence: number): NodeEvent[] {
    return this.#events.after(sequence);
  }
}
