/** The newest events of one cluster, followed while a screen shows them; newest first. */
import { useEffect, useState } from 'react';
import type { TimelineEvent } from '../../electron/contract/model.ts';
import { follow } from './follow.ts';

const none: readonly TimelineEvent[] = [];

/** `limit`: 1 to 500. */
export function useEvents(clusterId: string, limit: number): readonly TimelineEvent[] {
  const [known, setKnown] = useState({ clusterId, events: none });
  useEffect(
    () =>
      follow({
        open: (client, signal) => client.events.watch({ clusterId, limit }, { signal }),
        onValue: (batch) =>
          setKnown((before) => ({
            clusterId,
            events: addEvents(before.clusterId === clusterId ? before.events : none, batch, limit),
          })),
        whenItEnds: 'reopen',
      }),
    [clusterId, limit],
  );
  return known.clusterId === clusterId ? known.events : none;
}

/** Pure: newest first, each once (a subscription that was opened again repeats some), at most `limit`. */
export function addEvents(
  before: readonly TimelineEvent[],
  batch: readonly TimelineEvent[],
  limit: number,
): readonly TimelineEvent[] {
  const byId = new Map([...before, ...batch].map((event) => [event.eventId, event]));
  return [...byId.values()].sort((a, b) => b.atUnixMs - a.atUnixMs || b.eventId - a.eventId).slice(0, limit);
}
