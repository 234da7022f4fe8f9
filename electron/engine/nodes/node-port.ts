/** What operations on nodes need from the rest of the engine. */
import type { Agents } from '../agents/agents.ts';
import type { Picture } from '../fleet/plan/picture.ts';
import type { LeaderChanges } from '../telemetry/leader-changes.ts';
import type { Observations } from '../telemetry/observations.ts';

/** What asking a service for something, and seeing what came of it, needs. */
export interface ServicePort {
  readonly agents: Pick<Agents, 'call'>;
  readonly observations: Observations;
  readonly clock: () => number;
  /** The cluster as it is seen now. Throws FailureError `notFound`. */
  readonly picture: (clusterId: string) => Picture;
}

export interface NodePort extends ServicePort {
  readonly leaders: LeaderChanges;
}
