/**
 * The keys with their history (multi-version concurrency control, as in etcd's mvcc).
 *
 * Every key has the chain of its versions; a deletion is a version too. A read at revision r sees of each key its last
 * version with revision ≤ r. All changes between two `commit` calls share one revision, the next one; a commit without
 * changes does not raise it. Compaction drops versions that no permitted read sees.
 */
import { crc32 } from 'node:zlib';
import { type KeyText, keyText, type MapEntry, OrderedMap } from './ordered-map.ts';
import { Sweeper } from './sweeper.ts';
import { deletionAt, isDeletion, keyOf, Slabs, type Version, versionAt } from './versions.ts';

/** [key, rangeEnd) in etcd's notation: an empty end means the one key, "\0" means from the key on. */
export interface KeyRange {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

export function isFromKeyOn(rangeEnd: Uint8Array): boolean {
  return rangeEnd.length === 1 && rangeEnd[0] === 0;
}

/** What a store holds apart from the versions themselves. */
export interface StoreState {
  readonly revision: number;
  /** -1 when nothing was compacted. */
  readonly compactedUpTo: number;
  readonly hash: number;
  readonly storedBytes: number;
}

/** The store as it was when the view was opened, while it goes on changing. */
export interface StoreView extends StoreState {
  /** All keys, ascending, each with its newest version, which may be newer than the view; see OrderedMap.walk. */
  walk(): () => MapEntry<Version> | null;
  /** Until then nothing is taken out of memory that the view can see. */
  close(): void;
}

/** What a version costs beyond its key and value, about. */
const VERSION_OVERHEAD_BYTES = 48;

export class Store {
  readonly #keys = new OrderedMap<Version>();
  readonly #slabs = new Slabs();
  readonly #sweeper = new Sweeper(this.#keys, this.#slabs);
  readonly #views = new Set<StoreView>();
  #revision = 1;
  #compactedUpTo = -1;
  #changes = 0;
  #liveKeys = 0;
  #liveBytes = 0;
  #storedBytes = 0;
  #hash = 0;
  readonly #hashFrame = Buffer.alloc(32);

  /** Of the last commit; 1 before the first. */
  get revision(): number {
    return this.#revision;
  }
  /** What a read inside the open transaction sees: one more than `revision` once it changed something. */
  get visibleRevision(): number {
    return this.#changes > 0 ? this.#revision + 1 : this.#revision;
  }
  /** Reads below it are refused; -1 when nothing was compacted. */
  get compactedUpTo(): number {
    return this.#compactedUpTo;
  }
  get liveKeys(): number {
    return this.#liveKeys;
  }
  /** CRC-32 over every change ever made, in order: costs nothing to read, equal on equal prefixes of commands. */
  get hash(): number {
    return this.#hash;
  }
  /** What all versions come to, an estimate that is the same on every node: see `compact`. */
  get storedBytes(): number {
    return this.#storedBytes;
  }

  latest(key: Uint8Array): Version | undefined {
    const newest = this.#keys.get(keyText(key));
    return newest === undefined || isDeletion(newest) ? undefined : newest;
  }

  /**
   * What exists in the range at `revision` (compactedUpTo or later), by key ascending. As versions, since there may be a million and
   * a pair of each would take half a kilobyte.
   */
  existing(range: KeyRange, revision: number): Version[] {
    const text = keyText(range.key);
    const found: Version[] = [];
    const look = (newest: Version | undefined) => {
      const version = versionAt(newest, revision);
      if (version !== null && !isDeletion(version)) found.push(version);
    };
    if (range.rangeEnd.length === 0) look(this.#keys.get(text));
    else for (const newest of this.#keys.between(text, endText(range.rangeEnd))) look(newest);
    return found;
  }

  /** Copies what it keeps. */
  put(change: { readonly key: Uint8Array; readonly value: Uint8Array; readonly lease: bigint }): void {
    const { key, value, lease } = change;
    const revision = this.#revision + 1;
    const { slab, offset } = this.#slabs.add(key, value);
    const version: Version = {
      revision,
      createRevision: revision,
      version: 1,
      lease,
      keyBytes: key.length,
      valueBytes: value.length,
      slab,
      offset,
      previous: null,
    };
    this.#link(keyText(key), version);
    this.#noteChange(version, version);
  }

  /** Deletes what exists in the range; gives what was deleted, by key ascending. */
  deleteRange(range: KeyRange): Version[] {
    const deleted = this.existing(range, this.visibleRevision);
    const revision = this.#revision + 1;
    for (const version of deleted) {
      const deletion = deletionAt(revision, null);
      const previous = this.#link(keyText(keyOf(version)), deletion);
      if (previous) this.#noteChange(deletion, previous);
    }
    return deleted;
  }

  /** Ends the open transaction; gives the revision that it left the store at. */
  commit(): number {
    this.#revision = this.visibleRevision;
    this.#changes = 0;
    return this.#revision;
  }

  /**
   * From now on only reads at `revision` or later are permitted; `sweep` takes the versions that they do not see out of
   * memory. How much that will be is not known before, so `storedBytes` takes all revisions for equally large. The caller
   * checked the bounds.
   */
  compact(revision: number): void {
    const share = (this.#revision - revision) / (this.#revision - Math.max(this.#compactedUpTo, 0));
    this.#storedBytes = this.#liveBytes + Math.floor((this.#storedBytes - this.#liveBytes) * share);
    this.#compactedUpTo = revision;
  }

  /** Looks at up to `maxVersions` versions for what compactions dropped; true while there is more to do. */
  sweep(maxVersions: number): boolean {
    let horizon = this.#compactedUpTo;
    for (const view of this.#views) horizon = Math.min(horizon, view.compactedUpTo);
    return this.#sweeper.step(horizon, maxVersions);
  }

  /** Not inside a transaction. */
  openView(): StoreView {
    const view: StoreView = {
      revision: this.#revision,
      compactedUpTo: this.#compactedUpTo,
      hash: this.#hash,
      storedBytes: this.#storedBytes,
      walk: () => this.#keys.walk(),
      close: () => this.#views.delete(view),
    };
    this.#views.add(view);
    return view;
  }

  /** Fills an empty store; `restoreVersion` adds the versions, key by key, newest first. */
  restoreState(state: StoreState): void {
    this.#revision = state.revision;
    this.#compactedUpTo = state.compactedUpTo;
    this.#hash = state.hash;
    this.#storedBytes = state.storedBytes;
  }

  /** `newer` is the version after it, null for the newest of its key. Copies what it keeps. */
  restoreVersion(version: RestoredVersion, newer: Version | null): Version {
    const { key, value, ...fields } = version;
    const isPair = version.version > 0;
    const restored: Version = isPair
      ? {
          ...fields,
          keyBytes: key.length,
          valueBytes: value.length,
          ...this.#slabs.add(key, value),
          previous: null,
        }
      : deletionAt(fields.revision, null);
    if (newer) newer.previous = restored;
    else {
      this.#keys.set(keyText(key), restored);
      if (isPair) this.#liveKeys++;
      this.#liveBytes += liveBytesOf(restored);
    }
    return restored;
  }

  /** Makes `version` the newest of its key, with what it takes over from the one before, which is given back. */
  #link(text: KeyText, version: Version): Version | undefined {
    const previous = this.#keys.set(text, version);
    if (previous !== undefined) {
      version.previous = previous;
      if (!isDeletion(version) && !isDeletion(previous)) {
        version.createRevision = previous.createRevision;
        version.version = previous.version + 1;
      }
    }
    const wasLive = previous !== undefined && !isDeletion(previous);
    this.#liveKeys += Number(!isDeletion(version)) - Number(wasLive);
    this.#liveBytes += liveBytesOf(version) - (previous ? liveBytesOf(previous) : 0);
    this.#storedBytes += VERSION_OVERHEAD_BYTES + version.keyBytes + version.valueBytes;
    return previous;
  }

  /** `pair` is what was put or deleted. */
  #noteChange(change: Version, pair: Version): void {
    this.#changes++;
    const frame = this.#hashFrame;
    frame.writeDoubleLE(change.revision, 0);
    frame.writeDoubleLE(pair.createRevision, 8);
    frame.writeBigInt64LE(pair.lease, 16);
    frame.writeUInt32LE(pair.keyBytes * 2 + (isDeletion(change) ? 0 : 1), 24);
    frame.writeUInt32LE(pair.valueBytes, 28);
    const { slab, offset, keyBytes, valueBytes } = pair;
    this.#hash = crc32(slab.bytes.subarray(offset, offset + keyBytes + valueBytes), crc32(frame, this.#hash));
  }
}

/** One version as a snapshot tells it; a deletion has version 0 and no value. */
export interface RestoredVersion extends Pick<Version, 'revision' | 'createRevision' | 'version' | 'lease'> {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

function liveBytesOf(version: Version): number {
  return isDeletion(version) ? 0 : VERSION_OVERHEAD_BYTES + version.keyBytes + version.valueBytes;
}

function endText(rangeEnd: Uint8Array): KeyText | null {
  return isFromKeyOn(rangeEnd) ? null : keyText(rangeEnd);
}
