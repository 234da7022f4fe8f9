import { expect, test } from 'vitest';
import { firstConfiguration } from '../contract/configuration.ts';
import type { CoreEvent, CoreStatus, Input } from '../paxos/interface.ts';
import { exampleMember } from '../paxos/under-test/member-example.ts';
import { bestSuccessor, Handover } from './handover.ts';

function leading() {
  const listeners = new Set<(event: CoreEvent) => void>();
  const submitted: Input[] = [];
  let status = { role: 'leader', believedLeader: 1, transferTarget: 0 } as CoreStatus;
  const handover = new Handover({
    self: 1,
    status: () => status,
    submit: (input) => submitted.push(input),
    onEvent: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    nameOf: (member) => `node-${member}`,
  });
  const tell = (event: CoreEvent) => {
    for (const listener of listeners) listener(event);
  };
  const change = (part: Partial<CoreStatus>) => {
    status = { ...status, ...part };
  };
  return { handover, submitted, tell, change };
}

test('a second hand-over is refused and the first goes on to its end', async () => {
  const { handover, submitted, tell, change } = leading();
  const first = handover.to(2, 10_000);
  expect(handover.underWay).not.toBeNull();
  const refused = { outcome: 'failed', believedLeader: 1, reason: 'a hand-over to node-2 is under way' };
  expect(await handover.to(3, 10_000)).toEqual(refused);
  tell({ kind: 'transferFailed', target: 3, reason: 'of another one' });
  change({ believedLeader: 2, role: 'follower' });
  tell({ kind: 'leaderChanged', leader: 2, ballot: 1026 });
  expect(await first).toEqual({ outcome: 'transferred', believedLeader: 2, reason: 'node-2 leads' });
  expect(submitted).toEqual([{ kind: 'transfer', target: 2 }]);
  expect(handover.underWay).toBeNull();
});

test('a hand-over that the core still follows after its caller gave up refuses the next', async () => {
  const { handover, tell, change } = leading();
  expect(await handover.to(2, 1)).toMatchObject({ outcome: 'unknown' });
  change({ transferTarget: 2 });
  expect(await handover.to(3, 1)).toMatchObject({ outcome: 'failed', reason: 'a hand-over to node-2 is under way' });
  change({ transferTarget: 0 });
  const third = handover.to(3, 10_000);
  tell({ kind: 'transferFailed', target: 3, reason: 'the target is not connected' });
  expect(await third).toMatchObject({ outcome: 'failed', reason: 'the target is not connected' });
});

test('the best successor is the voter with the most of the log among those heard of lately', () => {
  const { members, ...rest } = firstConfiguration([1, 2, 3, 4].map(exampleMember));
  const learner = members.map((member) => (member.memberSlot === 4 ? { ...member, role: 'learner' as const } : member));
  const peer = (member: number, heardMsAgo: number | null, decidedUpTo: number) =>
    ({ member, heardMsAgo, roundTripMs: 1, isDiskFull: false, decidedUpTo }) as const;
  const status = (...peers: CoreStatus['peers']) =>
    ({ peers, configuration: { ...rest, members: learner } }) as CoreStatus;
  expect(bestSuccessor(status(peer(2, 10, 5), peer(3, 10, 7), peer(4, 10, 9)), 100)).toBe(3);
  expect(bestSuccessor(status(peer(2, null, 5), peer(3, 200, 7), peer(4, 10, 9)), 100)).toBeUndefined();
});
