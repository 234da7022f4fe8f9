/** The timeline as a subscription: the last events, then each new one. */
import type { TimelineEvent } from '../../contract/model.ts';
import type { FleetStore } from './store.ts';

/** A reader this far behind gets the newest ones only. */
const MAX_WAITING = 1000;

export interface TimelineRequest {
  /** null: of all clusters. */
  readonly clusterId: string | null;
  /** How many of the past come first. */
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
}

/** Batches, oldest first. */
export async function* watchTimeline(
  store: FleetStore,
  request: TimelineRequest,
): AsyncGenerator<TimelineEvent[], void, void> {
  const { clusterId, limit, signal } = request;
  const waiting: TimelineEvent[] = [];
  let wake: (() => void) | null = null;
  const poke = () => wake?.();
  const stop = store.onEvent((event) => {
    if (clusterId !== null && event.clusterId !== clusterId) return;
    waiting.push(event);
    if (waiting.length > MAX_WAITING) waiting.shift();
    poke();
  });
  signal?.addEventListener('abort', poke);
  try {
    yield limit === 0 ? [] : store.listEvents({ clusterId, beforeEventId: null, limit }).reverse();
    for (;;) {
      if (signal?.aborted) return;
      if (waiting.length > 0) yield waiting.splice(0);
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    stop();
    signal?.removeEventListener('abort', poke);
  }
}
