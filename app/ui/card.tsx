import type { ReactNode } from 'react';
import { cn } from './class-names.ts';

/** A titled panel. `aside` stands at the right of the title: unit, legend, window. */
export function Card(props: {
  title: string;
  aside?: ReactNode;
  className?: string;
  children: ReactNode;
  testId?: string;
}) {
  return (
    <section
      className={cn('surface min-w-0 px-3.5 pt-2.5 pb-3', props.className)}
      aria-label={props.title}
      data-testid={props.testId}
    >
      <header className="mb-2 flex items-baseline justify-between gap-3">
        <h2 className="text-xs font-semibold text-dim">{props.title}</h2>
        {props.aside !== undefined && <div className="text-xs text-faint">{props.aside}</div>}
      </header>
      {props.children}
    </section>
  );
}
