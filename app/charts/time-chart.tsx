/**
 * One chart over the screen's shared time: lines, the faults that held shaded, who led as a band underneath, one crosshair in all
 * charts. recharts is only ever given rows that were already thinned (rows.ts), and one chart redraws at a time (staggered-rows.ts).
 */
import { memo, useMemo, useRef } from 'react';
import { CartesianGrid, Line, LineChart, ReferenceArea, ResponsiveContainer, Tooltip, XAxis, YAxis } from 'recharts';
import { faultSpans } from '../live/fault-spans.ts';
import { useChartTime } from '../live/series.ts';
import { useStore } from '../live/store.ts';
import { Card } from '../ui/card.tsx';
import { formatClock, formatCount } from '../ui/format.ts';
import { type ChartLine, figureOf } from './chart-line.ts';
import { ChartTooltip } from './chart-tooltip.tsx';
import { PlotLines } from './plot-lines.tsx';
import { LeaderRibbon } from './leader-ribbon.tsx';
import type { Row } from './rows.ts';
import { useStaggeredRows } from './staggered-rows.ts';
import { niceCeiling, timeTicks, valueTicks } from './time-axis.ts';

const AXIS_WIDTH = 56;

export interface TimeChartProps {
  title: string;
  unit: string;
  clusterId: string;
  lines: readonly ChartLine[];
  format: (value: number) => string;
  /** Top of the axis; without it, the highest figure rounded up. */
  max?: number;
  /** The axis starts at the lowest figure instead of zero: for what only grows. */
  fromLowest?: boolean;
  /** The figures are counts. */
  whole?: boolean;
  /** The legend carries names only: where the latest figures stand elsewhere. */
  namesOnly?: boolean;
}

export const TimeChart = memo(function TimeChart(props: TimeChartProps) {
  const time = useChartTime();
  const figure = useRef<HTMLElement>(null);
  const rows = useStaggeredRows(figure);
  const waiting = rows.length === 0 && time.rows.get().length > 0;
  const plotted = useMemo(() => pick(rows, props.lines), [rows, props.lines]);
  const spans = useStore(faultSpans);
  const to = rows.at(-1)?.t ?? 0;
  const from = to - time.windowMs;
  const ticks = valueTicks(rangeOf(rows, props), props.whole === true);
  const [low, high] = [ticks[0] ?? 0, ticks.at(-1) ?? 1];
  const measured = rows.some((row) => props.lines.some((line) => row[line.series] != null));
  const labels = ticks.map(props.format);
  const tickLabel = new Set(labels).size === labels.length ? props.format : formatCount;
  const shades = spans.filter((span) => span.clusterId === props.clusterId && (span.toUnixMs ?? to) > from);
  return (
    <Card title={props.title} aside={<Legend rows={rows} props={props} />}>
      <figure ref={figure} aria-label={summary(props, rows)} className="chart relative h-[132px]">
        {!measured && !waiting && <Nothing rows={rows} lines={props.lines} />}
        {rows.length > 0 && (
          <ResponsiveContainer width="100%" height="100%">
            <LineChart
              data={plotted}
              syncId="cluster"
              syncMethod="value"
              margin={{ top: 6, right: 0, bottom: 0, left: 0 }}
              accessibilityLayer={false}
            >
              <CartesianGrid vertical={false} stroke="var(--color-line)" />
              {shades.map((span) => (
                <ReferenceArea
                  key={span.faultId}
                  x1={Math.max(from, span.fromUnixMs)}
                  x2={Math.min(to, span.toUnixMs ?? to)}
                  ifOverflow="hidden"
                  fill="var(--color-fault)"
                  fillOpacity={0.13}
                  stroke="var(--color-fault)"
                  strokeOpacity={0.55}
                  strokeDasharray="2 3"
                />
              ))}
              <XAxis
                dataKey="t"
                type="number"
                scale="time"
                domain={[from, to]}
                allowDataOverflow
                ticks={timeTicks(from, to)}
                tickFormatter={(t: number) => formatClock(t)}
                tick={tickStyle}
                tickLine={false}
                axisLine={false}
                height={20}
              />
              <YAxis
                orientation="right"
                width={AXIS_WIDTH}
                domain={[low, high]}
                ticks={measured ? ticks : []}
                tickFormatter={tickLabel}
                tick={tickStyle}
                tickLine={false}
                axisLine={false}
                allowDataOverflow
              />
              <Tooltip
                includeHidden
                isAnimationActive={false}
                cursor={{ stroke: 'var(--color-faint)', strokeDasharray: '3 3' }}
                content={<ChartTooltip lines={props.lines} rows={rows} format={props.format} />}
                wrapperStyle={{ zIndex: 20 }}
              />
              {/* Gives the crosshair its moments; the lines themselves are PlotLines. */}
              <Line dataKey="t" stroke="none" dot={false} activeDot={false} isAnimationActive={false} hide />
              <PlotLines rows={plotted} lines={props.lines} fromUnixMs={from} toUnixMs={to} low={low} high={high} />
            </LineChart>
          </ResponsiveContainer>
        )}
      </figure>
      <div style={{ marginRight: AXIS_WIDTH }}>
        {rows.length > 0 && (
          <LeaderRibbon rows={rows} series={`${props.clusterId}/leader`} fromUnixMs={from} toUnixMs={to} />
        )}
      </div>
    </Card>
  );
});

/** In place of lines where there are none: because nothing was to be measured, or because nothing is known. */
function Nothing({ rows, lines }: { rows: readonly Row[]; lines: readonly ChartLine[] }) {
  const idle = lines.some((line) => figureOf(line, rows.at(-1), String) === 'idle');
  return <span className="absolute inset-x-0 top-12 text-center text-xs text-faint">{idle ? 'idle' : 'no data'}</span>;
}

/** Only what is drawn: recharts copies every row, several times. */
function pick(rows: readonly Row[], lines: readonly ChartLine[]): Row[] {
  return rows.map((row) => {
    const picked: { t: number; [series: string]: number | null } = { t: row.t };
    for (const { series } of lines) picked[series] = row[series] ?? null;
    return picked;
  });
}

const tickStyle = { fontSize: 11, fill: 'var(--color-faint)' };

function rangeOf(rows: readonly Row[], props: TimeChartProps): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const row of rows)
    for (const { series } of props.lines) {
      const value = row[series];
      if (value == null) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  if (props.max !== undefined) return [0, props.max];
  if (!props.fromLowest || low === Number.POSITIVE_INFINITY) return [0, niceCeiling(high)];
  const step = niceCeiling((high - low) / 2 || 1);
  const floor = Math.floor(low / step) * step;
  return [floor, Math.max(floor + step, Math.ceil(high / step) * step)];
}

/** The latest figures beside the title: what a chart says without being pointed at. */
function Legend({ rows, props }: { rows: readonly Row[]; props: TimeChartProps }) {
  const last = rows.at(-1);
  const figures = props.lines.length <= 5 && props.namesOnly !== true;
  return (
    <span className="flex flex-wrap items-baseline justify-end gap-x-2.5">
      {props.lines.slice(0, 9).map((line) => {
        return (
          <span key={line.series} className="inline-flex items-baseline gap-1 whitespace-nowrap">
            <svg aria-hidden width="12" height="6" viewBox="0 0 12 6" className="self-center">
              <path d="M0 3H12" stroke={line.colour} strokeWidth="2.2" />
            </svg>
            <span className="name">{line.name}</span>
            {figures && <span className="text-dim">{figureOf(line, last, props.format)}</span>}
          </span>
        );
      })}
      <span className="whitespace-nowrap">{props.unit}</span>
    </span>
  );
}

function summary(props: TimeChartProps, rows: readonly Row[]): string {
  const last = rows.at(-1);
  const now = props.lines.map((line) => {
    return `${line.name} ${figureOf(line, last, props.format)}`;
  });
  return `${props.title}, ${props.unit}. Now: ${now.join(', ')}.`;
}
