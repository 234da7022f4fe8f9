import { expect, it } from 'vitest';
import type { TimelineEvent } from '../../electron/contract/model.ts';
import { addEvents } from './events.ts';

const event = (eventId: number, atUnixMs: number): TimelineEvent => ({
  eventId,
  atUnixMs,
  clusterId: null,
  hostId: null,
  nodeId: null,
  level: 'info',
  subject: 's',
  text: 't',
});

it('puts the newest first, each once, at most the limit', () => {
  const before = addEvents([], [event(1, 10), event(2, 20)], 3);
  const after = addEvents(before, [event(2, 20), event(3, 15), event(4, 20)], 3);
  expect(after.map((each) => each.eventId)).toEqual([4, 2, 3]);
});
