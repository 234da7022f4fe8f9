/** Puts together, for the pure part, what is asked for (store) and what was seen (samples, agents, faults). */
import type { Agents } from '../agents/agents.ts';
import type { FaultLedger } from '../faults/ledger.ts';
import { pictureOf } from '../fleet/plan/picture.ts';
import type { Situation } from '../fleet/plan/situation.ts';
import type { StoredCluster } from '../fleet/records.ts';
import type { FleetStore } from '../fleet/store.ts';
import { FailureError } from '../operations/failure.ts';
import type { LeaderChanges } from '../telemetry/leader-changes.ts';
import type { Observations } from '../telemetry/observations.ts';

export interface SituationsOptions {
  readonly store: FleetStore;
  readonly agents: Agents;
  readonly observations: Observations;
  readonly ledger: FaultLedger;
  readonly leaders: LeaderChanges;
  readonly clock: () => number;
}

export class Situations {
  readonly #options: SituationsOptions;

  constructor(options: SituationsOptions) {
    this.#options = options;
  }

  /** Throws FailureError `notFound`. */
  of(clusterId: string): Situation {
    const cluster = this.#options.store.getCluster(clusterId);
    if (cluster) return this.#situation(cluster);
    throw new FailureError({
      kind: 'notFound',
      message: `There is no cluster ${clusterId}.`,
      nextStep: 'List the clusters again; it may have been destroyed.',
    });
  }

  all(): Situation[] {
    return this.#options.store.listClusters().map((cluster) => this.#situation(cluster));
  }

  #situation(cluster: StoredCluster): Situation {
    const { store, agents, observations, ledger, leaders, clock } = this.#options;
    const hosts = store.listHosts().map((host) => {
      const agentConnected = agents.stateOf(host.hostId)?.kind === 'ready';
      return [host.hostId, { name: host.name, agentConnected }] as const;
    });
    const situation: Situation = {
      nowUnixMs: clock(),
      cluster,
      members: store.listMembers(cluster.clusterId),
      hosts: new Map(hosts),
      observations: observations.nodes,
      faults: ledger.list(cluster.clusterId),
      leaderSinceUnixMs: null,
    };
    const leader = pictureOf(situation).leader;
    if (leader === null) return situation;
    return { ...situation, leaderSinceUnixMs: leaders.sinceUnixMs(cluster.clusterId, leader.ballot) };
  }
}
