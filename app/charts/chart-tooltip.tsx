import { formatClock } from '../ui/format.ts';
import type { Row } from './rows.ts';
import { type ChartLine, figureOf } from './chart-line.ts';

/** All lines at one moment. recharts gives `active` and `label` (the moment, Unix milliseconds). */
export function ChartTooltip(props: {
  active?: boolean;
  label?: unknown;
  lines: readonly ChartLine[];
  rows: readonly Row[];
  format: (value: number) => string;
}) {
  if (props.active !== true || typeof props.label !== 'number') return null;
  const atUnixMs = props.label;
  const row = props.rows.find((each) => each.t === atUnixMs);
  return (
    <div className="rounded-md border border-edge bg-panel px-2.5 py-1.5 text-xs shadow-lg shadow-black/30">
      <div className="mb-0.5 font-mono text-2xs text-faint">{formatClock(atUnixMs)}</div>
      {props.lines.map((line) => {
        return (
          <div key={line.series} className="flex items-center gap-2">
            <span aria-hidden className="size-2 rounded-[2px]" style={{ background: line.colour }} />
            <span className="text-dim">{line.name}</span>
            <span className="ml-auto pl-3">{figureOf(line, row, props.format)}</span>
          </div>
        );
      })}
    </div>
  );
}
