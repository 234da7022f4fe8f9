/**
 * A node that comes to a cluster that serves: put on its host, taken in as a learner, which counts for nothing, and made a voter once it
 * has caught up. A failure on the way costs the cluster nothing.
 */
import type { Configuration } from '../../../../cluster-node/contract/configuration.ts';
import type { StoredMember } from '../../fleet/records.ts';
import { follow, headNow, isLevel, memberOf } from '../../nodes/follow.ts';
import { FailureError } from '../../operations/failure.ts';
import { HostApply, hostStepsOf, stepName } from '../apply/host-apply.ts';
import { capture, WHOLE } from '../provisioning.ts';
import { reconfigure } from './reconfigure.ts';
import { clusterNow, type MembersWork, putMember, stopped } from './work.ts';

export const TAKE_IN = 'Take in as a learner';
export const CATCH_UP = 'Catch up';
export const PROMOTE = 'Make it a voter';

/** How long a learner may stand still before the operation gives up on it; while it gets on, it may take as long as it takes. */
const PROGRESS_WITHIN_MS = 60_000;

export function stepsOfJoining(host: { hostId: string; name: string }, place: 'home' | 'system') {
  const steps = hostStepsOf('present', place);
  return [
    ...steps.slice(0, -2).map((step) => stepName(host, step)),
    { ...WHOLE, step: TAKE_IN },
    ...steps.slice(-2).map((step) => stepName(host, step)),
    stepName(host, CATCH_UP),
  ];
}

/** Until it is a learner that has caught up. Throws FailureError, with how to go on. */
export async function join(work: MembersWork, member: StoredMember): Promise<StoredMember> {
  const { parts, claim } = work;
  const { clusterId } = work.cluster;
  const apply = await newcomer(work, member);
  await apply.check();
  putMember(work, member);
  await claim.take();
  try {
    await capture(parts, [apply]);
    const keys = parts.keysOf(clusterId);
    await keys.ensure();
    await apply.useKeys(await keys.ofNode(member));
    await apply.put();
    await takeIn(work, member);
    await apply.start();
    await apply.verify();
    await catchUp(work, member);
    return member;
  } catch (error) {
    throw stopped(error, {
      done: `${member.name} does not vote, so the cluster is as safe as before.`,
      goOn: 'Run this again: it goes on there; or take the node away with remove-node.',
    });
  }
}

async function newcomer(work: MembersWork, member: StoredMember): Promise<HostApply> {
  const { parts, claim, log } = work;
  const { store, planning } = parts;
  const cluster = clusterNow(work);
  const others = store.listMembers(cluster.clusterId).filter((one) => one.nodeId !== member.nodeId);
  // As it will be stored: whoever begins with the cluster stands in every configuration file.
  const founders = cluster.founders.length > 0 ? cluster.founders : others;
  const [wish] = await planning.wishes({ ...cluster, founders: [...founders] }, [member]);
  if (wish === undefined) throw new Error('one member gives one wish');
  return new HostApply(parts, wish, { run: claim.run, log, fence: claim.fence });
}

async function takeIn(work: MembersWork, member: StoredMember): Promise<void> {
  const { claim, parts, cluster } = work;
  const { run } = claim;
  await run.step({ ...WHOLE, step: TAKE_IN }, async () => {
    const { nodeId, name, address, peerPort, clientPort } = member;
    const now = await reconfigure(
      parts.nodes,
      { clusterId: cluster.clusterId, signal: run.signal },
      {
        isDone: (configuration) => memberIn(configuration, nodeId) !== undefined,
        change: { kind: 'addLearner', member: { nodeId, name, address, peerPort, clientPort } },
        failed: `${name} could not be taken in`,
      },
    );
    const memberSlot = memberIn(now, nodeId)?.memberSlot ?? member.memberSlot;
    if (memberSlot !== member.memberSlot) {
      putMember(work, { ...member, memberSlot });
      throw new FailureError({
        kind: 'changedMeanwhile',
        message: `Somebody else changed the members of ${cluster.name} meanwhile: ${name} is member ${memberSlot}, not ${member.memberSlot}.`,
        nextStep: 'See who (an etcd client can change members, too).',
      });
    }
    return { state: 'succeeded', detail: `configuration ${now.configId}` };
  });
}

export function memberIn({ members }: Configuration, nodeId: string) {
  return members.find((member) => member.nodeId === nodeId);
}

async function catchUp({ parts, claim: { run }, cluster }: MembersWork, member: StoredMember): Promise<void> {
  const { clusterId } = cluster;
  const { nodes, hosts } = parts;
  await run.step(stepName(hosts.get(member.hostId), CATCH_UP), async () => {
    const head = headNow(nodes.picture(clusterId));
    const wait = { clusterId, timeoutMs: PROGRESS_WITHIN_MS, signal: run.signal };
    for (let reached = -1; ; ) {
      const seen = await follow(nodes, wait, (now) => {
        const { sample } = memberOf(now, member.nodeId);
        if (isLevel(memberOf(now, member.nodeId), { head, exceptPid: null })) return 'level';
        return sample !== null && sample.decidedUpTo > reached ? sample.decidedUpTo : null;
      });
      if (seen === 'level') return { state: 'succeeded', detail: `decided up to ${head}` };
      if (seen === null) throw standsStill(memberOf(nodes.picture(clusterId), member.nodeId), { reached, head });
      reached = seen;
    }
  });
}

function standsStill({ name, sample, service }: ReturnType<typeof memberOf>, at: { reached: number; head: number }) {
  const why = sample?.behind ?? service?.reason ?? (sample === null ? 'it does not answer' : 'it does not say why');
  return new FailureError({
    kind: 'notLevel',
    host: name,
    message: `${name} has decided ${Math.max(0, at.reached)} of ${at.head} slots and stood still for ${PROGRESS_WITHIN_MS / 1000} s: ${why}.`,
    nextStep: `See the log of ${name}.`,
  });
}

/** Throws FailureError. */
export async function promote({ parts, claim: { run }, cluster }: MembersWork, member: StoredMember): Promise<void> {
  const { memberSlot, nodeId, name } = member;
  await run.step({ ...WHOLE, step: PROMOTE }, async () => {
    const { configId } = await reconfigure(
      parts.nodes,
      { clusterId: cluster.clusterId, signal: run.signal },
      {
        isDone: (now) => memberIn(now, nodeId)?.role === 'voter',
        change: { kind: 'promote', memberSlot },
        failed: `${name} could not be made a voter`,
      },
    );
    return { state: 'succeeded', detail: `configuration ${configId}` };
  });
}
