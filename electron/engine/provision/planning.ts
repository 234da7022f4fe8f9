/**
 * Plans: what a cluster that is asked for, or one that is there, needs done on its hosts. Hosts are looked at in parallel and nothing is
 * changed. A plan is kept under its hash, so that exactly it can be agreed to, and so that what changed since can be named.
 */
import { DEFAULT_ELECTION_TIMEOUT_MS, DEFAULT_HEARTBEAT_MS } from '../../../cluster-node/contract/node-config.ts';
import type { ClusterPlan } from '../../contract/contract.ts';
import type { Seeds } from '../backup/seeds.ts';
import { newId } from '../fleet/ids.ts';
import { asFounder, type StoredCluster, type StoredMember } from '../fleet/records.ts';
import { FailureError, failureOf } from '../operations/failure.ts';
import type { EngineResources } from '../resources.ts';
import { allHosts } from './all-hosts.ts';
import { type HostWish, type LookedHost, type LookParts, lookAtHost, sha256 } from './apply/look.ts';
import { type CertificateDates, certificateWarnings } from './certificate-dates.ts';
import type { ClusterKeys } from './cluster-keys.ts';
import { planCluster } from './plan/cluster-plan.ts';
import { firewallHints } from './plan/firewall.ts';
import { targetOfStep } from './plan/host-plan.ts';
import {
  type ClusterDraft,
  canonicalPlan,
  type PlannedOnHost,
  type PlanRecord,
  plannedOnHost,
  planRecordSchema,
} from './plan/plan-record.ts';
import { plannedHost } from './planned-host.ts';

export interface ClusterRequest {
  readonly name: string;
  readonly hostIds: readonly string[];
  /** null: chosen here. */
  readonly peerPort: number | null;
  readonly clientPort: number | null;
  readonly place: 'home' | 'system';
  /** By host. */
  readonly dataFolders: Readonly<Record<string, string>>;
}

export interface PlanningOptions extends LookParts {
  readonly resources: EngineResources;
  readonly clock: () => number;
  readonly keysOf: (clusterId: string) => ClusterKeys;
  readonly dates: CertificateDates;
  readonly seeds: Seeds;
}

const PLANS = 'plan';
const PLANS_SEARCHED = 50;

export class Planning {
  readonly #options: PlanningOptions;

  constructor(options: PlanningOptions) {
    this.#options = options;
  }

  get resources(): EngineResources {
    return this.#options.resources;
  }

  /** For a cluster that is not there yet. */
  async ofRequest(request: ClusterRequest): Promise<ClusterPlan> {
    const judged = await this.#judge(request);
    if (judged.refusals.length > 0) return { ...judged, hash: null, hosts: [], changes: 0 };
    const draft = this.#draftOf(request, judged);
    const { cluster, members } = this.clusterOf(draft);
    return this.#planned(judged, { draft, wishes: await this.wishes(cluster, members) });
  }

  /** For a cluster that is there. */
  async ofCluster(cluster: StoredCluster): Promise<ClusterPlan> {
    const { hosts, store, keysOf, dates, clock } = this.#options;
    const members = store.listMembers(cluster.clusterId);
    const { rotation } = keysOf(cluster.clusterId);
    const judged = {
      name: cluster.name,
      members: members.map((member) => ({
        hostId: member.hostId,
        host: hosts.get(member.hostId).name,
        nodeName: member.name,
        address: member.address,
        peerPort: member.peerPort,
        clientPort: member.clientPort,
      })),
      puts: [],
      refusals: [],
      warnings: await certificateWarnings(cluster, { dates, rotation, nowUnixMs: clock() }),
    };
    return this.#planned(judged, { draft: null, wishes: await this.wishes(this.withVersions(cluster), members) });
  }

  /** What is at hand is shipped: a cluster that was begun with an older build goes on with this one. */
  withVersions(cluster: StoredCluster): StoredCluster {
    const { runtimeVersion, nodeBundleVersion } = this.#options.resources;
    return { ...cluster, runtimeVersion, releaseVersion: nodeBundleVersion };
  }

  /** What is wanted of each host, with the keys that are there already. */
  async wishes(cluster: StoredCluster, members: readonly StoredMember[]): Promise<HostWish[]> {
    const { hosts, keysOf, seeds } = this.#options;
    const keys = keysOf(cluster.clusterId);
    return Promise.all(
      members.map(async (member) => ({
        intent: 'present' as const,
        host: hosts.get(member.hostId),
        cluster,
        member,
        members,
        keys: await keys.known(member),
        // Who comes later learns it from the others.
        seed: member.joined ? null : seeds.of(cluster.clusterId),
        keepVersions: [],
      })),
    );
  }

  /** The newest plan for a cluster of this name that is not there yet, or the very one of this hash; null: none is known. */
  find(name: string, hash: string | null): PlanRecord | null {
    const plans = this.#options.store.listDocuments(PLANS, planRecordSchema, PLANS_SEARCHED);
    return plans.find((plan) => plan.name === name && (hash === null || plan.hash.startsWith(hash))) ?? null;
  }

  async #judge(request: ClusterRequest) {
    const { hosts, store, resources } = this.#options;
    for (const hostId of request.hostIds) hosts.get(hostId);
    // What cannot be reached shows in the host's reachability, and the plan refuses it with that reason.
    await Promise.allSettled([...new Set(request.hostIds)].map((hostId) => hosts.gather(hostId)));
    const planned = [];
    for (const hostId of request.hostIds) planned.push(await plannedHost(this.#options, hostId, request));
    const elsewhere = request.hostIds.flatMap((hostId) => this.otherPlace(hostId, request.place));
    const judged = planCluster({
      name: request.name,
      hosts: planned,
      place: request.place,
      takenNames: store.listClusters().map((cluster) => cluster.name),
      runtimeVersion: resources.runtimeVersion,
      releaseVersion: resources.nodeBundleVersion,
    });
    return { ...judged, refusals: [...judged.refusals, ...elsewhere] };
  }

  /** One agent serves a host, and it serves one place. */
  otherPlace(hostId: string, place: ClusterRequest['place']): string[] {
    const { hosts, store } = this.#options;
    return store.listMembersOnHost(hostId).flatMap((member) => {
      const other = store.getCluster(member.clusterId);
      if (!other || other.place === place) return [];
      const { name } = hosts.get(hostId);
      return [`${name} carries a node of ${other.name} in the ${other.place} place; use that place here, too.`];
    });
  }

  /** The same ids each time that the same is asked for, so that the same plan has the same hash. */
  #draftOf(request: ClusterRequest, judged: Pick<ClusterPlan, 'members'>): ClusterDraft {
    const { store } = this.#options;
    const before = this.find(request.name, null)?.draft ?? null;
    const isFree = before !== null && store.getCluster(before.clusterId) === null;
    const nodeIdOf = (hostId: string) => {
      const known = isFree ? before.members.find((member) => member.hostId === hostId)?.nodeId : undefined;
      return known !== undefined && store.getMember(known) === null ? known : newId('n');
    };
    return {
      name: request.name,
      clusterId: isFree ? before.clusterId : newId('c'),
      place: request.place,
      members: judged.members.map(({ hostId, nodeName, address, peerPort, clientPort }) => ({
        hostId,
        nodeId: nodeIdOf(hostId),
        name: nodeName,
        address,
        peerPort,
        clientPort,
        dataFolder: request.dataFolders[hostId] ?? null,
      })),
    };
  }

  /** What is stored of a cluster once it is agreed to. */
  clusterOf(draft: ClusterDraft): { cluster: StoredCluster; members: StoredMember[] } {
    const { hosts, clock } = this.#options;
    const { clusterId, name, place } = draft;
    const isLab = draft.members.every((member) => hosts.get(member.hostId).origin === 'lab');
    const cluster = this.withVersions({
      clusterId,
      name,
      origin: isLab ? 'lab' : 'operator',
      createdAtUnixMs: clock(),
      lifecycle: 'provisioning',
      runtimeVersion: '',
      releaseVersion: '',
      heartbeatMs: DEFAULT_HEARTBEAT_MS,
      electionTimeoutMs: DEFAULT_ELECTION_TIMEOUT_MS,
      place,
      founders: [],
    });
    return {
      cluster,
      members: draft.members.map((member, at) => ({ ...member, ...asFounder, clusterId, memberSlot: at + 1 })),
    };
  }

  async #planned(
    judged: Omit<ClusterPlan, 'hash' | 'hosts' | 'changes'>,
    { draft, wishes }: { draft: ClusterDraft | null; wishes: readonly HostWish[] },
  ): Promise<ClusterPlan> {
    const looked: { wish: HostWish; found: LookedHost | null; refusal: string | null }[] = [];
    await allHosts(wishes, async (wish) => {
      looked.push(await this.#lookOrRefuse(wish, draft === null));
    });
    const foundOf = (wish: HostWish) => looked.find((one) => one.wish === wish);
    const refusals = wishes.flatMap((wish) => foundOf(wish)?.refusal ?? []);
    if (refusals.length > 0)
      return { ...judged, refusals: [...judged.refusals, ...refusals], hash: null, hosts: [], changes: 0 };
    const inOrder = wishes.flatMap((wish) => {
      const found = foundOf(wish)?.found;
      return found ? [{ wish, found }] : [];
    });
    const planned = inOrder.map(({ wish, found }) => plannedOnHost(wish.host, found));
    const record = this.record(judged.name, draft, planned);
    this.#options.store.putDocument(PLANS, record.hash, record);
    return {
      ...judged,
      puts:
        judged.puts.length > 0
          ? judged.puts
          : inOrder.flatMap(({ wish, found }) =>
              found.steps.map((step) => `${wish.host.name}: ${step.change} ${targetOfStep(step)}`),
            ),
      hash: record.hash,
      hosts: inOrder.map(({ wish, found }, at) => ({
        hostId: wish.host.hostId,
        host: wish.host.name,
        steps: planned[at]?.steps ?? [],
        hints: firewallHints(found.observed.firewalls, wish),
      })),
      changes: planned.reduce((sum, host) => sum + host.steps.length, 0),
    };
  }

  /** `anew`: its facts were not gathered just now. */
  async #lookOrRefuse(
    wish: HostWish,
    anew: boolean,
  ): Promise<{ wish: HostWish; found: LookedHost | null; refusal: string | null }> {
    const { hosts } = this.#options;
    try {
      const gathered = (anew ? null : hosts.gathered(wish.host.hostId)) ?? undefined;
      const found = await lookAtHost(this.#options, wish, { gathered });
      return { wish, found, refusal: found.obstacle && sayRefusal(wish.host.name, found.obstacle) };
    } catch (error) {
      return { wish, found: null, refusal: sayRefusal(wish.host.name, failureOf(error)) };
    }
  }

  record(name: string, draft: ClusterDraft | null, hosts: readonly PlannedOnHost[]): PlanRecord {
    const plan = { name, draft, hosts: [...hosts] };
    return { ...plan, hash: sha256(canonicalPlan(plan)).slice(0, 16) };
  }
}

function sayRefusal(host: string, { message, nextStep }: { message: string; nextStep: string }): string {
  const sentence = /[.!?]$/.test(message) ? message : `${message}.`;
  return `${sentence.includes(host) ? '' : `${host}: `}${sentence} ${nextStep}`;
}

/** The refusals of a plan as one failure. */
export function refusedBy(refusals: readonly string[]): FailureError {
  return new FailureError({
    kind: 'refused',
    message: refusals.join(' '),
    nextStep: 'Nothing was changed. Put right what is named, then run it again.',
  });
}
