/**
 * The lines of a chart, drawn inside recharts' plot area. recharts' own Line copies every point several times and measures every
 * path for an animation that is off: about two thirds of a chart's time.
 */
import { useMemo } from 'react';
import { usePlotArea } from 'recharts';
import { useStore } from '../live/store.ts';
import { highlightedGroup } from './highlight.ts';
import type { Row } from './rows.ts';
import type { ChartLine } from './chart-line.ts';

export interface Ranges {
  readonly fromUnixMs: number;
  readonly toUnixMs: number;
  readonly low: number;
  readonly high: number;
}

export interface Area {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export function PlotLines(props: Ranges & { rows: readonly Row[]; lines: readonly ChartLine[] }) {
  const area = usePlotArea();
  const highlighted = useStore(highlightedGroup);
  const { rows, lines, fromUnixMs, toUnixMs, low, high } = props;
  const paths = useMemo(
    () =>
      area === undefined
        ? []
        : lines.map((line) => pathOf(rows, line.series, { fromUnixMs, toUnixMs, low, high }, area)),
    [rows, lines, fromUnixMs, toUnixMs, low, high, area],
  );
  return (
    <g fill="none" strokeWidth="1.6" strokeLinejoin="round">
      {paths.map((path, index) => (
        <path
          key={lines[index]?.series}
          d={path}
          stroke={lines[index]?.colour}
          opacity={isDimmed(lines[index]?.group ?? null, highlighted) ? 0.14 : 1}
        />
      ))}
    </g>
  );
}

/** What belongs to no node is never put back. */
function isDimmed(group: number | null, highlighted: number | null): boolean {
  return highlighted !== null && group !== null && group !== highlighted;
}

/** An SVG path; unknown figures are gaps, and a figure alone between gaps is a dot. Values outside the range stop at its edge. */
export function pathOf(rows: readonly Row[], series: string, ranges: Ranges, area: Area): string {
  const perMs = area.width / Math.max(1, ranges.toUnixMs - ranges.fromUnixMs);
  const perUnit = area.height / (ranges.high - ranges.low || 1);
  let path = '';
  let joined = false;
  rows.forEach((row, index) => {
    const value = row[series] ?? null;
    if (value === null || row.t < ranges.fromUnixMs) {
      joined = false;
      return;
    }
    const clamped = Math.min(ranges.high, Math.max(ranges.low, value));
    const x = (area.x + (row.t - ranges.fromUnixMs) * perMs).toFixed(1);
    const y = (area.y + (ranges.high - clamped) * perUnit).toFixed(1);
    const alone = !joined && (rows[index + 1]?.[series] ?? null) === null;
    path += alone ? `M${x} ${y}h1` : `${joined ? 'L' : 'M'}${x} ${y}`;
    joined = true;
  });
  return path;
}
