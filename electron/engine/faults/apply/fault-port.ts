/** What injecting and healing need from the rest of the engine. */
import type { Agents } from '../../agents/agents.ts';
import type { Situation } from '../../fleet/plan/situation.ts';
import type { Observations } from '../../telemetry/observations.ts';
import type { FaultLedger } from '../ledger.ts';

export interface FaultPort {
  readonly agents: Agents;
  readonly ledger: FaultLedger;
  readonly observations: Observations;
  readonly clock: () => number;
  /** What is asked for and seen of the cluster now. Throws FailureError `notFound`. */
  readonly situation: (clusterId: string) => Situation;
}

export function hostName(situation: Situation, hostId: string): string {
  return situation.hosts.get(hostId)?.name ?? hostId;
}
