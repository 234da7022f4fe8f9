/** The replicated key-value machine (signatures; the body follows). */
import type { Slot } from '../contract/ballot.ts';
import type {
  CompactionResponse,
  DeleteRangeResponse,
  PutResponse,
  RangeRequest,
  RangeResponse,
  TxnResponse,
} from '../contract/etcd/rpc.ts';
import type { RequestId } from '../contract/peer.ts';
import type { EtcdError } from './errors.ts';

export type RangeResult =
  | { readonly kind: 'range'; readonly response: RangeResponse }
  | { readonly kind: 'error'; readonly error: EtcdError };

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

export class KeyValueMachine {
  /** Revision of the latest change; an empty store is at 1. */
  get revision(): number {
    throw new Error('not yet');
  }
  /** Keys that exist now. */
  get keyCount(): number {
    throw new Error('not yet');
  }
  /** The last slot given to `apply`; 0 at first. */
  get appliedUpTo(): Slot {
    throw new Error('not yet');
  }
  /**
   * Executes the decided value of the next slot (`appliedUpTo + 1`). null for a no-op (0 bytes) and for a command that was
   * applied before. Throws CommandFormatError.
   */
  apply(_slot: Slot, _value: Uint8Array): Applied | null {
    throw new Error('not yet');
  }
  /** Reads the machine as it is now, or its past. */
  range(_request: RangeRequest): RangeResult {
    throw new Error('not yet');
  }
  /** Eight hex digits, equal on all nodes at equal `appliedUpTo`. */
  stateHash(): string {
    throw new Error('not yet');
  }
}
