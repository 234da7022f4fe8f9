/**
 * Put, DeleteRange and Txn on the store (etcd, server/etcdserver/txn/txn.go). A transaction first evaluates all compares,
 * nested ones too, then checks the operations of the branches taken, and only then executes: from there on nothing fails.
 */
import type { KeyValue } from '../contract/etcd/kv.ts';
import {
  type CompactionResponse,
  type Compare,
  Compare_CompareResult as Comparison,
  type DeleteRangeRequest,
  type DeleteRangeResponse,
  type PutRequest,
  type PutResponse,
  type RangeResponse,
  type RequestOp,
  type ResponseOp,
  Compare_CompareTarget as Target,
  type TxnRequest,
  type TxnResponse,
} from '../contract/etcd/rpc.ts';
import { type EtcdError, etcdErrors } from './errors.ts';
import {
  type Admit,
  answerBytes,
  bytesOf,
  compareBigints,
  pairsBytes,
  range,
  revisionError,
  revisionHeader,
} from './range.ts';
import type { Store } from './store.ts';
import { pairOf } from './versions.ts';

/** The outcome of a transaction's compares and, in the order of the branch taken, of the transactions nested in it. */
interface Path {
  readonly succeeded: boolean;
  readonly ops: readonly RequestOp[];
  readonly nested: readonly Path[];
}

const missing: KeyValue = {
  key: new Uint8Array(0),
  createRevision: 0n,
  modRevision: 0n,
  version: 0n,
  value: new Uint8Array(0),
  lease: 0n,
};

export function isReadOnly(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].every((op) => op.request?.$case === 'requestRange');
}

/**
 * True when the caller settles for this node's own state, however old, in every range. A transaction that only compares has
 * settled for nothing, so it reads like a linearizable one (etcd answers it from the node's own state).
 */
export function isSerializable(request: TxnRequest): boolean {
  const operations = [...request.success, ...request.failure];
  return (
    operations.length > 0 &&
    operations.every(({ request: op }) => op?.$case === 'requestRange' && op.value.serializable)
  );
}

/** What a response, also one inside another, comes to besides its pairs, at the most. */
const RESPONSE_BYTES = 64;

/** What a response comes to when it is encoded, at the most. */
export function responseBytes(response: AnyResponse): number {
  if ('responses' in response)
    return response.responses.reduce(
      (sum, { response: op }) => sum + (op ? responseBytes(op.value) : 0),
      RESPONSE_BYTES,
    );
  return RESPONSE_BYTES + pairsBytes(pairsIn(response));
}

function pairsIn(response: Exclude<AnyResponse, TxnResponse>): readonly KeyValue[] {
  if ('prevKvs' in response) return response.prevKvs;
  if ('kvs' in response) return response.kvs;
  return 'prevKv' in response && response.prevKv ? [response.prevKv] : [];
}

type AnyResponse = PutResponse | DeleteRangeResponse | RangeResponse | TxnResponse | CompactionResponse;

export function putError(store: Store, request: PutRequest): EtcdError | null {
  if (request.lease !== 0n) return etcdErrors.leaseNotFound;
  if (!request.ignoreValue && !request.ignoreLease) return null;
  return store.latest(request.key) ? null : etcdErrors.keyNotFound;
}

/** The request was checked, also by `putError`. Leaves the transaction open. */
export function put(store: Store, request: PutRequest): PutResponse {
  const isAskedFor = request.prevKv || request.ignoreValue || request.ignoreLease;
  const latest = isAskedFor ? store.latest(request.key) : undefined;
  const previous = latest && pairOf(latest);
  store.put({
    key: request.key,
    value: request.ignoreValue && previous ? previous.value : request.value,
    lease: request.ignoreLease && previous ? previous.lease : request.lease,
  });
  return { header: revisionHeader(store.visibleRevision), prevKv: request.prevKv ? previous : undefined };
}

/** What the pairs come to that a deletion is to answer with. */
export function deletionBytes(store: Store, request: DeleteRangeRequest): number {
  return request.prevKv ? bytesOf(store.existing(request, store.visibleRevision), false) : 0;
}

/** Leaves the transaction open. */
export function deleteRange(store: Store, request: DeleteRangeRequest): DeleteRangeResponse {
  const deleted = store.deleteRange(request);
  return {
    header: revisionHeader(store.visibleRevision),
    deleted: BigInt(deleted.length),
    prevKvs: request.prevKv ? deleted.map(pairOf) : [],
  };
}

/**
 * The request was checked. Leaves the transaction open when it succeeds and changes nothing when it fails. `admit` is asked before
 * anything is done about all that will be read.
 */
export function transact(store: Store, request: TxnRequest, admit: Admit): TxnResponse | { readonly error: EtcdError } {
  const path = evaluate(store, request);
  const error = pathError(store, path) ?? admit(readBytes(store, path));
  if (error) return { error };
  const response = execute(store, path);
  return { ...response, header: revisionHeader(store.visibleRevision) };
}

function evaluate(store: Store, request: TxnRequest): Path {
  const succeeded = request.compare.every((compare) => holds(store, compare));
  const ops = succeeded ? request.success : request.failure;
  const nested = ops.flatMap(({ request: op }) => (op?.$case === 'requestTxn' ? [evaluate(store, op.value)] : []));
  return { succeeded, ops, nested };
}

/** Puts anywhere in the path are looked at before ranges, as etcd does: it decides which of two errors a client sees. */
function pathError(store: Store, path: Path): EtcdError | null {
  const ops = opsOf(path);
  for (const { request } of ops) {
    const error = request?.$case === 'requestPut' ? putError(store, request.value) : null;
    if (error) return error;
  }
  for (const { request } of ops) {
    const error = request?.$case === 'requestRange' ? revisionError(store, request.value.revision) : null;
    if (error) return error;
  }
  return null;
}

/** As the store is before the transaction: what it puts itself comes on top. */
function readBytes(store: Store, path: Path): number {
  let bytes = 0;
  for (const { request } of opsOf(path)) {
    if (request?.$case === 'requestRange') bytes += answerBytes(store, request.value);
    if (request?.$case === 'requestDeleteRange') bytes += deletionBytes(store, request.value);
    if (request?.$case === 'requestPut' && request.value.prevKv) {
      const latest = store.latest(request.value.key);
      bytes += latest ? bytesOf([latest], false) : 0;
    }
  }
  return bytes;
}

function opsOf(path: Path): RequestOp[] {
  return [...path.ops, ...path.nested.flatMap(opsOf)];
}

/** It was asked for all of the transaction. */
const admitted: Admit = () => null;

function execute(store: Store, path: Path): TxnResponse {
  let nested = 0;
  const responses = path.ops.map(({ request }): ResponseOp => {
    switch (request?.$case) {
      case 'requestRange': {
        const result = range(store, request.value, admitted);
        if (result.kind === 'error') throw new Error(`a checked range failed: ${result.error.message}`);
        return { response: { $case: 'responseRange', value: result.response } };
      }
      case 'requestPut':
        return { response: { $case: 'responsePut', value: put(store, request.value) } };
      case 'requestDeleteRange':
        return { response: { $case: 'responseDeleteRange', value: deleteRange(store, request.value) } };
      case 'requestTxn': {
        const inner = path.nested[nested++];
        if (!inner) throw new Error('a nested transaction was not evaluated');
        return { response: { $case: 'responseTxn', value: execute(store, inner) } };
      }
      case undefined:
        throw new Error('a checked operation is empty');
    }
  });
  return { header: revisionHeader(0), succeeded: path.succeeded, responses };
}

/** Must hold for every key of the range. A missing key counts as zeros, but its value never compares. */
function holds(store: Store, compare: Compare): boolean {
  const versions = store.existing(compare, store.visibleRevision);
  if (versions.length === 0) return compare.target !== Target.VALUE && matches(compare, missing);
  return versions.every((version) => matches(compare, pairOf(version)));
}

function matches(compare: Compare, pair: KeyValue): boolean {
  const order = compareTarget(compare, pair);
  switch (compare.result) {
    case Comparison.EQUAL:
      return order === 0;
    case Comparison.NOT_EQUAL:
      return order !== 0;
    case Comparison.GREATER:
      return order > 0;
    case Comparison.LESS:
      return order < 0;
    default:
      return true;
  }
}

/** An operand that is absent, or of another target than the compare's, counts as zero. */
function compareTarget({ target, targetUnion: operand }: Compare, pair: KeyValue): number {
  switch (target) {
    case Target.VALUE:
      return Buffer.compare(pair.value, operand?.$case === 'value' ? operand.value : missing.value);
    case Target.VERSION:
      return compareBigints(pair.version, operand?.$case === 'version' ? operand.value : 0n);
    case Target.CREATE:
      return compareBigints(pair.createRevision, operand?.$case === 'createRevision' ? operand.value : 0n);
    case Target.MOD:
      return compareBigints(pair.modRevision, operand?.$case === 'modRevision' ? operand.value : 0n);
    case Target.LEASE:
      return compareBigints(pair.lease, operand?.$case === 'lease' ? operand.value : 0n);
    default:
      return 0;
  }
}
