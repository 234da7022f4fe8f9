/**
 * The replicated key-value machine. It executes the decided slots in order and nothing else changes it, so that nodes that
 * applied the same slots are in the same state: no clock, no randomness, no input but the log. A command that fails does so
 * on every node alike; its error is its result.
 */
import type { Slot } from '../contract/ballot.ts';
import { isConfigurationValue } from '../contract/configuration.ts';
import type {
  CompactionRequest,
  CompactionResponse,
  DeleteRangeResponse,
  PutResponse,
  RangeRequest,
  TxnRequest,
  TxnResponse,
} from '../contract/etcd/rpc.ts';
import type { RequestId } from '../contract/peer.ts';
import { checkOperation, checkRange } from './check.ts';
import { decodeCommand, type Operation } from './command.ts';
import { type EtcdError, etcdErrors } from './errors.ts';
import { type Admit, type RangeResult, range, revisionHeader } from './range.ts';
import { Sessions } from './sessions.ts';
import { restoreParts } from './snapshot-restore.ts';
import { defaultSnapshotRule, type SnapshotRule, SnapshotSchedule } from './snapshot-schedule.ts';
import { MachineSnapshot } from './snapshot-view.ts';
import { Store } from './store.ts';
import { deleteRange, deletionBytes, isReadOnly, put, putError, transact } from './transaction.ts';

/** What became of one operation. Headers carry the revision only; the API fills in the rest. */
export type OperationResult =
  | { readonly kind: 'put'; readonly response: PutResponse }
  | { readonly kind: 'deleteRange'; readonly response: DeleteRangeResponse }
  | { readonly kind: 'txn'; readonly response: TxnResponse }
  | { readonly kind: 'compact'; readonly response: CompactionResponse }
  | { readonly kind: 'error'; readonly error: EtcdError };

export interface Applied {
  readonly request: RequestId;
  readonly result: OperationResult;
}

/**
 * What a change may read. Every node executes it, also those that answer nobody, so what one client asks
 * for must not be more than all of them can hold.
 */
const MAX_READ_IN_LOG_BYTES = 64 * 1024 * 1024;

const admitInLog: Admit = (bytes) => (bytes > MAX_READ_IN_LOG_BYTES ? etcdErrors.requestTooLarge : null);
const admitAll: Admit = () => null;

export class KeyValueMachine {
  readonly #store = new Store();
  readonly #sessions = new Sessions();
  readonly #schedule: SnapshotSchedule;
  #appliedUpTo: Slot = 0;

  /** `rule` must be the same on all nodes. */
  constructor(rule: SnapshotRule = defaultSnapshotRule) {
    this.#schedule = new SnapshotSchedule(rule);
  }

  /**
   * The machine that gave these bytes (`MachineSnapshot.chunks`), however they are cut. Throws SnapshotFormatError when they
   * are damaged, and whatever reading them throws.
   */
  static async restore(
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    rule?: SnapshotRule,
  ): Promise<KeyValueMachine> {
    const machine = new KeyValueMachine(rule);
    const parts = { store: machine.#store, sessions: machine.#sessions, schedule: machine.#schedule };
    machine.#appliedUpTo = await restoreParts(parts, chunks);
    return machine;
  }

  /** Revision of the latest change; an empty store is at 1. */
  get revision(): number {
    return this.#store.revision;
  }
  /** Keys that exist now. */
  get keyCount(): number {
    return this.#store.liveKeys;
  }
  /** The last slot given to `apply`; 0 at first. */
  get appliedUpTo(): Slot {
    return this.#appliedUpTo;
  }

  /**
   * Executes the decided value of the next slot (`appliedUpTo + 1`). null for a no-op (0 bytes), for a configuration, and for
   * a command that was applied before. Copies what it keeps. Throws CommandFormatError, and then the node must not go on.
   */
  apply(slot: Slot, value: Uint8Array): Applied | null {
    if (slot !== this.#appliedUpTo + 1) throw new Error(`slot ${slot} cannot follow slot ${this.#appliedUpTo}`);
    const isCommand = value.length > 0 && !isConfigurationValue(value);
    const command = isCommand ? decodeCommand(value) : null;
    this.#appliedUpTo = slot;
    const isNew = command !== null && this.#sessions.admit(command);
    const applied = isNew ? { request: command.request, result: this.#execute(command.operation, admitInLog) } : null;
    this.#schedule.applied(slot, value.length, this.#store.storedBytes);
    return applied;
  }

  /** Reads the machine as it is now, or its past. The pairs in the answer belong to the machine: do not change them. */
  range(request: RangeRequest, admit: Admit = admitAll): RangeResult {
    const error = checkRange(request);
    return error ? { kind: 'error', error } : range(this.#store, request, admit);
  }

  /** A transaction that only reads. Throws when it does not. */
  readTransaction(request: TxnRequest, admit: Admit = admitAll): OperationResult {
    if (!isReadOnly(request)) throw new Error('the transaction changes keys and must be proposed');
    return this.#execute({ kind: 'txn', request }, admit);
  }

  /** Eight hex digits, equal on all nodes at equal `appliedUpTo`. Kept up to date with every change, so free to ask. */
  stateHash(): string {
    return this.#store.hash.toString(16).padStart(8, '0');
  }

  /** Whether a snapshot is due at `appliedUpTo`, as on every node at this slot. */
  get isSnapshotDue(): boolean {
    return this.#appliedUpTo > 0 && this.#schedule.lastDueSlot === this.#appliedUpTo;
  }

  /** The machine at `appliedUpTo`, to be read out while it goes on. Holds memory until it is read or closed. */
  snapshot(): MachineSnapshot {
    return new MachineSnapshot({
      slot: this.#appliedUpTo,
      view: this.#store.openView(),
      sessions: this.#sessions.states(),
      schedule: this.#schedule.state,
    });
  }

  /**
   * Gives back memory that compactions freed, looking at up to `maxVersions` versions (about 0.2 µs each); true while there
   * is more to do. Changes nothing that can be seen, so it is to be called now and then, whenever there is time.
   */
  sweep(maxVersions: number): boolean {
    return this.#store.sweep(maxVersions);
  }

  #execute(operation: Operation, admit: Admit): OperationResult {
    const error = checkOperation(operation);
    const result: OperationResult = error ? { kind: 'error', error } : this.#change(operation, admit);
    this.#store.commit();
    return result;
  }

  #change(operation: Operation, admit: Admit): OperationResult {
    switch (operation.kind) {
      case 'put': {
        const error = putError(this.#store, operation.request);
        return error ? { kind: 'error', error } : { kind: 'put', response: put(this.#store, operation.request) };
      }
      case 'deleteRange': {
        const error = admit(deletionBytes(this.#store, operation.request));
        return error
          ? { kind: 'error', error }
          : { kind: 'deleteRange', response: deleteRange(this.#store, operation.request) };
      }
      case 'txn': {
        const response = transact(this.#store, operation.request, admit);
        return 'error' in response ? { kind: 'error', error: response.error } : { kind: 'txn', response };
      }
      case 'compact':
        return this.#compact(operation.request);
    }
  }

  #compact({ revision }: CompactionRequest): OperationResult {
    if (revision <= this.#store.compactedUpTo) return { kind: 'error', error: etcdErrors.compacted };
    if (revision > this.#store.revision) return { kind: 'error', error: etcdErrors.futureRevision };
    this.#store.compact(Number(revision));
    return { kind: 'compact', response: { header: revisionHeader(this.#store.revision) } };
  }
}
