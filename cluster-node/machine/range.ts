/** Range: select at a revision, filter, sort, cut (etcd, server/etcdserver/txn/range.go). */
import type { KeyValue } from '../contract/etcd/kv.ts';
import {
  RangeRequest_SortOrder as Order,
  type RangeRequest,
  type RangeResponse,
  type ResponseHeader,
  RangeRequest_SortTarget as Target,
} from '../contract/etcd/rpc.ts';
import { type EtcdError, etcdErrors } from './errors.ts';
import type { Store } from './store.ts';

export type RangeResult =
  | { readonly kind: 'range'; readonly response: RangeResponse }
  | { readonly kind: 'error'; readonly error: EtcdError };

const noValue = new Uint8Array(0);

/** A header that knows the revision only; the API fills in the rest. */
export function revisionHeader(revision: number): ResponseHeader {
  return { clusterId: 0n, memberId: 0n, revision: BigInt(revision), raftTerm: 0n };
}

/** The error of reading at `revision` (≤ 0: now), or null. */
export function revisionError(store: Store, revision: bigint): EtcdError | null {
  if (revision <= 0n) return null;
  if (revision > store.visibleRevision) return etcdErrors.futureRevision;
  return revision < store.compactedUpTo ? etcdErrors.compacted : null;
}

/** Reads inside the open transaction, or outside one. The request was checked. */
export function range(store: Store, request: RangeRequest): RangeResult {
  const error = revisionError(store, request.revision);
  if (error) return { kind: 'error', error };
  const present = store.visibleRevision;
  const selected = store.pairs(request, request.revision > 0n ? Number(request.revision) : present);
  const response: RangeResponse = {
    header: revisionHeader(present),
    kvs: [],
    more: false,
    count: BigInt(selected.length),
  };
  if (request.countOnly) return { kind: 'range', response };
  let pairs = sorted(filtered(selected, request), request);
  if (request.limit > 0n && BigInt(pairs.length) > request.limit) {
    pairs = pairs.slice(0, Number(request.limit));
    response.more = true;
  }
  response.kvs = request.keysOnly ? pairs.map((pair) => ({ ...pair, value: noValue })) : pairs;
  return { kind: 'range', response };
}

function filtered(pairs: KeyValue[], request: RangeRequest): KeyValue[] {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  if (!(minModRevision || maxModRevision || minCreateRevision || maxCreateRevision)) return pairs;
  return pairs.filter(
    (pair) =>
      isWithin(pair.modRevision, minModRevision, maxModRevision) &&
      isWithin(pair.createRevision, minCreateRevision, maxCreateRevision),
  );
}

/** A bound of 0 does not bind. */
function isWithin(revision: bigint, min: bigint, max: bigint): boolean {
  return (min === 0n || revision >= min) && (max === 0n || revision <= max);
}

/** `pairs` come by key ascending; equal sort fields keep that order. */
function sorted(pairs: KeyValue[], request: RangeRequest): KeyValue[] {
  const byKey = request.sortTarget === Target.KEY;
  if (byKey && request.sortOrder !== Order.DESCEND) return pairs;
  const sign = request.sortOrder === Order.DESCEND ? -1 : 1;
  const compare = comparators[request.sortTarget];
  return pairs.toSorted((a, b) => sign * compare(a, b));
}

const comparators: Record<Target, (a: KeyValue, b: KeyValue) => number> = {
  [Target.KEY]: (a, b) => Buffer.compare(a.key, b.key),
  [Target.VERSION]: (a, b) => compareBigints(a.version, b.version),
  [Target.CREATE]: (a, b) => compareBigints(a.createRevision, b.createRevision),
  [Target.MOD]: (a, b) => compareBigints(a.modRevision, b.modRevision),
  [Target.VALUE]: (a, b) => Buffer.compare(a.value, b.value),
};

export function compareBigints(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
