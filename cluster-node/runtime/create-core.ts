/** The core as this node's configuration and its disk have it. */
import { PaxosCore } from '../paxos/core.ts';
import type { NodeConfig } from '../contract/node-config.ts';
import type { LeaseReads } from '../paxos/interface.ts';
import type { LoadedConfig } from './load-config.ts';
import type { RecoveredNode } from './recover.ts';

const MAX_UNDECIDED_SLOTS = 4096;
/** Of values in memory that are not decided yet: this much at a leader, and this much of what clients of this node wait for. */
const MAX_UNDECIDED_BYTES = 64 * 1024 * 1024;
const MAX_BATCH_BYTES = 1024 * 1024;

/** `boot` draws the jitter of this life. */
export function createCore({ config, self }: LoadedConfig, recovered: RecoveredNode, boot: number): PaxosCore {
  const { heartbeatMs, electionTimeoutMs } = config;
  const options = {
    self: self.memberSlot,
    configuration: recovered.configuration,
    heartbeatMs,
    electionTimeoutMs,
    seed: boot % 2 ** 32,
    maxUndecidedSlots: MAX_UNDECIDED_SLOTS,
    maxUndecidedBytes: MAX_UNDECIDED_BYTES,
    maxBatchBytes: MAX_BATCH_BYTES,
    leaseReads: leaseReadsOf(config),
  };
  return new PaxosCore(options, recovered.core);
}

/** How long this node vows, if it does: no longer than it takes to notice that a leader is gone. */
export function leaseReadsOf({ leaseReads, electionTimeoutMs }: NodeConfig): LeaseReads | null {
  return leaseReads && { durationMs: electionTimeoutMs, driftRatio: leaseReads.driftRatio };
}
