/**
 * Clusters from a list of hosts to a quorum, and back to nothing: plan, apply, destroy; create is a plan and its apply.
 *
 * What is wanted is written to the store before any host is touched (node ids, member slots, ports), so that whatever
 * interrupts the work, it can be resumed and comes to the same end: nothing is numbered again and no data is wiped.
 */
import type { Logger } from 'pino';
import type { BackupManifest } from '../../contract/backup.ts';
import type { ClusterPlan } from '../../contract/contract.ts';
import type { Operation } from '../../contract/model.ts';
import type { AuditEntry } from '../../contract/plan.ts';
import { readBackup } from '../backup/backup-file.ts';
import type { Seeds } from '../backup/seeds.ts';
import { counted } from '../fleet/plan/wording.ts';
import type { StoredCluster } from '../fleet/records.ts';
import { FailureError } from '../operations/failure.ts';
import type { OperationRun, Operations } from '../operations/operations.ts';
import type { EngineResources } from '../resources.ts';
import type { ApplyParts } from './apply/host-apply.ts';
import { endpointOf } from './apply/serving.ts';
import { Audit } from './audit.ts';
import type { CertificateDates } from './certificate-dates.ts';
import { type AccessFiles, ClusterKeys, noAuthorityKey } from './cluster-keys.ts';
import type { PlanRecord } from './plan/plan-record.ts';
import { type ClusterRequest, Planning, refusedBy } from './planning.ts';
import { provisionHosts, removeFromHosts, restartHosts } from './provisioning.ts';
import { rotateCertificates } from './rotation.ts';
import { Members } from './members/members.ts';
import { SharedTruth } from './shared/shared-truth.ts';
import { Sharing } from './shared/sharing.ts';

export interface ClustersOptions extends ApplyParts {
  readonly operations: Operations;
  readonly resources: EngineResources;
  /** `clusters/` in the state folder. */
  readonly clustersDir: string;
  readonly dates: CertificateDates;
  readonly seeds: Seeds;
  readonly clock: () => number;
  readonly log: Logger;
  /** How long an operation's lock on a host holds that is not renewed. */
  readonly lockSeconds: number;
}

export interface ApplyRequest {
  readonly name: string;
  /** The hash of the plan that was agreed to; null: whatever is to be done. */
  readonly plan: string | null;
  readonly why: string | null;
}

/** Milliseconds; the election timeout is at least three heartbeats. */
export interface ClusterTimeouts {
  readonly clusterId: string;
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: number;
}

export class Clusters {
  readonly #options: ClustersOptions;
  readonly #planning: Planning;
  readonly #audit: Audit;
  readonly #shared: SharedTruth;
  /** Clusters and keys from one console to another. */
  readonly sharing: Sharing;
  readonly members: Members;

  constructor(options: ClustersOptions) {
    this.#options = options;
    this.#planning = new Planning({ ...options, keysOf: (clusterId) => this.keysOf(clusterId) });
    this.#audit = new Audit(options);
    const keysOf = (clusterId: string) => this.keysOf(clusterId);
    this.#shared = new SharedTruth({ ...options, keysOf });
    this.sharing = new Sharing({ ...options, keysOf, shared: this.#shared });
    this.members = new Members({
      ...options,
      provisioning: this.#parts,
      audit: this.#audit,
      shared: this.#shared,
      clusterOf: (clusterId) => this.get(clusterId),
      refuseWithoutKey: (cluster) => this.#refuseWithoutKey(cluster),
    });
    this.#markInterrupted();
  }

  get #parts() {
    return { ...this.#options, planning: this.#planning, keysOf: (clusterId: string) => this.keysOf(clusterId) };
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

  /** Endpoints and, as paths on this computer, what etcd clients need. Throws FailureError `notFound`, `noAuthorityKey`. */
  async access(clusterId: string): Promise<{ endpoints: string[]; tls: AccessFiles }> {
    await this.#refuseWithoutKey(this.get(clusterId));
    const endpoints = this.#options.store.listMembers(clusterId).map(endpointOf);
    return { endpoints, tls: this.keysOf(clusterId).access() };
  }

  /** Newest first. */
  audit(limit: number): AuditEntry[] {
    return this.#audit.list(limit);
  }

  /** What would be done on the hosts as they are now. Changes nothing there. */
  async plan(request: ClusterRequest | { clusterId: string }): Promise<ClusterPlan> {
    if ('clusterId' in request) return this.#planOf(this.get(request.clusterId));
    return this.#planning.ofRequest(request);
  }

  /** A console that is behind would plan to undo what another one did. */
  async #planOf(cluster: StoredCluster): Promise<ClusterPlan> {
    const [plan, behind] = await Promise.all([this.#planning.ofCluster(cluster), this.#shared.whyBehind(cluster)]);
    return behind === null
      ? plan
      : { ...plan, refusals: [...plan.refusals, behind], hash: null, hosts: [], changes: 0 };
  }

  /** Throws FailureError `refused` with every reason; else writes down what is wanted and starts. */
  async create(request: ClusterRequest): Promise<{ operation: Operation; clusterId: string }> {
    const cluster = await this.define(request);
    return { operation: this.#begin(cluster, `Create ${cluster.name}`), clusterId: cluster.clusterId };
  }

  /** Plans, judges and stores a cluster without touching its hosts. Throws FailureError `refused`. */
  async define(request: ClusterRequest): Promise<StoredCluster> {
    return this.#store(await this.#planned(request));
  }

  async #planned(request: ClusterRequest): Promise<PlanRecord> {
    const plan = await this.plan(request);
    const record = plan.hash === null ? null : this.#planning.find(request.name, plan.hash);
    if (plan.refusals.length > 0 || record === null) throw refusedBy(plan.refusals);
    return record;
  }

  /**
   * Makes a new cluster whose nodes begin with the content of a backup. Throws FailureError `badBackup`, `refused`, before any host is
   * changed.
   */
  async restore(
    request: ClusterRequest & { path: string },
  ): Promise<{ operation: Operation; clusterId: string; manifest: BackupManifest }> {
    const { seeds } = this.#options;
    const manifest = await readBackup(request.path);
    const record = await this.#planned(request);
    const clusterId = record.draft?.clusterId ?? '';
    const seed = await seeds.take(clusterId, request.path);
    const cluster = this.#store(record, () => seeds.put(clusterId, seed));
    return { operation: this.#begin(cluster, `Restore ${cluster.name}`), clusterId, manifest };
  }

  /** `also`: in the same transaction. */
  #store({ draft, name }: PlanRecord, also: () => void = () => undefined): StoredCluster {
    if (draft === null) throw new Error(`the plan of ${name} makes no cluster`);
    const { store } = this.#options;
    const { cluster, members } = this.#planning.clusterOf(draft);
    store.transaction(() => {
      store.putCluster(cluster);
      for (const member of members) store.putMember(member);
      also();
    });
    return cluster;
  }

  /**
   * Carries out what was planned for the cluster of this name, be it there or only planned. Throws FailureError `noPlan`, `busy`; that
   * a plan is stale ends the operation.
   */
  apply(request: ApplyRequest): { operation: Operation; clusterId: string } {
    const { store } = this.#options;
    const existing = store.listClusters().find((cluster) => cluster.name === request.name) ?? null;
    const record = this.#planning.find(request.name, request.plan);
    if ((request.plan !== null && record === null) || (existing === null && record?.draft == null))
      throw new FailureError({
        kind: 'noPlan',
        message:
          request.plan === null
            ? `There is no cluster ${request.name}, and none was planned.`
            : `No plan ${request.plan} of ${request.name} is known here.`,
        nextStep: `Plan it first: synod cluster plan ${request.name}${existing === null ? ' --hosts …' : ''}.`,
      });
    if (existing) this.#refuseWhileBusy(existing);
    const cluster = existing ?? this.#store(record as PlanRecord);
    const agreed = request.plan === null ? null : record;
    const title = existing ? `Apply to ${cluster.name}` : `Create ${cluster.name}`;
    const operation = this.#begin(cluster, title, { agreed, why: request.why });
    return { operation, clusterId: cluster.clusterId };
  }

  /** Restarts every node, one after the other and the leader last. Throws FailureError `busy`, `notFound`. */
  restart({ clusterId, why }: { clusterId: string; why: string | null }): Operation {
    const { operations } = this.#options;
    const cluster = this.get(clusterId);
    this.#refuseWhileBusy(cluster);
    const title = `Restart ${cluster.name}`;
    return operations.begin({ kind: 'clusterRestart', title, clusterId }, (run) => {
      const about = {
        operationId: run.operationId,
        kind: 'clusterRestart',
        title,
        cluster: cluster.name,
        why,
        plan: null,
      };
      return this.#audit.of(about, (log) =>
        this.#shared.during({ ...about, cluster, needs: 'majority' }, { run, log }, async (claim) => {
          await restartHosts(this.#parts, { cluster, claim }, log);
          return `All ${counted(this.#options.store.listMembers(clusterId).length, 'node')} of ${cluster.name} were restarted.`;
        }),
      );
    });
  }

  /** New certificates for every node while the cluster serves, or what is left of that. Throws FailureError `busy`, `notFound`. */
  rotateCertificates(request: { clusterId: string; authority: boolean; hold: boolean; why: string | null }): Operation {
    const { operations } = this.#options;
    const { clusterId, why } = request;
    const cluster = this.get(clusterId);
    this.#refuseWhileBusy(cluster);
    const kind = 'certificatesRotate';
    const title = `Replace the certificates of ${cluster.name}`;
    return operations.begin({ kind, title, clusterId }, async (run) => {
      await this.#refuseWithoutKey(cluster);
      const about = { operationId: run.operationId, kind, title, cluster: cluster.name, why, plan: null };
      return this.#audit.of(about, (log) =>
        this.#shared.during({ ...about, cluster, needs: 'majority' }, { run, log }, (claim) =>
          rotateCertificates(this.#parts, { ...request, cluster, claim }, log),
        ),
      );
    });
  }

  /** What its nodes should run with from the next apply on. Throws FailureError `busy`, `notFound`. */
  configure({ clusterId, heartbeatMs, electionTimeoutMs }: ClusterTimeouts): StoredCluster {
    const cluster = this.get(clusterId);
    this.#refuseWhileBusy(cluster);
    const changed = { ...cluster, heartbeatMs, electionTimeoutMs };
    this.#options.store.putCluster(changed);
    return changed;
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

  /** A cluster that was taken over may lack it; one that is still to be made gets one. */
  async #refuseWithoutKey({ clusterId, name }: StoredCluster): Promise<void> {
    const { certificates, pair } = await this.keysOf(clusterId).authorityHere();
    if (pair === null && certificates.length > 0) throw noAuthorityKey(name);
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

  #begin(
    cluster: StoredCluster,
    title: string,
    given: { agreed: PlanRecord | null; why: string | null } = { agreed: null, why: null },
  ): Operation {
    return this.#options.operations.begin({ kind: 'clusterCreate', title, clusterId: cluster.clusterId }, (run) =>
      this.provision(cluster.clusterId, run, given),
    );
  }

  /** The body of `apply`, `create` and `resume`, for operations that do more than that. Returns the outcome. */
  async provision(
    clusterId: string,
    run: OperationRun,
    given: { agreed: PlanRecord | null; why: string | null } = { agreed: null, why: null },
  ): Promise<string> {
    const { store, clock } = this.#options;
    const startedAt = clock();
    const before = this.get(clusterId);
    await this.#refuseWithoutKey(before);
    const cluster: StoredCluster = { ...this.#planning.withVersions(before), lifecycle: 'provisioning' };
    store.putCluster(cluster);
    const about = {
      operationId: run.operationId,
      kind: 'clusterCreate',
      title: `Apply to ${cluster.name}`,
      cluster: cluster.name,
      why: given.why,
      plan: given.agreed?.hash ?? null,
    };
    try {
      return await this.#audit.of(about, (log) =>
        this.#shared.during({ ...about, cluster, needs: 'majority' }, { run, log }, async (claim) => {
          const changes = await provisionHosts(this.#parts, { cluster, agreed: given.agreed, claim }, log);
          store.putCluster({ ...cluster, lifecycle: 'provisioned' });
          await this.#options.seeds.planted(clusterId);
          const size = store.listMembers(clusterId).length;
          if (changes === 0) return `Nothing to do: ${cluster.name} serves on ${counted(size, 'node')}.`;
          return `${cluster.name} serves on ${counted(size, 'node')} after ${seconds(clock() - startedAt)}.`;
        }),
      );
    } catch (error) {
      store.putCluster({ ...cluster, lifecycle: 'incomplete' });
      throw error;
    }
  }

  #beginDestroy(cluster: StoredCluster): Operation {
    return this.#options.operations.begin(
      { kind: 'clusterDestroy', title: `Destroy ${cluster.name}`, clusterId: cluster.clusterId },
      (run) => this.destroyAll(cluster.clusterId, run),
    );
  }

  /** The body of `destroy`. */
  async destroyAll(clusterId: string, run: OperationRun): Promise<string> {
    const { store } = this.#options;
    const cluster: StoredCluster = { ...this.get(clusterId), lifecycle: 'destroying' };
    store.putCluster(cluster);
    const title = `Destroy ${cluster.name}`;
    const about = {
      operationId: run.operationId,
      kind: 'clusterDestroy',
      title,
      cluster: cluster.name,
      why: null,
      plan: null,
    };
    return this.#audit.of(about, (log) =>
      this.#shared.during({ ...about, cluster, needs: 'reachable' }, { run, log }, async (claim) => {
        await claim.take();
        const outcome = await removeFromHosts(this.#parts, { cluster, claim }, log);
        store.removeCluster(clusterId);
        this.#options.seeds.forget(clusterId);
        await this.keysOf(clusterId).remove();
        this.#shared.forget(clusterId);
        return outcome;
      }),
    );
  }

  /** A killed engine's provisioning has ended nowhere: it can be resumed. */
  #markInterrupted(): void {
    const { store } = this.#options;
    for (const cluster of store.listClusters())
      if (cluster.lifecycle === 'provisioning') store.putCluster({ ...cluster, lifecycle: 'incomplete' });
  }
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
