/**
 * Gives `next` with every part that equals the same part of `previous` replaced by it. Snapshots arrive as fresh objects;
 * this keeps what did not change identical, so memoised components skip it.
 */
export function shareStructure<T>(previous: unknown, next: T): T {
  if (Object.is(previous, next)) return next;
  if (Array.isArray(previous) && Array.isArray(next)) {
    const shared = next.map((item, index) => shareStructure(previous[index], item));
    const same = shared.length === previous.length && shared.every((item, index) => Object.is(item, previous[index]));
    return (same ? previous : shared) as T;
  }
  if (!isRecord(previous) || !isRecord(next)) return next;
  const keys = Object.keys(next);
  const shared: Record<string, unknown> = {};
  let same = keys.length === Object.keys(previous).length;
  for (const key of keys) {
    shared[key] = shareStructure(previous[key], next[key]);
    if (!Object.is(shared[key], previous[key])) same = false;
  }
  return (same ? previous : shared) as T;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
