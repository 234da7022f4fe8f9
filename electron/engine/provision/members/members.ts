/**
 * Members that come, go, replace others or move to another disk, one at a time and while the cluster serves. What is wanted is in the
 * store before a host is touched, and every step asks first whether it was done: the same change, asked for again, goes on.
 */
import { memberAddressSchema } from '../../../../cluster-node/contract/node-config.ts';
import type { MembersChange, MembersPreview } from '../../../contract/members.ts';
import type { Operation } from '../../../contract/model.ts';
import type { Picture } from '../../fleet/plan/picture.ts';
import { newId } from '../../fleet/ids.ts';
import { counted } from '../../fleet/plan/wording.ts';
import type { StoredCluster, StoredMember } from '../../fleet/records.ts';
import { follow } from '../../nodes/follow.ts';
import { FailureError, failureOf } from '../../operations/failure.ts';
import type { Operations } from '../../operations/operations.ts';
import type { Audit } from '../audit.ts';
import { isSamePlace, planCluster } from '../plan/cluster-plan.ts';
import { plannedHost } from '../planned-host.ts';
import { refusedBy } from '../planning.ts';
import { type ProvisioningParts, WHOLE } from '../provisioning.ts';
import type { SharedTruth } from '../shared/shared-truth.ts';
import { join, memberIn, PROMOTE, promote, stepsOfJoining } from './join.ts';
import { clean, leave, REMOVE, stepsOfCleaning } from './leave.ts';
import { moveData, stepsOfMoving } from './move.ts';
import { previewOf } from './preview.ts';
import { configurationNow } from './reconfigure.ts';
import { type MembersWork, seeItServe } from './work.ts';

export interface MembersParts {
  readonly provisioning: ProvisioningParts;
  readonly operations: Operations;
  readonly audit: Audit;
  readonly shared: SharedTruth;
  /** Throws FailureError `notFound`. */
  readonly clusterOf: (clusterId: string) => StoredCluster;
  /** Throws FailureError `noAuthorityKey`. */
  readonly refuseWithoutKey: (cluster: StoredCluster) => Promise<void>;
}

export interface ChangeRequest {
  readonly change: MembersChange;
  /** Also where writes stop on the way. */
  readonly acceptOutage: boolean;
  readonly why: string | null;
}

/** How long nodes are waited for that were never heard of, as none is when the engine has only just begun. */
const HEARD_WITHIN_MS = 5000;

type Coming = Extract<MembersChange, { hostId: string }>;

export class Members {
  readonly #parts: MembersParts;

  constructor(parts: MembersParts) {
    this.#parts = parts;
  }

  /** Throws FailureError `notFound`. */
  async preview(change: MembersChange): Promise<MembersPreview> {
    const { hosts, nodes } = this.#parts.provisioning;
    const cluster = this.#parts.clusterOf(change.clusterId);
    const member = 'nodeId' in change ? this.#memberOf(cluster, change.nodeId) : null;
    const unfit = 'hostId' in change ? await this.#unfit(cluster, change) : [];
    const wait = { clusterId: cluster.clusterId, timeoutMs: HEARD_WITHIN_MS, signal: new AbortController().signal };
    await follow(nodes, wait, ({ members }) => (members.every((one) => one.observation !== null) ? members : null));
    const busy = this.#parts.operations.runningOn(cluster.clusterId);
    return previewOf({
      change,
      picture: nodes.picture(cluster.clusterId),
      member,
      hosts: {
        coming: 'hostId' in change ? hosts.get(change.hostId).name : null,
        present: member && hosts.get(member.hostId).name,
      },
      unfit: [
        ...(busy ? [`"${busy.title}" is still running; wait for its end.`] : []),
        ...unfit,
        ...this.#moved(change, member),
      ],
    });
  }

  /** Throws FailureError `refused` with every reason, `notAgreed`, `notFound`, `noAuthorityKey`. */
  async begin({ change, acceptOutage, why }: ChangeRequest): Promise<Operation> {
    const { operations, audit, shared, provisioning } = this.#parts;
    const cluster = this.#parts.clusterOf(change.clusterId);
    const { title, refusals, stopsWrites, warnings } = await this.preview(change);
    if (refusals.length > 0) throw refusedBy(refusals);
    if (stopsWrites && !acceptOutage) throw notAgreed(warnings);
    if (change.kind !== 'move') await this.#parts.refuseWithoutKey(cluster);
    const kind = 'membersChange';
    const { clusterId } = cluster;
    const nodeId = 'nodeId' in change ? change.nodeId : null;
    return operations.begin({ kind, title, clusterId, nodeId }, (run) => {
      const about = { operationId: run.operationId, kind, title, cluster: cluster.name, why, plan: null };
      return audit.of(about, (log) =>
        shared.during({ ...about, cluster, needs: 'majority' }, { run, log }, async (claim) => {
          await claim.look();
          return this.#carryOut({ parts: provisioning, cluster, claim, log }, change);
        }),
      );
    });
  }

  #carryOut(work: MembersWork, change: MembersChange): Promise<string> {
    switch (change.kind) {
      case 'add':
        return this.#add(work, change);
      case 'remove':
        return this.#remove(work, change.nodeId);
      case 'replace':
        return this.#replace(work, change);
      case 'move':
        return this.#move(work, change);
    }
  }

  async #add(work: MembersWork, change: Coming): Promise<string> {
    const { claim, cluster } = work;
    const host = work.parts.hosts.get(change.hostId);
    claim.run.announce([...stepsOfJoining(host, cluster.place), { ...WHOLE, step: PROMOTE }, ...seen]);
    const member = await join(work, await this.#newcomer(work, change));
    await promote(work, member);
    await seeItServe(work, member);
    return `${member.name} on ${host.name} votes. ${await sayTolerance(work)}`;
  }

  async #remove(work: MembersWork, nodeId: string): Promise<string> {
    const { claim, cluster, parts } = work;
    const member = this.#memberOf(cluster, nodeId);
    const host = parts.hosts.get(member.hostId);
    claim.run.announce([{ ...WHOLE, step: REMOVE }, ...seen, ...stepsOfCleaning(host, cluster.place)]);
    await claim.take();
    await leave(work, member);
    await seeItServe(work);
    const proof = await clean(work, { ...member, isLeaving: true });
    return `${member.name} is out of ${cluster.name} and gone from ${host.name}.${proof} ${await sayTolerance(work)}`;
  }

  async #replace(work: MembersWork, change: Extract<Coming, { kind: 'replace' }>): Promise<string> {
    const { claim, cluster, parts } = work;
    const leaving = this.#memberOf(cluster, change.nodeId);
    const [host, left] = [parts.hosts.get(change.hostId), parts.hosts.get(leaving.hostId)];
    claim.run.announce([
      ...stepsOfJoining(host, cluster.place),
      { ...WHOLE, step: REMOVE },
      { ...WHOLE, step: PROMOTE },
      ...seen,
      ...stepsOfCleaning(left, cluster.place),
    ]);
    const member = await join(work, await this.#newcomer(work, change));
    await leave(work, leaving);
    await promote(work, member);
    await seeItServe(work, member);
    const outcome = `${member.name} on ${host.name} votes in place of ${leaving.name}. ${await sayTolerance(work)}`;
    return `${outcome} ${await this.#cleanIfReached(work, { ...leaving, isLeaving: true })}`;
  }

  /** The host of the one that was replaced may well be dead: that is said, and no failure. */
  async #cleanIfReached(work: MembersWork, member: StoredMember): Promise<string> {
    const { name } = work.parts.hosts.get(member.hostId);
    try {
      return `${member.name} is gone from ${name}.${await clean(work, member)}`;
    } catch (error) {
      if (work.claim.run.signal.aborted) throw error;
      const { message, nextStep } = failureOf(error);
      return `${message} ${nextStep}`;
    }
  }

  async #move(work: MembersWork, change: Extract<MembersChange, { kind: 'move' }>): Promise<string> {
    const member = this.#memberOf(work.cluster, change.nodeId);
    const host = work.parts.hosts.get(member.hostId);
    work.claim.run.announce([...stepsOfMoving(host, work.cluster.place), ...seen]);
    const where = await moveData(work, member, change.dataFolder);
    return `${member.name} on ${host.name} is level on ${where}; the old copy is deleted.`;
  }

  /** A node that is there already, of a change that was interrupted, or one that is still to be made. */
  async #newcomer(work: MembersWork, change: Coming): Promise<StoredMember> {
    const { parts, cluster, claim } = work;
    const { clusterId } = cluster;
    const at = { clusterId, signal: claim.run.signal };
    const configuration = await configurationNow(parts.nodes, at);
    const present = this.#onHost(clusterId, change.hostId);
    if (present !== null) {
      if (memberIn(configuration, present.nodeId)) return present;
      if (present.memberSlot < configuration.nextMemberSlot) throw wasRemoved(cluster, present);
      return present;
    }
    const planned = await plannedHost(parts, change.hostId, this.#portsOf(clusterId, change));
    const memberSlot = configuration.nextMemberSlot;
    const contacts = configuration.members.map((member) => memberAddressSchema.parse(member));
    return {
      clusterId,
      hostId: change.hostId,
      nodeId: newId('n'),
      memberSlot,
      name: `node-${memberSlot}`,
      address: planned.view.address,
      peerPort: planned.peerPort,
      clientPort: planned.clientPort,
      dataFolder: change.dataFolder,
      joined: { contacts },
      isLeaving: false,
      moving: null,
    };
  }

  /** What the others have, where they agree. */
  #portsOf(clusterId: string, { peerPort, clientPort }: Coming) {
    const members = this.#parts.provisioning.store.listMembers(clusterId);
    const common = (port: 'peerPort' | 'clientPort') => {
      const [first] = members;
      return first !== undefined && members.every((member) => member[port] === first[port]) ? first[port] : null;
    };
    return { peerPort: peerPort ?? common('peerPort'), clientPort: clientPort ?? common('clientPort') };
  }

  async #unfit(cluster: StoredCluster, change: Coming): Promise<string[]> {
    const { provisioning } = this.#parts;
    const { hosts, store, resources } = { ...provisioning, resources: provisioning.planning.resources };
    const { clusterId } = cluster;
    const host = hosts.get(change.hostId);
    const present = this.#onHost(clusterId, change.hostId);
    if (present?.isLeaving)
      return [`${host.name} still carries ${present.name}, which was removed: take it away first with remove-node.`];
    if (change.kind === 'replace' && present?.nodeId === change.nodeId)
      return [`${present.name} is on ${host.name} itself; name another host, or use move-node.`];
    // A change that was interrupted goes on.
    if (present !== null) return [];
    // What cannot be reached shows in the host's reachability, and is refused with that reason.
    await Promise.allSettled([hosts.gather(change.hostId)]);
    const planned = await plannedHost(provisioning, change.hostId, this.#portsOf(clusterId, change));
    const { refusals } = planCluster({
      name: cluster.name,
      hosts: [planned],
      place: cluster.place,
      takenNames: [],
      runtimeVersion: resources.runtimeVersion,
      releaseVersion: resources.nodeBundleVersion,
    });
    const members = store.listMembers(clusterId);
    const others = await Promise.all(members.map((member) => plannedHost(provisioning, member.hostId, member)));
    const same = others.filter((other) => isSamePlace(other, planned));
    const elsewhere = provisioning.planning.otherPlace(change.hostId, cluster.place);
    return [
      ...refusals,
      ...elsewhere,
      ...same.map(
        ({ view }) =>
          `${host.name} and ${view.name} are the same machine and the same login: one failure would take both nodes.`,
      ),
    ];
  }

  /** A move that was begun ends where it was to go. */
  #moved(change: MembersChange, member: StoredMember | null): string[] {
    if (change.kind !== 'move' || member === null) return [];
    if (member.isLeaving) return [`${member.name} was removed from the cluster.`];
    const { moving, dataFolder, name } = member;
    const sayFolder = (folder: string | null) => folder ?? 'the place of its own';
    if (moving !== null && moving.to !== change.dataFolder)
      return [`The data of ${name} are half moved to ${sayFolder(moving.to)}: end that first, with that folder.`];
    return moving === null && dataFolder === change.dataFolder
      ? [`The data of ${name} are in ${sayFolder(dataFolder)} already.`]
      : [];
  }

  #onHost(clusterId: string, hostId: string): StoredMember | null {
    const { store } = this.#parts.provisioning;
    return store.listMembersOnHost(hostId).find((member) => member.clusterId === clusterId) ?? null;
  }

  /** Throws FailureError `notFound`. */
  #memberOf(cluster: StoredCluster, nodeId: string): StoredMember {
    const member = this.#parts.provisioning.store.getMember(nodeId);
    if (member?.clusterId === cluster.clusterId) return member;
    throw new FailureError({
      kind: 'notFound',
      message: `${cluster.name} has no node ${nodeId}.`,
      nextStep: 'List its nodes again; it may be gone already.',
    });
  }
}

const seen = [
  { ...WHOLE, step: 'Quorum' },
  { ...WHOLE, step: 'Write and read' },
];

/** Once all voters are heard to work, or as it is seen after a while. */
async function sayTolerance({ parts: { nodes }, cluster, claim }: MembersWork): Promise<string> {
  const wait = { clusterId: cluster.clusterId, timeoutMs: HEARD_WITHIN_MS, signal: claim.run.signal };
  const isWhole = (now: Picture) => (now.working.length === now.voters.length ? now : null);
  const { voters, working, quorumSize } = (await follow(nodes, wait, isWhole)) ?? nodes.picture(cluster.clusterId);
  const spare = Math.max(0, working.length - quorumSize);
  const failures = spare === 0 ? 'no failure' : counted(spare, 'failure');
  return `${cluster.name} has ${counted(voters.length, 'voter')}, and ${working.length} of them work: ${failures} can be tolerated.`;
}

function wasRemoved({ name }: StoredCluster, member: StoredMember): FailureError {
  return new FailureError({
    kind: 'wasRemoved',
    message: `${member.name} was a member of ${name} and was removed; what it voted for must not count again. Nothing was changed.`,
    nextStep: `Take it away first: synod cluster remove-node ${name} ${member.name}. Then add a new one.`,
  });
}

function notAgreed(warnings: readonly string[]): FailureError {
  return new FailureError({
    kind: 'notAgreed',
    message: `${warnings.join(' ')} Nothing was changed.`,
    nextStep: 'Agree to that with --accept-outage, or bring back nodes first.',
  });
}
