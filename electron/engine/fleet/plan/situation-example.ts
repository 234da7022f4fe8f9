/** Situations for tests: a healthy cluster, and what is to be different in it. */

import { ballotOf } from '../../../../cluster-node/contract/ballot.ts';
import type { NodeSample, ServiceState } from '../../../../cluster-node/contract/sample.ts';
import type { FaultView } from '../../../contract/model.ts';
import { between } from '../../faults/plan/partitions.ts';
import type { NodeObservation, Situation } from './situation.ts';

export const NOW = 1_700_000_000_000;

export interface Change {
  /** Not observed at all. */
  readonly never?: boolean;
  readonly ageMs?: number;
  readonly service?: Partial<ServiceState>;
  /** false: it does not answer. */
  readonly sample?: Partial<NodeSample> | false;
  readonly writesPerSecond?: number | null;
  readonly answeredPid?: number;
}

export interface Example {
  readonly voters: number;
  /** Member slot of whom all believe to lead; default 1. */
  readonly leader?: number;
  /** By member slot. */
  readonly change?: Record<number, Change>;
  /** Groups that an active fault keeps apart. */
  readonly partition?: readonly (readonly number[])[];
  /** Member slots whose host has no agent to ask. */
  readonly unaskable?: readonly number[];
}

export function nodeIdOf(memberSlot: number): string {
  return `n-0000000${memberSlot}`;
}

export function situationExample(example: Example): Situation {
  const slots = Array.from({ length: example.voters }, (_, at) => at + 1);
  const observations = new Map<string, NodeObservation>();
  for (const slot of slots) {
    const change = example.change?.[slot] ?? {};
    if (!change.never)
      observations.set(nodeIdOf(slot), observationExample(slot, slots, { ...change, leader: example.leader ?? 1 }));
  }
  return {
    nowUnixMs: NOW,
    cluster: {
      clusterId: 'c-00000001',
      name: 'orders',
      origin: 'operator',
      createdAtUnixMs: NOW - 1000,
      lifecycle: 'provisioned',
      heartbeatMs: 50,
      electionTimeoutMs: 300,
    },
    members: slots.map((slot) => ({
      nodeId: nodeIdOf(slot),
      memberSlot: slot,
      name: `node-${slot}`,
      hostId: `h-0000000${slot}`,
      address: `10.0.0.${slot}`,
      peerPort: 2380,
      clientPort: 2379,
    })),
    hosts: new Map(
      slots.map((slot) => [
        `h-0000000${slot}`,
        { name: `host-${slot}`, agentConnected: !example.unaskable?.includes(slot) },
      ]),
    ),
    observations,
    faults: example.partition ? [faultExample(example.partition)] : [],
    leaderSinceUnixMs: NOW - 500,
    certificatesExpireAtUnixMs: null,
    leaving: [],
  };
}

export function faultExample(groups: readonly (readonly number[])[]): FaultView {
  return {
    faultId: 'f-00000001',
    clusterId: 'c-00000001',
    kind: 'partition',
    links: between(groups),
    title: 'a partition',
    injectedAtUnixMs: NOW - 5000,
    healsAtUnixMs: NOW + 5000,
    endedAtUnixMs: null,
    state: 'active',
    nodes: [],
  };
}

function observationExample(
  slot: number,
  slots: readonly number[],
  change: Change & { leader: number },
): NodeObservation {
  const service: ServiceState = {
    nodeId: nodeIdOf(slot),
    state: 'running',
    pid: 100 + slot,
    restarts: 0,
    reason: null,
    ...change.service,
  };
  return {
    service,
    sample: change.sample === false ? null : { ...sampleExample(slot, slots, change.leader), ...change.sample },
    answeredPid: change.answeredPid ?? null,
    observedAtUnixMs: NOW - (change.ageMs ?? 200),
    writesPerSecond: change.writesPerSecond === undefined ? 100 : change.writesPerSecond,
  };
}

function sampleExample(slot: number, slots: readonly number[], leader: number): NodeSample {
  const latency = { p50Ms: 1, p99Ms: 2 + slot, count: slot };
  return {
    nodeId: nodeIdOf(slot),
    memberSlot: slot,
    version: '0.1.0',
    pid: 100 + slot,
    startedAtUnixMs: NOW - 60_000,
    role: slot === leader ? 'leader' : 'follower',
    believedLeader: leader,
    leaderBallot: ballotOf(7, leader),
    promised: ballotOf(7, leader),
    acceptedUpTo: 1000,
    decidedUpTo: 1000,
    appliedUpTo: 1000,
    quorumConnected: true,
    configuration: { configId: 1, voters: [...slots], learners: [] },
    behind: null,
    faultySlots: 0,
    snapshotSlot: 0,
    alarms: [],
    revision: 900,
    keys: 12,
    commitLatency: latency,
    fsyncLatency: latency,
    writesTotal: 5000,
    readsTotal: 0,
    queues: { undecidedSlots: 0, pendingRequests: 0, unsyncedRecords: 0 },
    eventLoopLagMs: 0,
    dataBytes: 1,
    residentBytes: 1,
    peers: slots
      .filter((other) => other !== slot)
      .map((memberSlot) => ({ memberSlot, connected: true, roundTripMs: 0.5, heardMsAgo: 20, decidedUpTo: 1000 })),
    faults: [],
  };
}
