import { ChevronRight, OctagonAlert } from 'lucide-react';
import { useState } from 'react';
import type { Failure } from '../../electron/contract/model.ts';
import { Button } from './button.tsx';
import { cn } from './class-names.ts';
import { ScrollRegion } from './scroll-region.tsx';

/** What failed, where, with which command, and what to do; the raw text is one click away. */
export function FailureNote({ failure, className }: { failure: Failure; className?: string }) {
  const [open, setOpen] = useState(false);
  const raw = [failure.stderr].filter((text) => text !== null && text !== '').join('\n');
  return (
    <div role="alert" className={cn('rounded-lg border border-bad/50 bg-badwash px-3 py-2.5', className)}>
      <p className="flex gap-2 font-medium">
        <OctagonAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
        <span>{failure.message}</span>
      </p>
      <dl className="mt-1.5 ml-6 grid grid-cols-[auto_1fr] gap-x-3 gap-y-0.5 text-xs text-dim">
        <Line term="host" value={failure.host} />
        <Line term="step" value={failure.step} />
        <Line term="command" value={failure.command} mono />
        <Line term="exit code" value={failure.exitCode === null ? null : String(failure.exitCode)} mono />
        <Line term="what to do" value={failure.nextStep} strong />
      </dl>
      {raw !== '' && (
        <div className="mt-1.5 ml-4">
          <Button look="ghost" size="sm" aria-expanded={open} onClick={() => setOpen(!open)}>
            <ChevronRight aria-hidden className={cn('size-3.5 transition-transform', open && 'rotate-90')} />
            Raw output
          </Button>
          {open && (
            <ScrollRegion label="Raw output" className="mt-1 ml-2 max-h-56 overflow-auto rounded-md bg-bg p-2.5">
              <pre className="font-mono text-2xs whitespace-pre-wrap">{raw}</pre>
            </ScrollRegion>
          )}
        </div>
      )}
    </div>
  );
}

function Line(props: { term: string; value: string | null; mono?: boolean; strong?: boolean }) {
  if (props.value === null || props.value === '') return null;
  return (
    <>
      <dt className="text-faint">{props.term}</dt>
      <dd className={cn('break-words', props.mono === true && 'font-mono', props.strong === true && 'text-text')}>
        {props.value}
      </dd>
    </>
  );
}
