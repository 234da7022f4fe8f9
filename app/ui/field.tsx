import { type ComponentProps, type ReactNode, useId } from 'react';
import { cn } from './class-names.ts';

const box =
  'h-8 w-full rounded-md border border-edge bg-bg px-2.5 text-sm text-text placeholder:text-faint disabled:opacity-50';

/** A labelled text field; `problem` is read out and stands below it. */
export function TextField({
  label,
  hint,
  problem,
  className,
  ...input
}: ComponentProps<'input'> & { label: string; hint?: ReactNode; problem?: string | null | undefined }) {
  const id = useId();
  const note = problem ?? hint;
  return (
    <div className={cn('min-w-0', className)}>
      <label htmlFor={id} className="mb-1 block text-xs font-medium text-dim">
        {label}
      </label>
      <input
        id={id}
        className={cn(box, problem != null && 'border-bad')}
        aria-invalid={problem != null}
        aria-describedby={note == null ? undefined : `${id}-note`}
        autoComplete="off"
        spellCheck={false}
        {...input}
      />
      {note != null && (
        <p id={`${id}-note`} className={cn('mt-1 text-xs', problem != null ? 'text-bad' : 'text-faint')}>
          {note}
        </p>
      )}
    </div>
  );
}

export function SelectField({
  label,
  options,
  className,
  ...select
}: ComponentProps<'select'> & { label: string; options: readonly { value: string; label: string }[] }) {
  const id = useId();
  return (
    <div className={cn('min-w-0', className)}>
      <label htmlFor={id} className="mb-1 block text-xs font-medium text-dim">
        {label}
      </label>
      <select id={id} className={box} {...select}>
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
    </div>
  );
}
