/** A node that goes: out of the configuration first, so that the cluster does not count on it any more, and then off its host. */
import type { Picture } from '../../fleet/plan/picture.ts';
import type { StoredMember } from '../../fleet/records.ts';
import { runFailover } from '../../nodes/failover.ts';
import { follow } from '../../nodes/follow.ts';
import { FailureError, failureOf } from '../../operations/failure.ts';
import { HostApply, hostStepsOf, stepName } from '../apply/host-apply.ts';
import { goneWish, prove, WHOLE } from '../provisioning.ts';
import { memberIn } from './join.ts';
import { reconfigure } from './reconfigure.ts';
import { clusterNow, leads, type MembersWork, putMember } from './work.ts';

const HAND_OVERS = 10;
const SETTLED_WITHIN_MS = 5000;

export const REMOVE = 'Remove from the cluster';

export function stepsOfCleaning(host: { hostId: string; name: string }, place: 'home' | 'system') {
  return hostStepsOf('gone', place).map((step) => stepName(host, step));
}

/** Hands leadership over where it leads. Throws FailureError; then it is a member as before. */
export async function leave(work: MembersWork, member: StoredMember): Promise<void> {
  const { parts, claim, cluster } = work;
  const { run } = claim;
  const { clusterId } = cluster;
  const { memberSlot, nodeId, name } = member;
  await handOver(work, member);
  await run.step({ ...WHOLE, step: REMOVE }, async () => {
    const { configId } = await reconfigure(
      parts.nodes,
      { clusterId, signal: run.signal },
      {
        isDone: (now) => memberIn(now, nodeId) === undefined,
        change: { kind: 'remove', memberSlot },
        failed: `${name} could not be removed`,
      },
    );
    putMember(work, { ...member, isLeaving: true });
    return { state: 'succeeded', detail: `configuration ${configId}` };
  });
}

/** Leadership may move by itself meanwhile, and come back: then it is handed over again. */
export async function handOver({ parts, claim: { run }, cluster }: MembersWork, member: StoredMember): Promise<void> {
  const { clusterId } = cluster;
  for (let tries = 1; leads(parts.nodes.picture(clusterId), member); tries++) {
    const before = parts.nodes.picture(clusterId);
    try {
      await runFailover(parts.nodes, run, { clusterId, target: heirOf(before, member) });
      return;
    } catch (error) {
      const hasMoved = error instanceof FailureError && ['notLeader', 'transferFailed'].includes(error.failure.kind);
      if (!hasMoved || tries === HAND_OVERS) throw error;
      const wait = { clusterId, timeoutMs: SETTLED_WITHIN_MS, signal: run.signal };
      await follow(parts.nodes, wait, (now) =>
        now.leader !== null && now.leader.ballot !== before.leader?.ballot ? now : null,
      );
    }
  }
}

function heirOf(picture: Picture, member: StoredMember): string {
  const others = picture.members.filter(
    ({ memberSlot }) => memberSlot !== member.memberSlot && picture.working.includes(memberSlot),
  );
  const [heir] = others.toSorted((a, b) => (b.sample?.decidedUpTo ?? 0) - (a.sample?.decidedUpTo ?? 0));
  if (heir) return heir.nodeId;
  throw new FailureError({
    kind: 'noHeir',
    message: `${member.name} leads, and no other node can take over now. Nothing was changed.`,
    nextStep: 'Bring back another node, then run this again.',
  });
}

/** Returns the proof, in a sentence; "" where there is none. Throws FailureError `notCleaned`. */
export async function clean(work: MembersWork, member: StoredMember): Promise<string> {
  const { parts, claim, log, cluster } = work;
  const wish = goneWish(parts, clusterNow(work), member);
  const apply = new HostApply(parts, wish, { run: claim.run, log, fence: claim.fenceOfLeaving });
  try {
    await apply.check();
    await apply.remove();
    await apply.verify();
    const proof = await prove(parts, apply);
    parts.store.removeMember(member.nodeId);
    return proof === null ? '' : ` ${proof}`;
  } catch (error) {
    if (claim.run.signal.aborted) throw error;
    const failure = failureOf(error);
    throw new FailureError(
      {
        ...failure,
        kind: 'notCleaned',
        message: `${member.name} is out of ${cluster.name}, and ${wish.host.name} is not cleaned: ${failure.message}`,
        nextStep: `${failure.nextStep} Then run \`synod cluster remove-node ${cluster.name} ${member.name}\`: it goes on with the host.`,
      },
      { cause: error },
    );
  }
}
