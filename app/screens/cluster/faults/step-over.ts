export interface Place {
  readonly row: number;
  readonly column: number;
}

/** The next cell in a direction; the diagonal is stepped over, the edges hold. */
export function stepOver(at: Place, [down, right]: [number, number], count: number): Place {
  let next = { row: at.row + down, column: at.column + right };
  if (next.row === next.column) next = { row: next.row + down, column: next.column + right };
  const inside = next.row >= 0 && next.row < count && next.column >= 0 && next.column < count;
  return inside ? next : at;
}
