/**
 * What the client API needs of the node that it stands in front of. `cluster-node/node.ts` implements it over the real core;
 * tests of the API may implement it over a single machine.
 */
import type { Ballot, MemberSlot, Slot } from '../contract/ballot.ts';
import type { Member } from '../contract/configuration.ts';
import type { MemberAddress } from '../contract/node-config.ts';
import type { Operation } from '../machine/command.ts';
import type { KeyValueMachine, OperationResult } from '../machine/machine.ts';

export class NodeUnavailableError extends Error {
  override readonly name = 'NodeUnavailableError';
  readonly reason: 'busy' | 'noSpace' | 'noLeader' | 'timeout' | 'stopping';
  /** False when the operation was certainly not proposed; true when it may still be applied. */
  readonly mayHaveHappened: boolean;
  constructor(reason: NodeUnavailableError['reason'], mayHaveHappened: boolean) {
    super(`the node cannot answer now: ${reason}`);
    this.reason = reason;
    this.mayHaveHappened = mayHaveHappened;
  }
}

/** The state at one slot, to be read out while the node goes on. Holds memory until it is read or closed. */
export interface SnapshotSource {
  readonly slot: Slot;
  readonly revision: number;
  /** A snapshot file (storage/snapshot-file.ts) in pieces of some 64 KiB, some of them empty because little work is done for each. */
  readonly bytes: Iterable<Uint8Array>;
  /** May be called at any time, and again. */
  readonly close: () => void;
}

export interface NodePort {
  readonly clusterId: string;
  readonly self: MemberAddress;
  readonly members: readonly Member[];
  readonly machine: KeyValueMachine;
  /**
   * Replicates the operation and gives its result once it is applied on this node: exactly once, however often the
   * leader changes meanwhile. Rejects with NodeUnavailableError.
   */
  propose(operation: Operation, timeoutMs: number): Promise<OperationResult>;
  /** Resolves when this node's machine has applied everything that was acknowledged anywhere before the call. */
  readBarrier(timeoutMs: number): Promise<void>;
  status(): {
    readonly believedLeader: MemberSlot;
    readonly leaderBallot: Ballot;
    readonly decidedUpTo: Slot;
    readonly appliedUpTo: Slot;
    readonly dataBytes: number;
    readonly version: string;
  };
  /** Of every member, as far as this node knows: its disk is full; its state is not the majority's. */
  troubles(): readonly { readonly nodeId: string; readonly noSpace: boolean; readonly corrupt: boolean }[];
  /** The state as this node has applied it now. */
  snapshot(): SnapshotSource;
  /** Counts a client's request for the samples. */
  observe(kind: 'write' | 'read', latencyMs: number): void;
}
