import { cn } from './class-names.ts';

/** A row of choices of which one holds. */
export function Segmented<T extends string | number>(props: {
  label: string;
  value: T;
  options: readonly { value: T; label: string }[];
  onChange: (value: T) => void;
}) {
  return (
    <fieldset aria-label={props.label} className="inline-flex rounded-md border border-line bg-raise p-0.5">
      {props.options.map((option) => (
        <button
          key={option.value}
          type="button"
          aria-pressed={option.value === props.value}
          onClick={() => props.onChange(option.value)}
          className={cn(
            'rounded px-2 py-0.5 text-xs text-dim hover:text-text',
            option.value === props.value && 'bg-panel font-medium text-text shadow-sm shadow-black/20',
          )}
        >
          {option.label}
        </button>
      ))}
    </fieldset>
  );
}
