/**
 * Takes away what a compaction left behind. A compaction counts at once, because readers look at `compactedUpTo`; the memory
 * comes back afterwards, in steps that look at a bounded number of versions. Nobody can tell how far it has come.
 */
import type { KeyText, MapEntry, OrderedMap } from './ordered-map.ts';
import { isKept, isLastKept, type Slabs, type Version } from './versions.ts';

/** Where a pass over all keys stands: `newer` is the version after `version`, null when that is the newest. */
interface Place {
  readonly key: KeyText;
  readonly newer: Version | null;
  readonly version: Version;
  /** `version` and all before it go. */
  readonly isDropping: boolean;
}

export class Sweeper {
  readonly #keys: OrderedMap<Version>;
  readonly #slabs: Slabs;
  /** What a compaction at this revision drops has been taken away, but for the pass under way. */
  #sweptUpTo = -1;
  /** Of the pass under way. */
  #target = -1;
  #walk: (() => MapEntry<Version> | null) | null = null;
  #place: Place | null = null;

  constructor(keys: OrderedMap<Version>, slabs: Slabs) {
    this.#keys = keys;
    this.#slabs = slabs;
  }

  /** Looks at up to `maxVersions` versions; true while there is more to do. `horizon`: nobody reads below this revision. */
  step(horizon: number, maxVersions: number): boolean {
    if (this.#target === this.#sweptUpTo) {
      if (horizon <= this.#sweptUpTo) return false;
      this.#target = horizon;
      this.#walk = this.#keys.walk();
    }
    for (let left = maxVersions; left > 0; left--) {
      this.#place ??= this.#nextKey();
      if (this.#place === null) {
        this.#sweptUpTo = this.#target;
        return horizon > this.#sweptUpTo;
      }
      this.#place = this.#sweep(this.#place);
    }
    return true;
  }

  #nextKey(): Place | null {
    const next = this.#walk?.() ?? null;
    if (next === null) return null;
    return { key: next.key, newer: null, version: next.value, isDropping: false };
  }

  /** The next version of the key, or null after its last. */
  #sweep({ key, newer, version, isDropping }: Place): Place | null {
    const { previous } = version;
    if (isDropping) this.#slabs.release(version);
    else if (!isKept(version, this.#target)) {
      if (!this.#cut(key, newer, version)) return this.#again(key);
      isDropping = true;
      this.#slabs.release(version);
    } else {
      this.#slabs.gather(version);
      if (isLastKept(version, this.#target)) {
        version.previous = null;
        isDropping = true;
      }
    }
    return previous && { key, newer: version, version: previous, isDropping };
  }

  /** False when the key has got a newer version meanwhile. */
  #cut(key: KeyText, newer: Version | null, version: Version): boolean {
    if (newer !== null) newer.previous = null;
    else if (this.#keys.get(key) === version) this.#keys.delete(key);
    else return false;
    return true;
  }

  #again(key: KeyText): Place | null {
    const version = this.#keys.get(key);
    return version === undefined ? null : { key, newer: null, version, isDropping: false };
  }
}
