/** When a new cluster counts as having a quorum. */
import { expect, it } from 'vitest';
import { type MemberPicture, pictureOf } from '../../fleet/plan/picture.ts';
import { type Example, situationExample } from '../../fleet/plan/situation-example.ts';
import { Observations } from '../../telemetry/observations.ts';
import { waitForQuorum } from './serving.ts';

const clusterId = 'c-00000001';
const ended = AbortSignal.abort(new Error('the wait would go on'));
const stale = { ageMs: 4000 };

/** What it says at once; a wait that would go on is cut off. */
async function quorumOf(example: Example, including?: number): Promise<string> {
  const picture = pictureOf(situationExample(example));
  const member = picture.members.find((one: MemberPicture) => one.memberSlot === including);
  const observations = new Observations();
  observations.waitFor = async (probe) => probe();
  const port = { observations, picture: () => picture };
  const wanted = member ? { clusterId, including: { ...member, clusterId } } : { clusterId };
  const result = await waitForQuorum(port, wanted, ended).catch((error: Error) => ({ detail: error.message }));
  return result.detail ?? '';
}

it('has one when enough nodes follow one leader now', async () => {
  expect(await quorumOf({ voters: 3 })).toBe('node-1 leads');
  expect(await quorumOf({ voters: 3, change: { 3: stale } }, 2)).toBe('node-1 leads');
});

it('has none on claims of the past, nor without the node that was asked for', async () => {
  const most = await quorumOf({ voters: 3, change: { 2: stale, 3: stale } });
  expect(most).toContain('node-1 believes in node-1 and reaches 2 of 2 peers; node-2 does not answer');
  expect(await quorumOf({ voters: 3, change: { 3: stale } }, 3)).toContain('node-3 does not answer');
  const alone = { 2: { sample: { quorumConnected: false } }, 3: { sample: { quorumConnected: false } } };
  expect(await quorumOf({ voters: 3, change: alone })).toContain('did not agree on a leader');
});
