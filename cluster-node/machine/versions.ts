/**
 * What the store holds of a key: its versions, newest first, each linked to the one before it. Their bytes (the key, then the
 * value) stand in slabs of 256 KiB apart from them, so that a version is one small object: a million keys as objects of
 * their own with buffers of their own would keep the garbage collector busy for longer than a heartbeat.
 */
import type { KeyValue } from '../contract/etcd/kv.ts';

export interface Version {
  /** The revision of the transaction that made it. */
  readonly revision: number;
  /** Of the key's present life; 0 for a deletion. */
  createRevision: number;
  /** Changes in the key's present life; 0 for a deletion. */
  version: number;
  readonly lease: bigint;
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** Where the bytes stand; they may be moved to another slab. */
  slab: Slab;
  offset: number;
  /** The version before this one; null when there is none or it was compacted away. */
  previous: Version | null;
}

export interface Slab {
  readonly bytes: Uint8Array;
  /** Bytes of it that versions still use. */
  usedBytes: number;
}

const SLAB_BYTES = 256 * 1024;
/** What is larger gets a slab of its own, so that the rest of a slab is never much. */
const MAX_SHARED_BYTES = SLAB_BYTES / 8;

const noSlab: Slab = { bytes: new Uint8Array(0), usedBytes: 0 };

export function isDeletion(version: Version): boolean {
  return version.version === 0;
}

/** A deletion has no bytes: whoever walks to it knows the key. */
export function deletionAt(revision: number, previous: Version | null): Version {
  const nothing = { createRevision: 0, version: 0, lease: 0n, keyBytes: 0, valueBytes: 0 };
  return { revision, ...nothing, slab: noSlab, offset: 0, previous };
}

/** Not of a deletion. The bytes are the store's own: do not change them. Likewise the next two. */
export function pairOf(version: Version): KeyValue {
  return {
    key: keyOf(version),
    createRevision: BigInt(version.createRevision),
    modRevision: BigInt(version.revision),
    version: BigInt(version.version),
    value: valueOf(version),
    lease: version.lease,
  };
}

export function keyOf({ slab, offset, keyBytes }: Version): Uint8Array {
  return slab.bytes.subarray(offset, offset + keyBytes);
}

export function valueOf({ slab, offset, keyBytes, valueBytes }: Version): Uint8Array {
  return slab.bytes.subarray(offset + keyBytes, offset + keyBytes + valueBytes);
}

/** The newest version that is not after `revision`. */
export function versionAt(newest: Version | undefined, revision: number): Version | null {
  let version = newest ?? null;
  while (version !== null && version.revision > revision) version = version.previous;
  return version;
}

/**
 * Whether a compaction at `compactedUpTo` keeps a version, given that it keeps all newer ones; and whether it is the last that
 * it keeps. A deletion at the compacted revision itself stays: a watch may still start there.
 */
export function isKept(version: Version, compactedUpTo: number): boolean {
  return version.revision >= compactedUpTo || !isDeletion(version);
}
export function isLastKept(version: Version, compactedUpTo: number): boolean {
  return version.revision <= compactedUpTo;
}

/** Holds the bytes of versions. */
export class Slabs {
  #slab: Slab = noSlab;
  #end = 0;

  /** Copies the bytes in; gives where they stand. */
  add(key: Uint8Array, value: Uint8Array): { readonly slab: Slab; readonly offset: number } {
    const place = this.#room(key.length + value.length);
    place.slab.bytes.set(key, place.offset);
    place.slab.bytes.set(value, place.offset + key.length);
    return place;
  }

  release({ slab, keyBytes, valueBytes }: Version): void {
    slab.usedBytes -= keyBytes + valueBytes;
  }

  /** Moves the bytes when most of their slab is unused, so that the slab can go. */
  gather(version: Version): void {
    const { slab, offset } = version;
    if (slab === this.#slab || slab.usedBytes * 2 >= slab.bytes.length) return;
    this.release(version);
    const bytes = slab.bytes.subarray(offset, offset + version.keyBytes + version.valueBytes);
    Object.assign(version, this.add(bytes, noSlab.bytes));
  }

  #room(bytes: number): { slab: Slab; offset: number } {
    if (bytes > MAX_SHARED_BYTES) return { slab: { bytes: new Uint8Array(bytes), usedBytes: bytes }, offset: 0 };
    if (this.#end + bytes > this.#slab.bytes.length) {
      this.#slab = { bytes: new Uint8Array(SLAB_BYTES), usedBytes: 0 };
      this.#end = 0;
    }
    const offset = this.#end;
    this.#end += bytes;
    this.#slab.usedBytes += bytes;
    return { slab: this.#slab, offset };
  }
}
