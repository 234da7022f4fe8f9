/**
 * What can be said against a request without looking at the keys (etcd, server/etcdserver/api/v3rpc/key.go). The API asks
 * before it proposes, the machine again before it applies.
 */
import {
  RangeRequest_SortOrder as Order,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  RangeRequest_SortTarget as Target,
  type TxnRequest,
} from '../contract/etcd/rpc.ts';
import type { Operation } from './command.ts';
import { type EtcdError, etcdErrors } from './errors.ts';
import { type KeyText, keyText } from './ordered-map.ts';
import { isFromKeyOn, type KeyRange } from './store.ts';

/** Of each of a transaction's lists, nested ones counted in. */
const MAX_TXN_OPS = 128;
/** Of one request that changes something. */
export const MAX_REQUEST_BYTES = 1.5 * 1024 * 1024;

export function checkRange(request: RangeRequest): EtcdError | null {
  if (request.key.length === 0) return etcdErrors.emptyKey;
  const { sortOrder, sortTarget } = request;
  const known =
    sortOrder >= Order.NONE && sortOrder <= Order.DESCEND && sortTarget >= Target.KEY && sortTarget <= Target.VALUE;
  return known ? null : etcdErrors.invalidSortOption;
}

export function checkOperation(operation: Operation): EtcdError | null {
  switch (operation.kind) {
    case 'put':
      return checkPut(operation.request);
    case 'deleteRange':
      return operation.request.key.length === 0 ? etcdErrors.emptyKey : null;
    case 'txn':
      return checkTxn(operation.request);
    case 'compact':
      return null;
  }
}

export function checkTxn(request: TxnRequest): EtcdError | null {
  const error = checkLists(request, MAX_TXN_OPS);
  if (error) return error;
  return touched(request.success) === null || touched(request.failure) === null ? etcdErrors.duplicateKey : null;
}

function checkPut(request: PutRequest): EtcdError | null {
  if (request.key.length === 0) return etcdErrors.emptyKey;
  if (request.ignoreValue && request.value.length !== 0) return etcdErrors.valueProvided;
  if (request.ignoreLease && request.lease !== 0n) return etcdErrors.leaseProvided;
  return null;
}

function checkLists(request: TxnRequest, opsLeft: number): EtcdError | null {
  const ops = Math.max(request.compare.length, request.success.length, request.failure.length);
  if (ops > opsLeft) return etcdErrors.tooManyOps;
  if (request.compare.some((compare) => compare.key.length === 0)) return etcdErrors.emptyKey;
  for (const op of [...request.success, ...request.failure]) {
    const error = checkOp(op, opsLeft - ops);
    if (error) return error;
  }
  return null;
}

function checkOp({ request }: RequestOp, opsLeft: number): EtcdError | null {
  switch (request?.$case) {
    case 'requestRange':
      return checkRange(request.value);
    case 'requestPut':
      return checkPut(request.value);
    case 'requestDeleteRange':
      return request.value.key.length === 0 ? etcdErrors.emptyKey : null;
    case 'requestTxn':
      return checkLists(request.value, opsLeft);
    case undefined:
      return etcdErrors.keyNotFound;
  }
}

interface Touched {
  readonly puts: Set<KeyText>;
  readonly deletes: KeyRange[];
}

/**
 * What one list of operations may change, or null when a put overlaps another put or a deletion. The two branches of a
 * nested transaction exclude each other and may put the same key.
 */
function touched(ops: readonly RequestOp[]): Touched | null {
  const puts = new Set<KeyText>();
  const deletes: KeyRange[] = ops.flatMap(({ request }) =>
    request?.$case === 'requestDeleteRange' ? [request.value] : [],
  );
  const overlaps = (key: KeyText) => puts.has(key) || deletes.some((range) => covers(range, key));
  for (const { request } of ops) {
    if (request?.$case !== 'requestTxn') continue;
    const success = touched(request.value.success);
    const failure = touched(request.value.failure);
    if (!success || !failure) return null;
    const either = new Set([...success.puts, ...failure.puts]);
    for (const key of either) if (overlaps(key)) return null;
    for (const key of either) puts.add(key);
    deletes.push(...success.deletes, ...failure.deletes);
  }
  for (const { request } of ops) {
    if (request?.$case !== 'requestPut') continue;
    const key = keyText(request.value.key);
    if (overlaps(key)) return null;
    puts.add(key);
  }
  return { puts, deletes };
}

function covers(range: KeyRange, key: KeyText): boolean {
  const from = keyText(range.key);
  if (range.rangeEnd.length === 0) return key === from;
  return key >= from && (isFromKeyOn(range.rangeEnd) || key < keyText(range.rangeEnd));
}
