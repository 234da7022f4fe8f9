/** Figures with their age: fresh, stale (greyed, age beside it) or unknown (hatched). */
import type { ReactNode } from 'react';
import { useNow } from '../live/clock.ts';
import { cn } from './class-names.ts';
import { formatAge, formatCountdown } from './format.ts';
import { freshnessOf } from './freshness.ts';

/** The age in small figures; `always` shows it for fresh figures too. */
export function Age({ at, always = false }: { at: number | null; always?: boolean }) {
  const now = useNow();
  if (at === null) return null;
  if (!always && freshnessOf(at, now) === 'fresh') return null;
  return <span className="ml-1.5 text-2xs whitespace-nowrap text-faint">{formatAge(now - at)} ago</span>;
}

export function Unknown({ at = null, className }: { at?: number | null; className?: string }) {
  return (
    <span className={cn('hatched inline-block rounded-sm px-1.5 text-unknown', className)}>
      unknown
      <Age at={at} />
    </span>
  );
}

/** `value` null: unknown. A value that is too old reads unknown as well. Its age stands once in its row, not here. */
export function Figure(props: { value: ReactNode; at: number | null; unit?: string }) {
  const { value, at, unit } = props;
  const now = useNow();
  const freshness = freshnessOf(at, now);
  if (value === null || freshness === 'unknown') return <Unknown />;
  return (
    <span className={cn('whitespace-nowrap', freshness === 'stale' && 'text-faint')}>
      {value}
      {unit !== undefined && <span className="ml-0.5 text-faint">{unit}</span>}
    </span>
  );
}

export function Countdown({ to, className }: { to: number; className?: string }) {
  const now = useNow();
  return <span className={cn('font-mono', className)}>{formatCountdown(to - now)}</span>;
}

/** A share of something, with a bar; from `warnFrom` (in [0, 1]) on it is marked as well as coloured. */
export function Share({ ratio, at, warnFrom = 0.8 }: { ratio: number | null; at: number | null; warnFrom?: number }) {
  const now = useNow();
  const freshness = freshnessOf(at, now);
  if (ratio === null || freshness === 'unknown') return <Unknown />;
  const high = ratio >= warnFrom;
  return (
    <span className={cn('inline-flex items-center gap-2 whitespace-nowrap', freshness === 'stale' && 'text-faint')}>
      <span aria-hidden className="h-1.5 w-10 overflow-hidden rounded-full bg-raise">
        <span
          className={cn('block h-full rounded-full', high ? 'bg-warn' : 'bg-edge')}
          style={{ width: `${Math.round(Math.min(1, ratio) * 100)}%` }}
        />
      </span>
      <span className={cn(high && 'font-medium text-warn')}>
        {Math.round(ratio * 100)} %{high ? ' ↑' : ''}
      </span>
    </span>
  );
}
