import type { Row } from './rows.ts';
import { stretchesOf } from './rows.ts';
import { cn } from '../ui/class-names.ts';
import { nodeColour } from '../ui/node-colour.ts';

/** Who led, over time, as a band. 0 or unknown is no leader: red with hatching, so that it shows without colour. */
export function LeaderRibbon(props: {
  rows: readonly Row[];
  series: string;
  fromUnixMs: number;
  toUnixMs: number;
  className?: string;
  /** Text inside a stretch that is wide enough. */
  label?: (memberSlot: number, atUnixMs: number) => string;
}) {
  const span = props.toUnixMs - props.fromUnixMs;
  const percent = (t: number) => Math.min(100, Math.max(0, ((t - props.fromUnixMs) / span) * 100));
  return (
    <div aria-hidden className={cn('relative h-1 overflow-hidden rounded-sm bg-raise', props.className)}>
      {stretchesOf(props.rows, props.series).map((stretch) => {
        const led = stretch.value !== null && stretch.value > 0;
        const left = percent(stretch.fromUnixMs);
        const width = Math.max(0.15, percent(stretch.toUnixMs) - left);
        return (
          <span
            key={stretch.fromUnixMs}
            className={cn(
              'absolute inset-y-0 flex items-center overflow-hidden px-2 text-2xs font-semibold whitespace-nowrap text-bg',
              stretch.value === null ? 'hatched' : !led && 'bg-bad',
            )}
            style={{
              left: `${left}%`,
              width: `${width}%`,
              ...(led ? { background: nodeColour(stretch.value ?? 0) } : {}),
            }}
          >
            {led && width > 10 && props.label?.(stretch.value ?? 0, stretch.fromUnixMs)}
          </span>
        );
      })}
    </div>
  );
}
