/**
 * The keys with their history (multi-version concurrency control, as in etcd's mvcc).
 *
 * Every key has the list of its versions, oldest first; a deletion is a version without a key-value pair. A read at
 * revision r sees of each key its last version with revision ≤ r. All changes between two `commit` calls share one
 * revision, the next one; a commit without changes does not raise it. Compaction drops versions that no permitted read sees.
 */
import { crc32 } from 'node:zlib';
import type { KeyValue } from '../contract/etcd/kv.ts';
import { type KeyText, keyText, OrderedKeys } from './ordered-keys.ts';

interface Version {
  /** The revision of the transaction that made it. */
  readonly revision: bigint;
  /** null: the key was deleted. Never changed once stored. */
  readonly pair: KeyValue | null;
}

/** [key, rangeEnd) in etcd's notation: an empty end means the one key, "\0" means from the key on. */
export interface KeyRange {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

export function isFromKeyOn(rangeEnd: Uint8Array): boolean {
  return rangeEnd.length === 1 && rangeEnd[0] === 0;
}

export class Store {
  readonly #versions = new Map<KeyText, Version[]>();
  readonly #order = new OrderedKeys();
  #revision = 1n;
  #compactedUpTo = -1n;
  #changes = 0;
  #liveKeys = 0;
  #hash = 0;
  readonly #hashFrame = Buffer.alloc(32);

  /** Of the last commit; 1 before the first. */
  get revision(): bigint {
    return this.#revision;
  }
  /** What a read inside the open transaction sees: one more than `revision` once it changed something. */
  get visibleRevision(): bigint {
    return this.#changes > 0 ? this.#revision + 1n : this.#revision;
  }
  /** Reads below it are refused; -1 when nothing was compacted. */
  get compactedUpTo(): bigint {
    return this.#compactedUpTo;
  }
  get liveKeys(): number {
    return this.#liveKeys;
  }
  /** CRC-32 over every change ever made, in order: costs nothing to read, equal on equal prefixes of commands. */
  get hash(): number {
    return this.#hash;
  }

  latest(key: Uint8Array): KeyValue | undefined {
    return this.#versions.get(keyText(key))?.at(-1)?.pair ?? undefined;
  }

  /** The pairs that exist in the range at `revision` (compactedUpTo or later), by key ascending. */
  pairs(range: KeyRange, revision: bigint): KeyValue[] {
    const text = keyText(range.key);
    if (range.rangeEnd.length === 0) {
      const pair = this.#pairAt(text, revision);
      return pair ? [pair] : [];
    }
    const found: KeyValue[] = [];
    for (const each of this.#order.between(text, isFromKeyOn(range.rangeEnd) ? null : keyText(range.rangeEnd))) {
      const pair = this.#pairAt(each, revision);
      if (pair) found.push(pair);
    }
    return found;
  }

  put(change: { readonly key: Uint8Array; readonly value: Uint8Array; readonly lease: bigint }): void {
    const text = keyText(change.key);
    const versions = this.#versions.get(text);
    const previous = versions?.at(-1)?.pair ?? null;
    const revision = this.#revision + 1n;
    const pair: KeyValue = {
      key: change.key,
      createRevision: previous?.createRevision ?? revision,
      modRevision: revision,
      version: (previous?.version ?? 0n) + 1n,
      value: change.value,
      lease: change.lease,
    };
    if (versions) versions.push({ revision, pair });
    else {
      this.#versions.set(text, [{ revision, pair }]);
      this.#order.add(text);
    }
    if (previous === null) this.#liveKeys++;
    this.#noteChange(pair, 1);
  }

  /** Deletes what exists in the range; gives the deleted pairs, by key ascending. */
  deleteRange(range: KeyRange): KeyValue[] {
    const deleted = this.pairs(range, this.visibleRevision);
    const revision = this.#revision + 1n;
    for (const pair of deleted) {
      this.#versions.get(keyText(pair.key))?.push({ revision, pair: null });
      this.#liveKeys--;
      this.#noteChange(pair, 0);
    }
    return deleted;
  }

  /** Ends the open transaction; gives the revision that it left the store at. */
  commit(): bigint {
    this.#revision = this.visibleRevision;
    this.#changes = 0;
    return this.#revision;
  }

  /** Drops every version that reads at `revision` or later do not see. The caller checked the bounds. */
  compact(revision: bigint): void {
    this.#compactedUpTo = revision;
    for (const [text, versions] of this.#versions) {
      let first = versions.findLastIndex((version) => version.revision <= revision);
      if (first < 0) continue;
      const visible = versions[first];
      // A deletion at the compacted revision itself stays: a watch may still start there.
      if (visible?.pair === null && visible.revision < revision) first++;
      if (first > 0) versions.splice(0, first);
      if (versions.length > 0) continue;
      this.#versions.delete(text);
      this.#order.delete(text);
    }
  }

  #pairAt(text: KeyText, revision: bigint): KeyValue | null {
    return this.#versions.get(text)?.findLast((version) => version.revision <= revision)?.pair ?? null;
  }

  #noteChange(pair: KeyValue, kind: 0 | 1): void {
    this.#changes++;
    const frame = this.#hashFrame;
    frame.writeBigInt64LE(this.#revision + 1n, 0);
    frame.writeBigInt64LE(pair.createRevision, 8);
    frame.writeBigInt64LE(pair.lease, 16);
    frame.writeUInt32LE(pair.key.length * 2 + kind, 24);
    frame.writeUInt32LE(pair.value.length, 28);
    this.#hash = crc32(pair.value, crc32(pair.key, crc32(frame, this.#hash)));
  }
}
