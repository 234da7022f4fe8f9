import { Check, CircleDashed, CircleHelp, Equal, Loader, Minus, X } from 'lucide-react';
import type { OperationStep } from '../../electron/contract/model.ts';
import { cn } from '../ui/class-names.ts';

const looks = {
  pending: { icon: CircleDashed, tone: 'text-faint' },
  running: { icon: Loader, tone: 'text-accent animate-spin' },
  succeeded: { icon: Check, tone: 'text-ok' },
  unchanged: { icon: Equal, tone: 'text-dim' },
  failed: { icon: X, tone: 'text-bad' },
  unknown: { icon: CircleHelp, tone: 'text-unknown' },
  skipped: { icon: Minus, tone: 'text-faint' },
} as const;

/** The state of a step or of an operation, as a mark that is read out as its word. */
export function StepMark({ state, className }: { state: OperationStep['state']; className?: string }) {
  const { icon: Icon, tone } = looks[state];
  return (
    <>
      <Icon aria-hidden className={cn('size-3.5 shrink-0', tone, className)} strokeWidth={2.4} />
      <span className="sr-only">{state}: </span>
    </>
  );
}
