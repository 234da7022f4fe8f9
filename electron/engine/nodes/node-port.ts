/** What operations on nodes need from the rest of the engine. */
import type { Agents } from '../agents/agents.ts';
import type { Picture } from '../fleet/plan/picture.ts';
import type { LeaderChanges } from '../telemetry/leader-changes.ts';
import type { Observations } from '../telemetry/observations.ts';

export interface NodePort {
  readonly agents: Pick<Agents, 'call'>;
  readonly observations: Observations;
  readonly leaders: LeaderChanges;
  readonly clock: () => number;
  /** The cluster as it is seen now. Throws FailureError `notFound`. */
  readonly picture: (clusterId: string) => Picture;
}
