/** The figures that a node tells about itself once a second. */
import type { MemberRole } from '../contract/configuration.ts';
import type { ActiveFault } from '../contract/fault.ts';
import type { MemberAddress } from '../contract/node-config.ts';
import type { NodeSample } from '../contract/sample.ts';
import type { KeyValueMachine } from '../machine/machine.ts';
import { EventLoopLag } from '../metrics/event-loop-lag.ts';
import { LatencyWindow } from '../metrics/latency.ts';
import type { CoreStatus } from '../paxos/interface.ts';
import type { Storage } from '../storage/storage.ts';

export class NodeMeters {
  readonly startedAtUnixMs = Date.now();
  /** From a client's request to its answer. */
  readonly commit = new LatencyWindow();
  readonly fsync = new LatencyWindow();
  readonly lag = new EventLoopLag();
  writesTotal = 0;
  readsTotal = 0;

  observe(kind: 'write' | 'read', latencyMs: number): void {
    if (kind === 'read') this.readsTotal += 1;
    else {
      this.writesTotal += 1;
      this.commit.record(latencyMs);
    }
  }

  close(): void {
    this.lag.close();
  }
}

export interface SampleSources {
  readonly self: MemberAddress;
  readonly version: string;
  readonly core: CoreStatus;
  readonly machine: KeyValueMachine;
  readonly storage: Storage;
  readonly meters: NodeMeters;
  readonly snapshotSlot: number;
  readonly alarms: readonly string[];
  readonly pendingCalls: number;
  readonly isConnected: (member: number) => boolean;
  readonly faults: readonly ActiveFault[];
}

/** Takes the percentiles of the interval, so that the next sample covers the next one. */
export function nodeSample(sources: SampleSources): NodeSample {
  const { self, core, machine, storage, meters } = sources;
  const slotsWith = (role: MemberRole) =>
    core.configuration.members.filter((member) => member.role === role).map(({ memberSlot }) => memberSlot);
  return {
    nodeId: self.nodeId,
    memberSlot: self.memberSlot,
    version: sources.version,
    pid: process.pid,
    startedAtUnixMs: meters.startedAtUnixMs,
    role: core.role,
    believedLeader: core.believedLeader,
    leaderBallot: core.leaderBallot,
    promised: core.promised,
    acceptedUpTo: core.acceptedUpTo,
    decidedUpTo: core.decidedUpTo,
    appliedUpTo: core.appliedUpTo,
    quorumConnected: core.quorumConnected,
    configuration: {
      configId: core.configuration.configId,
      voters: slotsWith('voter'),
      learners: slotsWith('learner'),
    },
    behind: core.behind,
    faultySlots: core.faultySlots,
    snapshotSlot: sources.snapshotSlot,
    alarms: [...sources.alarms],
    revision: machine.revision,
    keys: machine.keyCount,
    commitLatency: meters.commit.take(),
    fsyncLatency: meters.fsync.take(),
    writesTotal: meters.writesTotal,
    readsTotal: meters.readsTotal,
    queues: {
      undecidedSlots: core.undecidedSlots,
      pendingRequests: Math.max(core.pendingRequests, sources.pendingCalls),
      unsyncedRecords: storage.unsyncedRecords,
    },
    eventLoopLagMs: meters.lag.take(),
    dataBytes: storage.dataBytes,
    residentBytes: process.memoryUsage.rss(),
    peers: core.peers.map((peer) => ({
      memberSlot: peer.member,
      connected: sources.isConnected(peer.member),
      roundTripMs: peer.roundTripMs,
      heardMsAgo: peer.heardMsAgo,
      decidedUpTo: peer.decidedUpTo,
    })),
    faults: sources.faults.map(({ faultId, remainingMs }) => ({ faultId, remainingMs })),
  };
}
