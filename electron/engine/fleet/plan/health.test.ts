import { describe, expect, it } from 'vitest';
import { isolate } from '../../faults/plan/partitions.ts';
import { healthOf } from './health.ts';
import { pictureOf } from './picture.ts';
import { type Change, type Example, situationExample } from './situation-example.ts';

const minority: Change = {
  sample: { quorumConnected: false, believedLeader: 4, leaderBallot: 4100, role: 'follower' },
};
const stopped: Change = { service: { state: 'stopped', pid: null }, sample: false };
const lost: Change = { ageMs: 60_000 };

const table: [string, Example, string, string, string][] = [
  ['all well', { voters: 3 }, 'ok', 'Writes are going on.', '3 of 3 nodes work, writes need 2; tolerates 1.'],
  [
    'nobody writes',
    { voters: 3, change: { 1: { writesPerSecond: 0 }, 2: { writesPerSecond: 0 }, 3: { writesPerSecond: 0 } } },
    'ok',
    'Ready for writes.',
    '3 of 3 nodes work, writes need 2; tolerates 1.',
  ],
  [
    'two cut off by a fault',
    {
      voters: 5,
      partition: [
        [1, 2, 3],
        [4, 5],
      ],
      change: { 4: minority, 5: minority },
    },
    'warn',
    'Writes are going on.',
    '3 of 5 nodes work, writes need 3; tolerates 0 more. node-4 and node-5 are cut off by an injected fault.',
  ],
  [
    'one with an alarm',
    { voters: 3, change: { 2: { sample: { alarms: ['the disk is full; free some space'] } } } },
    'warn',
    'Writes are going on.',
    '3 of 3 nodes work, writes need 2; tolerates 1. node-2: the disk is full; free some space.',
  ],
  [
    'one stopped',
    { voters: 3, change: { 3: stopped } },
    'warn',
    'Writes are going on.',
    '2 of 3 nodes work, writes need 2; tolerates 0 more. node-3 is stopped.',
  ],
  [
    'one host lost: unknown, never green',
    { voters: 3, change: { 3: lost } },
    'warn',
    'Writes are going on.',
    '2 of 3 nodes work, writes need 2; tolerates 0 more. node-3 is not heard of: unknown.',
  ],
  [
    'two stopped',
    { voters: 3, change: { 1: minority, 2: stopped, 3: stopped } },
    'bad',
    'Writes have stopped.',
    'Only 1 of 3 nodes works, writes need 2. node-1 waits for a quorum. node-2 and node-3 are stopped.',
  ],
  [
    'the network is down, though all run',
    { voters: 3, change: { 1: minority, 2: minority, 3: minority } },
    'bad',
    'Writes have stopped.',
    'None of 3 nodes works, writes need 2. node-1, node-2 and node-3 are cut off from the quorum.',
  ],
  [
    'one frozen',
    { voters: 3, change: { 2: { sample: false, answeredPid: 102 } } },
    'warn',
    'Writes are going on.',
    '2 of 3 nodes work, writes need 2; tolerates 0 more. node-2 runs but does not answer.',
  ],
  [
    'all apart by a fault',
    { voters: 3, partition: [[1], [2], [3]], change: { 1: minority, 2: minority, 3: minority } },
    'bad',
    'Writes have stopped.',
    'Only 1 of 3 nodes works, writes need 2. node-1, node-2 and node-3 are cut off by an injected fault.',
  ],
  [
    'two hosts lost',
    { voters: 3, change: { 2: lost, 3: lost } },
    'unknown',
    'Whether writes go on is not known.',
    'Only 1 of 3 nodes works, writes need 2. node-2 and node-3 are not heard of: unknown.',
  ],
  [
    'all lost',
    { voters: 3, change: { 1: lost, 2: lost, 3: { never: true } } },
    'unknown',
    'Nothing is known at this moment.',
    'None of its 3 hosts has reported within the last seconds.',
  ],
  [
    'no leader yet',
    {
      voters: 3,
      change: {
        1: { sample: { believedLeader: 0, role: 'candidate' } },
        2: { sample: { believedLeader: 0 } },
        3: { sample: { believedLeader: 0 } },
      },
    },
    'bad',
    'Writes wait: no leader is agreed on.',
    '3 of 3 nodes work, writes need 2; tolerates 1.',
  ],
  [
    'failed with its reason',
    {
      voters: 3,
      change: { 2: { service: { state: 'failed', pid: null, reason: 'the disk is full.' }, sample: false } },
    },
    'warn',
    'Writes are going on.',
    '2 of 3 nodes work, writes need 2; tolerates 0 more. node-2 has failed: the disk is full.',
  ],
  [
    'started again and again with its reason',
    {
      voters: 3,
      change: { 2: { service: { state: 'restarting', pid: null, reason: 'it has failed 6 times.' }, sample: false } },
    },
    'warn',
    'Writes are going on.',
    '2 of 3 nodes work, writes need 2; tolerates 0 more. node-2 is being started again: it has failed 6 times.',
  ],
];

describe('is it fine?', () => {
  it.each(table)('%s', (...[, example, level, headline, detail]) => {
    expect(healthOf(pictureOf(situationExample(example)))).toEqual({ level, headline, detail });
  });

  it('is not green while a fault is active, though all work', () => {
    const situation = situationExample({ voters: 3 });
    const fault = { ...situationExample({ voters: 3, partition: [[1], [2]] }).faults[0]!, links: isolate(3, [2]) };
    expect(healthOf(pictureOf({ ...situation, faults: [fault] }))).toMatchObject({ level: 'warn' });
  });
});
