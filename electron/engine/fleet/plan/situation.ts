/**
 * What is asked for and what was seen of one cluster, at one moment: the only input of everything in this folder. Health,
 * views and consequences are pure functions of it, so that the same situation always reads the same, in a test as on a bad
 * night. What was seen more than `FRESH_MS` ago is not used as current: it is unknown.
 */
import type { NodeSample, ServiceState } from '../../../../cluster-node/contract/sample.ts';
import type { ClusterView, FaultView } from '../../../contract/model.ts';

/** An observation older than this many milliseconds is history, not state. Samples come once a second. */
export const FRESH_MS = 3000;

/** A member as it is asked for; a `StoredMember` is one. */
export interface MemberDesired {
  readonly nodeId: string;
  readonly memberSlot: number;
  readonly name: string;
  readonly hostId: string;
  readonly address: string;
  readonly peerPort: number;
  readonly clientPort: number;
  /** Its data are on the way to another folder. */
  readonly moving?: { readonly to: string | null } | null;
}

/** A cluster as it is asked for; a `StoredCluster` is one. */
export interface ClusterDesired {
  readonly clusterId: string;
  readonly name: string;
  readonly origin: ClusterView['origin'];
  readonly createdAtUnixMs: number;
  readonly lifecycle: ClusterView['lifecycle'];
  readonly heartbeatMs: number;
  readonly electionTimeoutMs: number;
}

/** What was last seen of a node, whatever its age. */
export interface NodeObservation {
  readonly service: ServiceState;
  /** null: the node did not answer when its host was sampled. */
  readonly sample: NodeSample | null;
  /** Which process answered last; null: none since this engine began. */
  readonly answeredPid: number | null;
  /** On the engine's clock. */
  readonly observedAtUnixMs: number;
  /** From two samples of one life of the node; null: unknown. */
  readonly writesPerSecond: number | null;
}

export interface HostSituation {
  readonly name: string;
  /** The engine can ask the agent on this host now. */
  readonly agentConnected: boolean;
}

export interface Situation {
  readonly nowUnixMs: number;
  readonly cluster: ClusterDesired;
  /** By member slot. */
  readonly members: readonly MemberDesired[];
  /** By host id. */
  readonly hosts: ReadonlyMap<string, HostSituation>;
  /** By node id; a node that was never seen is absent. */
  readonly observations: ReadonlyMap<string, NodeObservation>;
  /** Those of this cluster, ended ones too. */
  readonly faults: readonly FaultView[];
  /** Since when the believed leader leads under its ballot, on the engine's clock; null: unknown. */
  readonly leaderSinceUnixMs: number | null;
  /** The first of them; null: unknown. */
  readonly certificatesExpireAtUnixMs: number | null;
  /** Members that the cluster has removed, and whose hosts are not cleaned yet. */
  readonly leaving: readonly MemberDesired[];
}

/** Faults that may be dropping messages now. */
export function holdingFaults(faults: readonly FaultView[]): FaultView[] {
  return faults.filter((fault) => ['injecting', 'active', 'healing', 'unknown'].includes(fault.state));
}
