/** An operation as it goes: one column a host, one line a step, and how it came out. */
import { Progress } from '@base-ui/react/progress';
import type { Operation, OperationStep } from '../../electron/contract/model.ts';
import { useNow } from '../live/clock.ts';
import { isRunning } from '../live/operations.ts';
import { cn } from '../ui/class-names.ts';
import { FailureNote } from '../ui/failure-note.tsx';
import { formatSpan } from '../ui/format.ts';
import { breakable } from '../ui/breakable.tsx';
import { StepMark } from './step-mark.tsx';
import { useWatching } from './watched.ts';

const ended = new Set<OperationStep['state']>(['succeeded', 'unchanged', 'skipped', 'failed', 'unknown']);

export function doneRatio(operation: Operation): number {
  if (operation.steps.length === 0) return isRunning(operation) ? 0 : 1;
  const done = operation.steps.reduce((sum, step) => sum + (ended.has(step.state) ? 1 : (step.progressRatio ?? 0)), 0);
  return done / operation.steps.length;
}

export function OperationProgress({ operation }: { operation: Operation }) {
  const now = useNow();
  useWatching(operation);
  const groups = groupByHost(operation.steps);
  const done = operation.steps.filter((step) => ended.has(step.state)).length;
  const failures = operation.steps.flatMap((step) => (step.failure === null ? [] : [step.failure]));
  const shown =
    operation.failure === null
      ? failures
      : [operation.failure, ...failures.filter((f) => f.message !== operation.failure?.message)];
  return (
    <div className="grid gap-3">
      <div className="flex items-center gap-2.5">
        <StepMark state={operation.state} className="size-4" />
        <span className="font-medium" data-testid="operation-state" aria-live="polite">
          {operation.state}
        </span>
        <span className="ml-auto text-xs text-faint">
          {operation.steps.length > 0 && `${done} of ${operation.steps.length} steps · `}
          {formatSpan(Math.max(0, (operation.endedAtUnixMs ?? now) - operation.startedAtUnixMs))}
        </span>
      </div>
      <ProgressBar operation={operation} />
      {operation.outcome !== null && <p>{operation.outcome}</p>}
      {shown.map((failure) => (
        <FailureNote key={`${failure.host} ${failure.step} ${failure.message}`} failure={failure} />
      ))}
      <div className="grid grid-cols-[repeat(auto-fit,minmax(236px,1fr))] gap-2">
        {groups.map((group) => (
          <section
            key={group.host ?? ''}
            aria-label={group.host ?? 'cluster'}
            className="min-w-0 rounded-lg border border-line bg-bg px-3 py-2"
          >
            <h3 className="mb-1 text-xs font-semibold text-dim">{group.host ?? 'the whole cluster'}</h3>
            <ol className="grid gap-1">
              {group.steps.map((step) => (
                <StepLine key={step.step} step={step} now={now} />
              ))}
            </ol>
          </section>
        ))}
      </div>
    </div>
  );
}

export function ProgressBar({ operation }: { operation: Operation }) {
  const tone =
    operation.state === 'failed'
      ? 'bg-bad'
      : operation.state === 'unknown'
        ? 'bg-unknown'
        : operation.state === 'succeeded'
          ? 'bg-ok'
          : 'bg-accent';
  return (
    <Progress.Root value={Math.round(doneRatio(operation) * 100)} aria-label={operation.title}>
      <Progress.Track className="h-1.5 overflow-hidden rounded-full bg-raise">
        <Progress.Indicator className={cn('h-full rounded-full transition-[width] duration-300', tone)} />
      </Progress.Track>
    </Progress.Root>
  );
}

function StepLine({ step, now }: { step: OperationStep; now: number }) {
  const took = step.startedAtUnixMs === null ? null : Math.max(0, (step.endedAtUnixMs ?? now) - step.startedAtUnixMs);
  return (
    <li className={cn('flex items-baseline gap-1.5 text-xs', step.state === 'pending' && 'text-faint')}>
      <StepMark state={step.state} className="size-3 self-center" />
      <span className="min-w-0 flex-1">
        {step.step}{' '}
        {step.detail !== null && <span className="block break-words text-faint">{breakable(step.detail)}</span>}
      </span>
      <span className="shrink-0 text-2xs whitespace-nowrap text-faint">
        {step.progressRatio !== null ? `${Math.round(step.progressRatio * 100)} %` : took !== null && formatSpan(took)}
      </span>
    </li>
  );
}

function groupByHost(steps: readonly OperationStep[]): { host: string | null; steps: OperationStep[] }[] {
  const groups = new Map<string | null, OperationStep[]>();
  for (const step of steps) groups.set(step.host, [...(groups.get(step.host) ?? []), step]);
  return [...groups].map(([host, ofHost]) => ({ host, steps: ofHost }));
}
