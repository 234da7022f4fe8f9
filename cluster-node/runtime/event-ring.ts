import type { NodeEvent } from '../contract/admin.ts';

const KEPT_EVENTS = 500;

/** The last events of this node's life, for whoever asks on the admin socket. */
export class EventRing {
  #events: NodeEvent[] = [];
  #nextSequence = 1;

  add(event: Omit<NodeEvent, 'sequence' | 'atUnixMs'>): NodeEvent {
    const full: NodeEvent = { sequence: this.#nextSequence++, atUnixMs: Date.now(), ...event };
    this.#events.push(full);
    if (this.#events.length > KEPT_EVENTS * 2) this.#events = this.#events.slice(-KEPT_EVENTS);
    return full;
  }

  /** Oldest first, at most 500. */
  after(sequence: number): NodeEvent[] {
    return this.#events.slice(-KEPT_EVENTS).filter((event) => event.sequence > sequence);
  }
}
