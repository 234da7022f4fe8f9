/**
 * Clusters from a list of hosts to a quorum, and back to nothing: plan, create, resume, destroy.
 *
 * What is wanted is written to the store before any host is touched (node ids, member slots, ports), so that whatever
 * interrupts the work, it can be resumed and comes to the same end: nothing is numbered again and no data is wiped. Hosts are
 * worked on in parallel; every host is checked before the first one is changed.
 */

import type { Logger } from 'pino';
import { DEFAULT_ELECTION_TIMEOUT_MS, DEFAULT_HEARTBEAT_MS } from '../../../cluster-node/contract/node-config.ts';
import type { ClusterPlan } from '../../contract/contract.ts';
import type { Operation } from '../../contract/model.ts';
import { newId } from '../fleet/ids.ts';
import { counted } from '../fleet/plan/wording.ts';
import type { StoredCluster, StoredMember } from '../fleet/records.ts';
import type { FleetStore } from '../fleet/store.ts';
import { FailureError, failureOf } from '../operations/failure.ts';
import type { OperationRun, Operations } from '../operations/operations.ts';
import { ConcurrencyLimit } from '../ssh/concurrency-limit.ts';
import { destroySteps, HostDestruction } from './apply/destroy-host.ts';
import { HostProvisioning, hostSteps, type ProvisionParts, stepName } from './apply/provision-host.ts';
import { endpointOf, verifyServing, waitForQuorum } from './apply/serving.ts';
import { releaseFile, runtimeFile } from './apply/shipped-files.ts';
import { type AccessFiles, ClusterKeys } from './cluster-keys.ts';
import { type ClusterPlanInput, type PlannedHost, planCluster } from './plan/cluster-plan.ts';
import { plannedHost } from './planned-host.ts';

const HOSTS_AT_ONCE = 8;
const WHOLE = { hostId: null, host: null };

export interface ClusterRequest {
  readonly name: string;
  readonly hostIds: readonly string[];
  /** null: chosen here. */
  readonly peerPort: number | null;
  readonly clientPort: number | null;
}

export interface ClustersOptions extends ProvisionParts {
  readonly store: FleetStore;
  readonly operations: Operations;
  /** `clusters/` in the state folder. */
  readonly clustersDir: string;
  readonly log: Logger;
  readonly clock: () => number;
}

export class Clusters {
  readonly #options: ClustersOptions;

  constructor(options: ClustersOptions) {
    this.#options = options;
    this.#markInterrupted();
  }

  /** Throws FailureError `notFound`. */
  get(clusterId: string): StoredCluster {
    const cluster = this.#options.store.getCluster(clusterId);
    if (cluster) return cluster;
    throw new FailureError({
      kind: 'notFound',
      message: `There is no cluster ${clusterId}.`,
      nextStep: 'List the clusters again; it may have been destroyed.',
    });
  }

  keysOf(clusterId: string): ClusterKeys {
    return new ClusterKeys({ clustersDir: this.#options.clustersDir, clusterId, clock: this.#options.clock });
  }

  /** Endpoints and, as paths on this computer, what etcd clients need. Throws FailureError `notFound`. */
  access(clusterId: string): { endpoints: string[]; tls: AccessFiles } {
    this.get(clusterId);
    const endpoints = this.#options.store.listMembers(clusterId).map(endpointOf);
    return { endpoints, tls: this.keysOf(clusterId).access() };
  }

  /** What creating it would do, with the facts of the hosts as they are now. Changes nothing. */
  async plan(request: ClusterRequest): Promise<ClusterPlan> {
    return planCluster(await this.#planInput(request));
  }

  async #planInput(request: ClusterRequest): Promise<ClusterPlanInput> {
    const { hosts, store, resources } = this.#options;
    for (const hostId of request.hostIds) hosts.get(hostId);
    // What cannot be reached shows in the host's reachability, and the plan refuses it with that reason.
    await Promise.allSettled([...new Set(request.hostIds)].map((hostId) => hosts.gather(hostId)));
    const planned: PlannedHost[] = [];
    for (const hostId of request.hostIds) planned.push(await plannedHost(this.#options, hostId, request));
    return {
      name: request.name,
      hosts: planned,
      takenNames: store.listClusters().map((cluster) => cluster.name),
      runtimeArchitecture: process.arch,
      runtimeVersion: resources.runtimeVersion,
      releaseVersion: resources.nodeBundleVersion,
    };
  }

  /** Throws FailureError `refused` with every reason; else writes down what is wanted and starts. */
  async create(request: ClusterRequest): Promise<{ operation: Operation; clusterId: string }> {
    const cluster = await this.define(request);
    return { operation: this.#begin(cluster, `Create ${cluster.name}`), clusterId: cluster.clusterId };
  }

  /** Plans, judges and stores a cluster without touching its hosts. Throws FailureError `refused`. */
  async define(request: ClusterRequest): Promise<StoredCluster> {
    const { store, resources, clock } = this.#options;
    const plan = await this.plan(request);
    if (plan.refusals.length > 0)
      throw new FailureError({
        kind: 'refused',
        message: plan.refusals.join(' '),
        nextStep: 'Nothing was changed. Put right what is named, then create it again.',
      });
    const hosts = plan.members.map((member) => this.#options.hosts.get(member.hostId));
    const cluster: StoredCluster = {
      clusterId: newId('c'),
      name: request.name,
      origin: hosts.every((host) => host.origin === 'lab') ? 'lab' : 'operator',
      createdAtUnixMs: clock(),
      lifecycle: 'provisioning',
      runtimeVersion: resources.runtimeVersion,
      releaseVersion: resources.nodeBundleVersion,
      heartbeatMs: DEFAULT_HEARTBEAT_MS,
      electionTimeoutMs: DEFAULT_ELECTION_TIMEOUT_MS,
    };
    store.transaction(() => {
      store.putCluster(cluster);
      for (const [at, member] of plan.members.entries())
        store.putMember({
          clusterId: cluster.clusterId,
          hostId: member.hostId,
          nodeId: newId('n'),
          memberSlot: at + 1,
          name: member.nodeName,
          address: member.address,
          peerPort: member.peerPort,
          clientPort: member.clientPort,
        });
    });
    return cluster;
  }

  /** Goes on with creating or destroying. Throws FailureError `busy` while an operation runs on the cluster. */
  resume(clusterId: string): Operation {
    const cluster = this.get(clusterId);
    this.#refuseWhileBusy(cluster);
    if (cluster.lifecycle === 'destroying') return this.#beginDestroy(cluster);
    return this.#begin(cluster, `Provision ${cluster.name} again`);
  }

  /** `confirmName` must repeat the cluster's name. Throws FailureError `notConfirmed`, `busy`, `notFound`. */
  destroy(clusterId: string, confirmName: string): Operation {
    const cluster = this.get(clusterId);
    this.#refuseWhileBusy(cluster);
    if (confirmName !== cluster.name)
      throw new FailureError({
        kind: 'notConfirmed',
        message: `Destroying ${cluster.name} deletes its data; its name was not repeated.`,
        nextStep: `Type ${cluster.name} to confirm.`,
      });
    return this.#beginDestroy(cluster);
  }

  #refuseWhileBusy(cluster: StoredCluster): void {
    const running = this.#options.operations.runningOn(cluster.clusterId);
    if (!running) return;
    throw new FailureError({
      kind: 'busy',
      message: `${cluster.name} is being worked on: ${running.title}.`,
      nextStep: 'Wait until that has ended.',
    });
  }

  #begin(cluster: StoredCluster, title: string): Operation {
    return this.#options.operations.begin({ kind: 'clusterCreate', title, clusterId: cluster.clusterId }, (run) =>
      this.provision(cluster.clusterId, run),
    );
  }

  /** The body of `create` and `resume`, for operations that do more than that. Returns the outcome. */
  async provision(clusterId: string, run: OperationRun): Promise<string> {
    const { store, resources, clock } = this.#options;
    const startedAt = clock();
    // What is at hand is shipped: a cluster that was begun with an older build goes on with this one.
    const versions = { runtimeVersion: resources.runtimeVersion, releaseVersion: resources.nodeBundleVersion };
    const cluster: StoredCluster = { ...this.get(clusterId), ...versions, lifecycle: 'provisioning' };
    store.putCluster(cluster);
    try {
      await this.#provisionHosts(cluster, run);
    } catch (error) {
      store.putCluster({ ...cluster, lifecycle: 'incomplete' });
      throw error;
    }
    store.putCluster({ ...cluster, lifecycle: 'provisioned' });
    const size = store.listMembers(clusterId).length;
    return `${cluster.name} serves on ${counted(size, 'node')} after ${seconds(clock() - startedAt)}.`;
  }

  async #provisionHosts(cluster: StoredCluster, run: OperationRun): Promise<void> {
    const { store, hosts, shipping, resources, nodes } = this.#options;
    const { clusterId } = cluster;
    shipping.prepare([runtimeFile(resources), releaseFile(resources)]);
    const keys = this.keysOf(cluster.clusterId);
    await keys.ensure();
    const members = store.listMembers(cluster.clusterId);
    const tasks = await Promise.all(
      members.map(async (member) => ({
        cluster,
        member,
        members,
        host: hosts.get(member.hostId),
        keys: await keys.ofNode(member),
      })),
    );
    run.announce([
      ...tasks.flatMap((task) => hostSteps.map((step) => stepName(task.host, step))),
      { ...WHOLE, step: 'Quorum' },
      { ...WHOLE, step: 'Write and read' },
    ]);
    const work = tasks.map((task) => new HostProvisioning(this.#options, task, run));
    await allHosts(work, (one) => one.check());
    await allHosts(work, (one) => one.put());
    await allHosts(
      work.filter((one) => !one.mustRestart),
      (one) => one.start(),
    );
    for (const one of work.filter((other) => other.mustRestart)) {
      await one.start();
      // One after the other, so that the cluster goes on serving meanwhile.
      await waitForQuorum(nodes, { clusterId, including: one.member }, run.signal);
    }
    await run.step({ ...WHOLE, step: 'Quorum' }, () => waitForQuorum(nodes, { clusterId }, run.signal));
    await run.step({ ...WHOLE, step: 'Write and read' }, () => verifyServing(members, keys.access(), run.signal));
  }

  #beginDestroy(cluster: StoredCluster): Operation {
    return this.#options.operations.begin(
      { kind: 'clusterDestroy', title: `Destroy ${cluster.name}`, clusterId: cluster.clusterId },
      (run) => this.destroyAll(cluster.clusterId, run),
    );
  }

  /** The body of `destroy`. Members go from the store as they go from their hosts; the keys go last. */
  async destroyAll(clusterId: string, run: OperationRun): Promise<string> {
    const { store, hosts } = this.#options;
    const cluster = this.get(clusterId);
    store.putCluster({ ...cluster, lifecycle: 'destroying' });
    const tasks = store.listMembers(clusterId).map((member) => ({
      cluster,
      member,
      host: hosts.get(member.hostId),
      keepVersions: this.#versionsOfOthers(member),
    }));
    run.announce(tasks.flatMap((task) => destroySteps.map((step) => stepName(task.host, step))));
    const work = tasks.map((task) => ({ ...task, destruction: new HostDestruction(this.#options, task, run) }));
    try {
      await allHosts(work, async ({ destruction, member }) => {
        await destruction.apply();
        store.removeMember(member.nodeId);
      });
    } catch (error) {
      const kept = new Set(store.listMembers(clusterId).map((member) => member.nodeId));
      const unfinished = work.filter(({ member }) => kept.has(member.nodeId));
      throw incomplete(cluster, await Promise.all(unfinished.map(sayLeft)), error);
    }
    store.removeCluster(clusterId);
    await this.keysOf(clusterId).remove();
    return `${cluster.name} is gone from ${tasks.length === 1 ? 'its host' : `all ${tasks.length} hosts`}.`;
  }

  #versionsOfOthers(member: StoredMember): string[] {
    const { store } = this.#options;
    const others = store.listMembersOnHost(member.hostId).filter((one) => one.clusterId !== member.clusterId);
    return others.flatMap((one) => {
      const cluster = store.getCluster(one.clusterId);
      return cluster ? [cluster.runtimeVersion, cluster.releaseVersion] : [];
    });
  }

  /** A killed engine's provisioning has ended nowhere: it can be resumed. */
  #markInterrupted(): void {
    const { store } = this.#options;
    for (const cluster of store.listClusters())
      if (cluster.lifecycle === 'provisioning') store.putCluster({ ...cluster, lifecycle: 'incomplete' });
  }
}

/** All of them, at most eight at once, each to its own end; then throws what the first one threw, if any did. */
async function allHosts<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const limit = new ConcurrencyLimit(HOSTS_AT_ONCE);
  const ends = await Promise.allSettled(
    items.map(async (item) => {
      const release = await limit.enter();
      await work(item).finally(release);
    }),
  );
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

/** What stands on a host now, as it was looked up. */
async function sayLeft(of: {
  host: { name: string };
  member: { nodeId: string };
  destruction: HostDestruction;
}): Promise<string> {
  const left = await of.destruction.left();
  if (left === null)
    return `${of.host.name}: ~/.synod/nodes/${of.member.nodeId} as far as known, it cannot be looked at`;
  return `${of.host.name}: ${left.length === 0 ? 'nothing' : left.join(', ')}`;
}

function incomplete(cluster: StoredCluster, left: readonly string[], cause: unknown): FailureError {
  const failure = failureOf(cause);
  return new FailureError(
    {
      ...failure,
      kind: 'incomplete',
      message: `${cluster.name} is not gone everywhere: ${failure.message} Left on the hosts: ${left.join('; ')}.`,
      nextStep: `${failure.nextStep} Then destroy it again: what is gone already is left alone.`,
    },
    { cause },
  );
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
