/** One text for one value, however its fields were put in order: what digests and signatures are made over. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sorted(value));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const fields = value as Record<string, unknown>;
  return Object.fromEntries(
    Object.keys(fields)
      .toSorted((a, b) => (a < b ? -1 : 1))
      .map((key) => [key, sorted(fields[key])]),
  );
}
