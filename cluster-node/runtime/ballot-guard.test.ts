import { expect, it } from 'vitest';
import { ballotOf } from '../contract/ballot.ts';
import type { PeerMessage } from '../contract/peer.ts';
import { BallotGuard } from './ballot-guard.ts';

const prepare = (ballot: number): PeerMessage => ({
  kind: 'prepare',
  ballot,
  configId: 1,
  fromSlot: 1,
  leaseReleased: 0,
});

it('lets ballots rise as elections go, and no further', () => {
  const guard = new BallotGuard(ballotOf(7, 2));
  expect(guard.flawOf(prepare(ballotOf(8, 1)))).toBeNull();
  expect(guard.flawOf(prepare(ballotOf(1_000_000, 3)))).toBeNull();
  expect(guard.flawOf(prepare(Number.MAX_SAFE_INTEGER))).toMatch(/absurdly far above 1000000\.3/);
  expect(guard.flawOf({ kind: 'nack', ballot: 1, promised: 2 ** 52, configId: 1 })).toMatch(/absurdly/);
  // What was dropped does not count.
  expect(guard.flawOf(prepare(Number.MAX_SAFE_INTEGER))).toMatch(/absurdly/);
  expect(guard.flawOf(prepare(ballotOf(1_000_001, 1)))).toBeNull();
});
