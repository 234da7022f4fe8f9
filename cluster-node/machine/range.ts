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
import { keyOf, pairOf, valueOf, type Version } from './versions.ts';

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

/** Says why an answer of so many bytes is not to be made, or null. */
export type Admit = (bytes: number) => EtcdError | null;

/** What a pair comes to in an answer besides its key and value, at the most. */
const PAIR_BYTES = 64;

/** Reads inside the open transaction, or outside one. The request was checked. `admit` is asked before the pairs are made. */
export function range(store: Store, request: RangeRequest, admit: Admit): RangeResult {
  const error = revisionError(store, request.revision);
  if (error) return { kind: 'error', error };
  const { versions, count } = select(store, request);
  const refusal = admit(bytesOf(versions, request.keysOnly));
  if (refusal) return { kind: 'error', error: refusal };
  const kvs = versions.map((version) => (request.keysOnly ? { ...pairOf(version), value: noValue } : pairOf(version)));
  const isCut = request.limit > 0n && BigInt(count.filtered) > request.limit;
  const more = isCut && !request.countOnly;
  const header = revisionHeader(store.visibleRevision);
  return { kind: 'range', response: { header, kvs, more, count: BigInt(count.existing) } };
}

/** What the answer to this request comes to. The revision was checked. */
export function answerBytes(store: Store, request: RangeRequest): number {
  return bytesOf(select(store, request).versions, request.keysOnly);
}

export function bytesOf(versions: readonly Version[], keysOnly: boolean): number {
  let bytes = 0;
  for (const { keyBytes, valueBytes } of versions) bytes += PAIR_BYTES + keyBytes + (keysOnly ? 0 : valueBytes);
  return bytes;
}

export function pairsBytes(pairs: readonly KeyValue[]): number {
  return pairs.reduce((sum, { key, value }) => sum + PAIR_BYTES + key.length + value.length, 0);
}

interface Selection {
  /** Those that are answered with, in their order. */
  readonly versions: readonly Version[];
  readonly count: { readonly existing: number; readonly filtered: number };
}

function select(store: Store, request: RangeRequest): Selection {
  const { revision, limit } = request;
  const existing = store.existing(request, revision > 0n ? Number(revision) : store.visibleRevision);
  if (request.countOnly) return { versions: [], count: { existing: existing.length, filtered: 0 } };
  const matching = filtered(existing, request);
  const count = { existing: existing.length, filtered: matching.length };
  const inOrder = sorted(matching, request);
  const isCut = limit > 0n && BigInt(inOrder.length) > limit;
  return { versions: isCut ? inOrder.slice(0, Number(limit)) : inOrder, count };
}

function filtered(versions: Version[], request: RangeRequest): Version[] {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  if (!(minModRevision || maxModRevision || minCreateRevision || maxCreateRevision)) return versions;
  return versions.filter(
    ({ revision, createRevision }) =>
      isWithin(revision, minModRevision, maxModRevision) &&
      isWithin(createRevision, minCreateRevision, maxCreateRevision),
  );
}

/** A bound of 0 does not bind. */
function isWithin(revision: number, min: bigint, max: bigint): boolean {
  return (min === 0n || revision >= min) && (max === 0n || revision <= max);
}

/** `versions` come by key ascending; equal sort fields keep that order. */
function sorted(versions: Version[], request: RangeRequest): Version[] {
  const byKey = request.sortTarget === Target.KEY;
  if (byKey && request.sortOrder !== Order.DESCEND) return versions;
  const sign = request.sortOrder === Order.DESCEND ? -1 : 1;
  const compare = comparators[request.sortTarget];
  return versions.toSorted((a, b) => sign * compare(a, b));
}

const comparators: Record<Target, (a: Version, b: Version) => number> = {
  [Target.KEY]: (a, b) => Buffer.compare(keyOf(a), keyOf(b)),
  [Target.VERSION]: (a, b) => a.version - b.version,
  [Target.CREATE]: (a, b) => a.createRevision - b.createRevision,
  [Target.MOD]: (a, b) => a.revision - b.revision,
  [Target.VALUE]: (a, b) => Buffer.compare(valueOf(a), valueOf(b)),
};

export function compareBigints(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
