/** What every change of members works with, and the two kinds of failure that they share. */
import type { Picture } from '../../fleet/plan/picture.ts';
import type { StoredCluster, StoredMember } from '../../fleet/records.ts';
import { FailureError, failureOf } from '../../operations/failure.ts';
import type { CommandLog } from '../apply/command-log.ts';
import { verifyServing, waitForQuorum } from '../apply/serving.ts';
import { type ProvisioningParts, WHOLE } from '../provisioning.ts';
import type { Claim } from '../shared/claim.ts';

export interface MembersWork {
  readonly parts: ProvisioningParts;
  readonly cluster: StoredCluster;
  /** Taken before the first change. */
  readonly claim: Claim;
  readonly log: CommandLog;
}

export function addressOf(member: StoredMember) {
  const { memberSlot, nodeId, name, address, peerPort, clientPort } = member;
  return { memberSlot, nodeId, name, address, peerPort, clientPort };
}

/** The member, and from now on the cluster's founders with it: whoever comes or goes, configuration files name those who began. */
export function putMember({ parts: { store }, cluster }: MembersWork, member: StoredMember): void {
  const { clusterId } = cluster;
  store.transaction(() => {
    const now = store.getCluster(clusterId);
    if (now !== null && now.founders.length === 0)
      store.putCluster({ ...now, founders: store.listMembers(clusterId).map(addressOf) });
    store.putMember(member);
  });
}

/** The cluster as the store has it now. */
export function clusterNow({ parts, cluster }: MembersWork): StoredCluster {
  return parts.store.getCluster(cluster.clusterId) ?? cluster;
}

/** A leader that a majority follows, and `including` with it; and a write that is read from every voter that works. Throws FailureError. */
export async function seeItServe(
  { parts, cluster, claim: { run } }: MembersWork,
  including?: Pick<StoredMember, 'memberSlot'>,
): Promise<void> {
  const { clusterId } = cluster;
  const wanted = including === undefined ? { clusterId } : { clusterId, including };
  await run.step({ ...WHOLE, step: 'Quorum' }, () => waitForQuorum(parts.nodes, wanted, run.signal));
  await run.step({ ...WHOLE, step: 'Write and read' }, () => {
    const { working } = parts.nodes.picture(clusterId);
    const members = parts.store.listMembers(clusterId).filter((member) => working.includes(member.memberSlot));
    return verifyServing(members, parts.keysOf(clusterId).access(), run.signal);
  });
}

export function leads(picture: Picture, member: StoredMember): boolean {
  return picture.leader?.memberSlot === member.memberSlot;
}

/** The failure, with what was done until then and how to go on. */
export function stopped(error: unknown, at: { done: string; goOn: string }): unknown {
  if (error instanceof DOMException && error.name === 'AbortError') return error;
  const failure = failureOf(error);
  return new FailureError(
    { ...failure, message: `${failure.message} ${at.done}`, nextStep: `${failure.nextStep} ${at.goOn}` },
    { cause: error },
  );
}
