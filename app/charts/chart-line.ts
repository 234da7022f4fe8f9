/** One line of a chart: which series it draws, and how it is told from the others. */
import type { Row } from './rows.ts';

export interface ChartLine {
  readonly series: string;
  readonly name: string;
  /** A CSS colour. */
  readonly colour: string;
  /** Lines of one group (a member slot) are brought out together in all charts. */
  readonly group: number | null;
  /** Where this series is known and the line's is not, there was nothing to measure. */
  readonly idleWhile?: string;
}

/** A line's figure at one moment in words: "idle" where nothing was measured, "unknown" where nobody can tell. */
export function figureOf(line: ChartLine, row: Row | undefined, format: (value: number) => string): string {
  const value = row?.[line.series];
  if (value != null) return format(value);
  return line.idleWhile !== undefined && row?.[line.idleWhile] != null ? 'idle' : 'unknown';
}
