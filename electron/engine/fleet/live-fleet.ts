/**
 * The fleet as it is now: what is asked for (the store) put together with what is seen (agents, connections). It keeps an
 * agent on every host that carries a node, takes in what the agents say, and once a second writes history and lets time
 * decide what time decides.
 */
import type { Logger } from 'pino';
import type { FleetSnapshot } from '../../contract/contract.ts';
import type { Failure, HostView } from '../../contract/model.ts';
import { type Agents, agentTarget } from '../agents/agents.ts';
import type { FaultLedger } from '../faults/ledger.ts';
import { FailureError, failureOf } from '../operations/failure.ts';
import { latest } from '../operations/latest.ts';
import type { Operations } from '../operations/operations.ts';
import type { History } from '../telemetry/history.ts';
import type { LeaderChanges } from '../telemetry/leader-changes.ts';
import type { Observations } from '../telemetry/observations.ts';
import type { Timeline } from '../telemetry/timeline.ts';
import type { Hosts } from './hosts.ts';
import { pictureOf } from './plan/picture.ts';
import type { Situation } from './plan/situation.ts';
import { clusterView, type HostObservation, hostView } from './plan/views.ts';
import type { StoredCluster } from './records.ts';
import type { FleetStore } from './store.ts';

const SECOND_MS = 1000;
const SNAPSHOT_INTERVAL_MS = 500;
const ENDED_OPERATIONS_SHOWN = 20;

export interface LiveFleetOptions {
  readonly store: FleetStore;
  readonly hosts: Hosts;
  readonly agents: Agents;
  readonly operations: Operations;
  readonly observations: Observations;
  readonly history: History;
  readonly ledger: FaultLedger;
  readonly leaders: LeaderChanges;
  readonly timeline: Timeline;
  /** Milliseconds since 1970; null: unknown. */
  readonly certificatesExpireAt: (clusterId: string) => number | null;
  readonly engineVersion: string;
  readonly log: Logger;
  readonly clock: () => number;
}

export class LiveFleet {
  readonly #options: LiveFleetOptions;
  readonly #listeners = new Set<() => void>();
  /** By cluster: the leader and ballot that were agreed on last, and since when. */
  readonly #leaders = new Map<string, { claim: string; sinceUnixMs: number }>();
  readonly #knownMembers = new Map<string, readonly string[]>();
  readonly #stops: (() => void)[] = [];

  constructor(options: LiveFleetOptions) {
    this.#options = options;
  }

  /** Connects to the hosts that carry nodes and begins to watch. */
  start(): void {
    const { store, hosts, agents, operations, observations, ledger, timeline } = this.#options;
    const changed = () => this.#changed();
    this.#noticeMembers();
    this.#stops.push(
      store.onChange(() => {
        this.#noticeMembers();
        changed();
      }),
      hosts.onChange((hostId) => {
        this.#attachAgain(hostId);
        changed();
      }),
      operations.onChange((operation) => {
        timeline.takeOperation(operation);
        changed();
      }),
      agents.listen({
        onSample: (received) => {
          observations.take(received);
          ledger.observe(received);
          changed();
        },
        onNodeEvents: (received) => timeline.takeNodeEvents(received),
        onState: (hostId, state) => {
          timeline.takeAgentState(hostId, state);
          changed();
        },
      }),
    );
    const second = setInterval(() => this.#everySecond(), SECOND_MS);
    this.#stops.push(() => clearInterval(second));
    for (const host of store.listHosts()) this.#attach(host.hostId);
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }

  /** A host that came back, or whose key or secret was just given, gets its agent at once and not after the back-off. */
  #attachAgain(hostId: string): void {
    const { hosts, agents } = this.#options;
    const isReachable = hosts.view(hostId).reachability.state === 'reachable';
    if (isReachable && agents.stateOf(hostId)?.kind === 'lost') this.#attach(hostId);
  }

  #attach(hostId: string): void {
    const { store, agents } = this.#options;
    const clusters = store.listMembersOnHost(hostId).flatMap((member) => store.getCluster(member.clusterId) ?? []);
    // The newest release knows the older ones' nodes, too.
    const newest = clusters.toSorted((a, b) => b.createdAtUnixMs - a.createdAtUnixMs)[0];
    const host = store.getHost(hostId);
    if (newest && host) agents.attach(agentTarget(host, newest));
  }

  /** Forgets what was seen of nodes that are no longer asked for. */
  #noticeMembers(): void {
    const { store, ledger, leaders, observations } = this.#options;
    const before = new Map(this.#knownMembers);
    this.#knownMembers.clear();
    for (const { clusterId } of store.listClusters())
      this.#knownMembers.set(
        clusterId,
        store.listMembers(clusterId).map((member) => member.nodeId),
      );
    const now = new Set([...this.#knownMembers.values()].flat());
    for (const [clusterId, nodeIds] of before) {
      for (const nodeId of nodeIds) if (!now.has(nodeId)) observations.forgetNode(nodeId);
      if (this.#knownMembers.has(clusterId)) continue;
      this.#leaders.delete(clusterId);
      leaders.forget(clusterId);
      ledger.forgetCluster(clusterId);
    }
  }

  #everySecond(): void {
    const { store, history, ledger, timeline, observations, log, clock } = this.#options;
    try {
      ledger.tick();
      timeline.tick();
      const hosts = new Map<string, HostObservation>();
      for (const { hostId } of store.listHosts()) {
        const seen = observations.host(hostId);
        if (seen) hosts.set(hostId, seen);
      }
      const situations = store.listClusters().map((cluster) => this.#situationOf(cluster));
      history.record(clock(), { situations, hosts });
    } catch (error) {
      // One bad second must not end the watch; the next one is tried again.
      log.error({ err: error }, 'second not recorded');
    }
    this.#changed();
  }

  /** Throws FailureError `notFound`. */
  situation(clusterId: string): Situation {
    const cluster = this.#options.store.getCluster(clusterId);
    if (cluster) return this.#situationOf(cluster);
    throw new FailureError({
      kind: 'notFound',
      message: `There is no cluster ${clusterId}.`,
      nextStep: 'List the clusters again; it may have been destroyed.',
    });
  }

  #situationOf(cluster: StoredCluster): Situation {
    const { store, agents, observations, ledger, certificatesExpireAt, clock } = this.#options;
    const members = store.listMembers(cluster.clusterId);
    const leaving = store.listLeaving(cluster.clusterId);
    const situation: Situation = {
      nowUnixMs: clock(),
      cluster,
      members,
      hosts: new Map(
        [...members, ...leaving].map(({ hostId }) => [
          hostId,
          {
            name: store.getHost(hostId)?.name ?? hostId,
            agentConnected: agents.stateOf(hostId)?.kind === 'ready',
          },
        ]),
      ),
      observations: observations.nodes,
      faults: ledger.list(cluster.clusterId),
      leaderSinceUnixMs: null,
      certificatesExpireAtUnixMs: certificatesExpireAt(cluster.clusterId),
      leaving,
    };
    return { ...situation, leaderSinceUnixMs: this.#leaderSince(situation) };
  }

  #leaderSince(situation: Situation): number | null {
    const { leader } = pictureOf(situation);
    const { clusterId } = situation.cluster;
    if (leader === null) return null;
    const told = this.#options.leaders.sinceUnixMs(clusterId, leader.ballot);
    if (told !== null) return told;
    const claim = `${leader.memberSlot}/${leader.ballot}`;
    const known = this.#leaders.get(clusterId);
    if (known?.claim === claim) return known.sinceUnixMs;
    this.#leaders.set(clusterId, { claim, sinceUnixMs: situation.nowUnixMs });
    return situation.nowUnixMs;
  }

  hostView(hostId: string): HostView {
    const { hosts, observations, agents, clock } = this.#options;
    const view = hosts.view(hostId);
    return hostView({
      nowUnixMs: clock(),
      host: hosts.get(hostId),
      reachability: view.reachability,
      silence: this.#silenceOf(hostId),
      observation: observations.host(hostId),
      clockOffsetMs: agents.clockOffsetMs(hostId) ?? view.clockOffsetMs,
      nodeIds: view.nodeIds,
    });
  }

  #silenceOf(hostId: string): Failure | null {
    const state = this.#options.agents.stateOf(hostId);
    if (state?.kind !== 'lost') return null;
    const failure = failureOf(state.reason, { host: this.#options.hosts.get(hostId).name });
    // A channel that cannot be opened in time is silence, too.
    return failure.kind === 'silent' || failure.kind === 'timeout' ? failure : null;
  }

  snapshot(): FleetSnapshot {
    const { store, operations, engineVersion, clock } = this.#options;
    return {
      atUnixMs: clock(),
      engineVersion,
      hosts: store.listHosts().map((host) => this.hostView(host.hostId)),
      clusters: store.listClusters().map((cluster) => clusterView(this.#situationOf(cluster))),
      operations: operations.recent(ENDED_OPERATIONS_SHOWN),
    };
  }

  /** Now and after changes, at most twice a second. */
  watch(signal?: AbortSignal): AsyncGenerator<FleetSnapshot, void, void> {
    return latest({
      read: () => this.snapshot(),
      subscribe: (onChange) => {
        this.#listeners.add(onChange);
        return () => this.#listeners.delete(onChange);
      },
      minIntervalMs: SNAPSHOT_INTERVAL_MS,
      signal,
    });
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
