/**
 * Handing leadership over. The leader itself does it: it stops proposing, brings the target up to date and lets it start a
 * higher ballot. The operation is done when most nodes believe in the target; whatever else happened is said as it is.
 */
import { formatBallot } from '../../../cluster-node/contract/ballot.ts';
import { isOutcomeUnknown } from '../agents/agent-error.ts';
import type { Picture } from '../fleet/plan/picture.ts';
import { FailureError } from '../operations/failure.ts';
import type { OperationBody, OperationRun } from '../operations/operations.ts';
import { follow, leaderChangeAfter, memberOf } from './follow.ts';
import type { NodePort } from './node-port.ts';

const TRANSFER_TIMEOUT_MS = 5000;
const MAX_ATTEMPTS = 3;
const BELIEVED_WITHIN_MS = 10_000;
const HAND_OVER = 'Hand over';
const CONFIRM = { hostId: null, host: null, step: 'See most nodes follow' };

export async function runFailover(
  port: NodePort,
  run: OperationRun,
  at: { clusterId: string; target: string },
): Promise<Awaited<ReturnType<OperationBody>>> {
  const before = port.picture(at.clusterId);
  const target = memberOf(before, at.target);
  const leader = before.members.find((member) => member.memberSlot === before.leader?.memberSlot);
  if (!leader) throw noLeader(before);
  const host = before.situation.hosts.get(leader.hostId)?.name ?? leader.hostId;
  const handOver = { hostId: leader.hostId, host, step: HAND_OVER };
  run.announce([handOver, CONFIRM]);
  const began = port.clock();
  let tookMs: number | null = null;
  await run.step(handOver, async () => {
    const transferred = await transfer(port, { leader, targetSlot: target.memberSlot, host });
    if (!transferred) return { state: 'unknown', detail: 'no answer in time; what most nodes believe decides' };
    tookMs = port.clock() - began;
    return { state: 'succeeded', detail: `answered after ${tookMs.toFixed(0)} ms` };
  });
  const ballot = await confirm(port, run, { ...at, ballotBefore: before.leader?.ballot ?? 0 });
  const since = { clusterId: at.clusterId, sinceUnixMs: began - 1, signal: run.signal };
  const gapMs = (await leaderChangeAfter(port, since))?.gapMs ?? null;
  const measured =
    gapMs !== null ? `; nobody led for ${gapMs} ms` : tookMs !== null ? ` within ${Math.ceil(tookMs)} ms` : '';
  return `${leader.name} handed leadership to ${target.name}, ballot ${formatBallot(ballot)}${measured}.`;
}

function noLeader(picture: Picture): FailureError {
  return new FailureError({
    kind: 'refused',
    message: `No leader of ${picture.situation.cluster.name} is agreed on, so there is nobody who could hand over.`,
    nextStep: 'Wait for a leader; if none comes, look at which nodes reach a quorum.',
  });
}

/** True: the leader says that it is done; false: nobody knows. Throws FailureError when it certainly did not happen. */
async function transfer(
  port: NodePort,
  at: { leader: { nodeId: string; hostId: string; name: string }; targetSlot: number; host: string },
): Promise<boolean> {
  const { nodeId, hostId, name } = at.leader;
  const ask = () =>
    port.agents.call(hostId, 'transferLeadership', { nodeId, target: at.targetSlot, timeoutMs: TRANSFER_TIMEOUT_MS });
  try {
    let answer = await ask();
    // The leader gives up after one election timeout and goes on: a target that was busy then may be ready now.
    for (let attempt = 2; answer.outcome === 'failed' && attempt <= MAX_ATTEMPTS; attempt += 1) answer = await ask();
    if (answer.outcome === 'transferred') return true;
    if (answer.outcome === 'unknown') return false;
    throw new FailureError({
      kind: answer.outcome === 'notLeader' ? 'notLeader' : 'transferFailed',
      host: at.host,
      command: `synod-node agent: transferLeadership ${nodeId}`,
      message:
        answer.outcome === 'notLeader'
          ? `${name} does not lead any more: leadership moved in the meantime.`
          : `${name} could not hand over: ${answer.reason}`,
      nextStep: 'Look at who leads now and choose again.',
    });
  } catch (error) {
    if (isOutcomeUnknown(error)) return false;
    throw error;
  }
}

/** Waits until most nodes believe in the target under a higher ballot; returns that ballot. Throws FailureError. */
async function confirm(
  port: NodePort,
  run: OperationRun,
  at: { clusterId: string; target: string; ballotBefore: number },
): Promise<number> {
  let ballot = 0;
  await run.step(CONFIRM, async () => {
    const wait = { clusterId: at.clusterId, timeoutMs: BELIEVED_WITHIN_MS, signal: run.signal };
    const found = await follow(port, wait, (picture) =>
      picture.leader && picture.leader.ballot > at.ballotBefore ? { picture, leader: picture.leader } : null,
    );
    const picture = found?.picture ?? port.picture(at.clusterId);
    const target = memberOf(picture, at.target);
    if (found?.leader.memberSlot !== target.memberSlot) throw elsewhere(picture, target.name);
    ballot = found.leader.ballot;
    return {
      state: 'succeeded',
      detail: `${found.leader.believedBy} of ${found.leader.asked} nodes follow ${target.name}`,
    };
  });
  return ballot;
}

function elsewhere(picture: Picture, wanted: string): FailureError {
  const leader = picture.members.find((member) => member.memberSlot === picture.leader?.memberSlot);
  return new FailureError({
    kind: 'transferFailed',
    message: leader
      ? `${leader.name} leads under ballot ${formatBallot(picture.leader?.ballot ?? 0)}, not ${wanted}.`
      : `Nobody is agreed to lead ${BELIEVED_WITHIN_MS / 1000} s after the hand-over to ${wanted}.`,
    nextStep: leader ? 'Choose again if it should lead nevertheless.' : 'Look at which nodes reach a quorum.',
  });
}
