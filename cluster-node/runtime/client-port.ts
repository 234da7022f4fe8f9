/** What clients of this node get: the client API (api/) stands in front of it. Requests wait here until they are answered. */
import { type NodePort, NodeUnavailableError, type SnapshotSource } from '../api/port.ts';
import type { Configuration, Member } from '../contract/configuration.ts';
import type { MemberAddress } from '../contract/node-config.ts';
import type { RequestId } from '../contract/peer.ts';
import { encodeCommand, type Operation } from '../machine/command.ts';
import type { KeyValueMachine, OperationResult } from '../machine/machine.ts';
import type { CoreStatus, Input } from '../paxos/interface.ts';
import type { PendingCalls } from './pending.ts';
import type { NodeMeters } from './sample.ts';
import { snapshotSource } from './snapshot-source.ts';
import type { StateKeeper } from './state-keeper.ts';
import { VERSION } from './version.ts';

/** Requests of clients that wait at this node; past it they are told to try later. */
const MAX_PENDING_CALLS = 20_000;

export interface ClientPortSurroundings {
  readonly clusterId: string;
  readonly self: MemberAddress;
  readonly boot: number;
  readonly meters: NodeMeters;
  readonly pending: PendingCalls;
  readonly configuration: () => Configuration;
  /** Its machine is that of now: it is replaced when a snapshot comes from a peer. */
  readonly state: Pick<StateKeeper, 'machine' | 'isOdd'>;
  readonly status: () => CoreStatus;
  readonly submit: (input: Input) => void;
  readonly dataBytes: () => number;
  /** The disk is so far behind that nothing may be taken in that adds to it. */
  readonly isBacklogged: () => boolean;
  readonly isDiskFull: () => boolean;
}

export class ClientPort implements NodePort {
  readonly #around: ClientPortSurroundings;
  isStopping = false;

  constructor(around: ClientPortSurroundings) {
    this.#around = around;
  }

  get clusterId(): string {
    return this.#around.clusterId;
  }

  get self(): MemberAddress {
    return this.#around.self;
  }

  get members(): readonly Member[] {
    return this.#around.configuration().members;
  }

  get machine(): KeyValueMachine {
    return this.#around.state.machine;
  }

  propose(operation: Operation, timeoutMs: number): Promise<OperationResult> {
    const { pending, submit } = this.#around;
    const refusal = this.#refusal() ?? this.#refusalOfChange();
    if (refusal) return Promise.reject(refusal);
    const { sequence, acknowledgedBelow } = pending.next();
    const request = this.requestId(sequence);
    const value = encodeCommand({ request, acknowledgedBelow }, operation);
    const result = pending.proposal(sequence, timeoutMs);
    submit({ kind: 'propose', request, value });
    return result;
  }

  readBarrier(timeoutMs: number): Promise<void> {
    const refusal = this.#refusal();
    return refusal ? Promise.reject(refusal) : this.#around.pending.read(timeoutMs);
  }

  status() {
    const { believedLeader, leaderBallot, decidedUpTo, appliedUpTo } = this.#around.status();
    return {
      believedLeader,
      leaderBallot,
      decidedUpTo,
      appliedUpTo,
      dataBytes: this.#around.dataBytes(),
      version: VERSION,
    };
  }

  troubles() {
    const { status, isDiskFull, state } = this.#around;
    const { peers } = status();
    return this.members.map(({ nodeId, memberSlot }) => {
      const isFull = peers.some((peer) => peer.member === memberSlot && peer.isDiskFull);
      const noSpace = memberSlot === this.self.memberSlot ? isDiskFull() : isFull;
      return { nodeId, noSpace, corrupt: state.isOdd(memberSlot) };
    });
  }

  snapshot(): SnapshotSource {
    const { clusterId, configuration, state } = this.#around;
    return snapshotSource(state.machine, { clusterId, configuration: configuration() });
  }

  observe(kind: 'write' | 'read', latencyMs: number): void {
    this.#around.meters.observe(kind, latencyMs);
  }

  requestId(sequence: number): RequestId {
    const { self, boot } = this.#around;
    return { origin: self.memberSlot, boot, sequence };
  }

  #refusal(): NodeUnavailableError | null {
    // One that was removed could still pass requests on, for a while; clients had better find those who stay.
    if (this.isStopping || !this.#isMember()) return new NodeUnavailableError('stopping', false);
    const isBusy = this.#around.pending.size >= MAX_PENDING_CALLS || this.#around.isBacklogged();
    return isBusy ? new NodeUnavailableError('busy', false) : null;
  }

  #isMember(): boolean {
    return this.members.some(({ memberSlot }) => memberSlot === this.self.memberSlot);
  }

  #refusalOfChange(): NodeUnavailableError | null {
    const { isDiskFull, status } = this.#around;
    return isDiskFull() && status().role === 'leader' ? new NodeUnavailableError('noSpace', false) : null;
  }
}
