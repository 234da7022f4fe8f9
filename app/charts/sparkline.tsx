import { memo } from 'react';

/** A line without axes. `values` oldest first; null is a gap. */
export const Sparkline = memo(function Sparkline(props: {
  values: readonly (number | null)[];
  label: string;
  width?: number;
  height?: number;
}) {
  const { width = 220, height = 34 } = props;
  const known = props.values.filter((value) => value !== null);
  const high = Math.max(...known, 1) * 1.08;
  const step = width / Math.max(1, props.values.length - 1);
  let line = '';
  let broken = true;
  props.values.forEach((value, index) => {
    if (value === null) {
      broken = true;
      return;
    }
    line += `${broken ? 'M' : 'L'}${(index * step).toFixed(1)} ${(height - 1 - (value / high) * (height - 3)).toFixed(1)}`;
    broken = false;
  });
  return (
    <figure aria-label={props.label}>
      <svg aria-hidden viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" className="h-9 w-full">
        <path d={`M0 ${height - 0.5}H${width}`} stroke="var(--color-line)" vectorEffect="non-scaling-stroke" />
        <path d={line} fill="none" stroke="var(--color-accent)" strokeWidth="1.5" vectorEffect="non-scaling-stroke" />
      </svg>
    </figure>
  );
});
