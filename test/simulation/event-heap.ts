/** What happens next in virtual time; events of one moment happen in the order in which they were scheduled. */
interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class EventHeap {
  #events: Event[] = [];
  #scheduled = 0;

  schedule(atMs: number, run: () => void): void {
    const events = this.#events;
    const event = { atMs, order: this.#scheduled++, run };
    let at = events.length;
    events.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, events[parent] as Event)) break;
      events[at] = events[parent] as Event;
      at = parent;
    }
    events[at] = event;
  }

  /** Removes and returns the earliest event; undefined when there is none. */
  pop(): Event | undefined {
    const events = this.#events;
    const earliest = events[0];
    const moved = events.pop();
    if (moved === undefined || earliest === moved) return earliest;
    let at = 0;
    for (let child = 1; child < events.length; child = 2 * at + 1) {
      if (child + 1 < events.length && isBefore(events[child + 1] as Event, events[child] as Event)) child += 1;
      if (!isBefore(events[child] as Event, moved)) break;
      events[at] = events[child] as Event;
      at = child;
    }
    events[at] = moved;
    return earliest;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
