/**
 * The live side of the engine, put together: agents on the hosts that have nodes, what they say (observations, history,
 * timeline), what is judged from it (views), and what can be done (actions, faults). It owns one heartbeat of its own, on
 * the whole second, which writes history and lets time decide what only time decides. Closing it ends the agents; nodes go
 * on.
 */
import type { Logger } from 'pino';
import type { ClusterView, Operation, SeriesBatch } from '../../contract/model.ts';
import type { OpenAgentChannel } from '../agents/agent-session.ts';
import { Agents, agentCommand } from '../agents/agents.ts';
import { FaultLedger } from '../faults/ledger.ts';
import { pictureOf } from '../fleet/plan/picture.ts';
import { clusterView, type HostObservation } from '../fleet/plan/views.ts';
import type { FleetStore } from '../fleet/store.ts';
import { FailureError } from '../operations/failure.ts';
import type { Operations } from '../operations/operations.ts';
import { History } from '../telemetry/history.ts';
import { LeaderChanges } from '../telemetry/leader-changes.ts';
import { Observations } from '../telemetry/observations.ts';
import { clusterSeries } from '../telemetry/series.ts';
import { Timeline } from '../telemetry/timeline.ts';
import { Actions } from './actions.ts';
import { Situations } from './situations.ts';

export interface LiveOptions {
  readonly store: FleetStore;
  readonly operations: Operations;
  /** Opens a channel to a host; `target.command` is to run in its home folder. */
  readonly open: OpenAgentChannel;
  readonly destroyCluster: (clusterId: string) => Operation;
  readonly log: Logger;
  readonly clock: () => number;
}

const SECOND_MS = 1000;

export class Live {
  readonly actions: Actions;
  readonly observations = new Observations();
  readonly history = new History();
  readonly agents: Agents;
  readonly ledger: FaultLedger;
  readonly #options: LiveOptions;
  readonly #leaders: LeaderChanges;
  readonly #timeline: Timeline;
  readonly #situations: Situations;
  readonly #listeners = new Set<() => void>();
  readonly #unsubscribe: (() => void)[];
  #ticker: NodeJS.Timeout | null = null;

  constructor(options: LiveOptions) {
    const { store, operations, open, log, clock } = options;
    this.#options = options;
    this.agents = new Agents({ open, log, clock });
    this.ledger = new FaultLedger({ store, agents: this.agents, log, clock });
    this.#leaders = new LeaderChanges(clock);
    this.#timeline = new Timeline({ store, leaders: this.#leaders, clock });
    const { agents, ledger, observations } = this;
    this.#situations = new Situations({ store, agents, observations, ledger, leaders: this.#leaders, clock });
    const situation = (clusterId: string) => this.#situations.of(clusterId);
    this.actions = new Actions({
      operations,
      destroyCluster: options.destroyCluster,
      faults: { agents, ledger, observations, clock, situation },
      nodes: { agents, observations, leaders: this.#leaders, clock, picture: (id) => pictureOf(situation(id)) },
    });
    this.#unsubscribe = [this.#listen(), operations.onChange((operation) => this.#timeline.takeOperation(operation))];
    this.#scheduleTick();
  }

  #listen(): () => void {
    return this.agents.listen({
      onSample: (received) => {
        this.observations.take(received);
        this.ledger.observe(received);
        this.#changed();
      },
      onNodeEvents: (received) => this.#timeline.takeNodeEvents(received),
      onState: (hostId, state) => {
        this.#timeline.takeAgentState(hostId, state);
        this.#changed();
      },
    });
  }

  #scheduleTick(): void {
    const now = this.#options.clock();
    this.#ticker = setTimeout(
      () => {
        this.tick();
        this.#scheduleTick();
      },
      SECOND_MS - (now % SECOND_MS),
    );
  }

  /** What happens on every whole second. A failure here is logged; the next second comes all the same. */
  tick(): void {
    try {
      this.ledger.tick();
      this.#timeline.tick();
      const hosts = this.#options.store.listHosts().flatMap(({ hostId }) => {
        const observation = this.observations.host(hostId);
        return observation ? [[hostId, observation] as const] : [];
      });
      this.history.record(this.#options.clock(), { situations: this.#situations.all(), hosts: new Map(hosts) });
      this.#changed();
    } catch (error) {
      this.#options.log.error({ err: error }, 'a second was not recorded');
    }
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Calls back when what is observed may have changed (several times a second); returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Keeps an agent on this host, of the release of the first cluster that has a node there; on a host without one, none.
   * Call it at start, and when a host's nodes or their release have changed.
   */
  async attach(hostId: string): Promise<void> {
    const { store } = this.#options;
    const host = store.getHost(hostId);
    const member = store.listMembersOnHost(hostId)[0];
    const cluster = member ? store.getCluster(member.clusterId) : null;
    if (!host || !cluster) return await this.agents.detach(hostId);
    this.agents.attach({ hostId, host: host.name, command: agentCommand(cluster) });
  }

  /** Ends the agent on this host and forgets what was seen of it. */
  async detach(hostId: string): Promise<void> {
    await this.agents.detach(hostId);
    this.observations.forgetHost(hostId);
    this.history.rings.forget(hostId);
  }

  /** Forgets what was seen of a cluster that is no more. */
  forgetCluster(clusterId: string, nodeIds: readonly string[]): void {
    for (const nodeId of nodeIds) {
      this.observations.forgetNode(nodeId);
      this.history.rings.forget(nodeId);
    }
    this.history.rings.forget(clusterId);
    this.ledger.forgetCluster(clusterId);
    this.#leaders.forget(clusterId);
  }

  /** Throws FailureError `notFound`. */
  clusterView(clusterId: string): ClusterView {
    return clusterView(this.#situations.of(clusterId));
  }

  /** Last seen, whatever its age; null: never. */
  hostObservation(hostId: string): HostObservation | null {
    return this.observations.host(hostId);
  }

  /** Host clock minus engine clock, milliseconds; null: unknown. */
  clockOffsetMs(hostId: string): number | null {
    return this.agents.clockOffsetMs(hostId);
  }

  /** Throws FailureError `notFound`. */
  series(clusterId: string, windowMs: number, signal?: AbortSignal): AsyncGenerator<SeriesBatch, void, void> {
    const { members } = this.#situations.of(clusterId);
    return clusterSeries({
      history: this.history,
      clusterId,
      nodeIds: members.map((member) => member.nodeId),
      hostIds: [...new Set(members.map((member) => member.hostId))],
      windowMs,
      signal,
    });
  }

  /** Last lines of a node's log, oldest first. Throws FailureError `notFound`, AgentError. */
  async logTail(nodeId: string, lines: number): Promise<string[]> {
    const member = this.#options.store.getMember(nodeId);
    if (!member)
      throw new FailureError({
        kind: 'notFound',
        message: `There is no node ${nodeId}.`,
        nextStep: 'List the clusters again; it may have been destroyed.',
      });
    return (await this.agents.call(member.hostId, 'logTail', { nodeId, lines })).lines;
  }

  async close(): Promise<void> {
    if (this.#ticker) clearTimeout(this.#ticker);
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.agents.close();
  }
}
