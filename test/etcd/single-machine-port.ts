/** A node of its own for tests of the API: one machine, every proposal decided at once. */
import type { NodePort, NodeUnavailableError } from '../../cluster-node/api/port.ts';
import { encodeCommand, type Operation } from '../../cluster-node/machine/command.ts';
import { firstConfiguration } from '../../cluster-node/contract/configuration.ts';
import { snapshotSource } from '../../cluster-node/runtime/snapshot-source.ts';
import { KeyValueMachine, type OperationResult } from '../../cluster-node/machine/machine.ts';

const self = { memberSlot: 1, nodeId: 'n-aaaaaaaa', name: 'node-1', address: '127.0.0.1', peerPort: 1, clientPort: 1 };

export class SingleMachinePort implements NodePort {
  readonly clusterId = 'c-aaaaaaaa';
  readonly self = self;
  readonly members = [self, { ...self, memberSlot: 2, nodeId: 'n-bbbbbbbb', name: 'node-2', address: 'fe80::2' }].map(
    (member) => ({ ...member, role: 'voter' as const }),
  );
  readonly machine = new KeyValueMachine();
  /** Set: proposals and barriers are refused with it. */
  failure: NodeUnavailableError | null = null;
  barriers = 0;
  trouble: { noSpace: boolean; corrupt: boolean } | null = null;
  readonly observed = { write: 0, read: 0 };

  propose(operation: Operation): Promise<OperationResult> {
    if (this.failure) return Promise.reject(this.failure);
    const slot = this.machine.appliedUpTo + 1;
    const envelope = { request: { origin: 1, boot: 7, sequence: slot }, acknowledgedBelow: slot };
    const applied = this.machine.apply(slot, encodeCommand(envelope, operation));
    if (!applied) throw new Error('a fresh command was not applied');
    return Promise.resolve(applied.result);
  }

  readBarrier(): Promise<void> {
    this.barriers++;
    return this.failure ? Promise.reject(this.failure) : Promise.resolve();
  }

  status() {
    const { appliedUpTo } = this.machine;
    return {
      believedLeader: this.failure ? 0 : 1,
      leaderBallot: 1025,
      decidedUpTo: appliedUpTo,
      appliedUpTo,
      dataBytes: 4096,
      version: '3.5.21',
    };
  }

  troubles() {
    return this.trouble === null ? [] : this.members.map(({ nodeId }) => ({ nodeId, ...this.trouble! }));
  }

  snapshot() {
    return snapshotSource(this.machine, { clusterId: this.clusterId, configuration: firstConfiguration(this.members) });
  }

  observe(kind: 'write' | 'read'): void {
    this.observed[kind]++;
  }
}
