/**
 * The strip that keeps what was started in sight: running operations, and for a while those that ended. It has its own room, below
 * the screen, and lies over nothing.
 */
import { X } from 'lucide-react';
import { useState } from 'react';
import type { Operation } from '../../electron/contract/model.ts';
import { ProgressBar } from '../actions/operation-progress.tsx';
import { openedOperation } from '../actions/requests.ts';
import { watchedOperations } from '../actions/watched.ts';
import { StepMark } from '../actions/step-mark.tsx';
import { useNow } from '../live/clock.ts';
import { isRunning, useOperations } from '../live/operations.ts';
import { useStore } from '../live/store.ts';
import { Button } from '../ui/button.tsx';
import { formatSpan } from '../ui/format.ts';

/** How long a success stays, milliseconds; what failed or is unknown stays until it is dismissed. */
const SUCCESS_STAYS_MS = 8_000;
const FAILURE_STAYS_MS = 15 * 60_000;
const MOST = 4;

export function OperationTray() {
  const operations = useOperations();
  const now = useNow();
  const [dismissed, setDismissed] = useState<ReadonlySet<string>>(new Set());
  const watched = useStore(watchedOperations);
  const shown = operations
    .filter(({ operationId }) => !dismissed.has(operationId) && !watched.has(operationId))
    .filter((each) => isInSight(each, now))
    .slice(0, MOST);
  return (
    <section
      aria-label="Operations"
      aria-live="polite"
      className="col-start-2 flex max-h-[40vh] flex-wrap justify-end gap-2 overflow-y-auto px-5 not-empty:border-t not-empty:py-2.5"
      data-testid="operation-tray"
    >
      {shown.map((operation) => (
        <article key={operation.operationId} className="w-96 rounded-lg border border-edge bg-panel px-3 py-2">
          <div className="flex items-start gap-2">
            <StepMark state={operation.state} className="mt-0.5 size-4" />
            <button
              type="button"
              className="min-w-0 flex-1 text-left"
              onClick={() => openedOperation.set(operation.operationId)}
            >
              <span className="block font-medium">{operation.title}</span>
              <span className="block text-xs text-dim [overflow-wrap:anywhere]">{lineOf(operation, now)}</span>
            </button>
            <Button
              look="ghost"
              size="icon"
              className="-mt-1 -mr-1.5"
              aria-label={`Dismiss ${operation.title}`}
              onClick={() => setDismissed(new Set([...dismissed, operation.operationId]))}
            >
              <X aria-hidden className="size-3.5" />
            </Button>
          </div>
          {isRunning(operation) && (
            <div className="mt-2">
              <ProgressBar operation={operation} />
            </div>
          )}
        </article>
      ))}
    </section>
  );
}

function isInSight(operation: Operation, now: number): boolean {
  if (operation.endedAtUnixMs === null) return true;
  const stays = operation.state === 'succeeded' ? SUCCESS_STAYS_MS : FAILURE_STAYS_MS;
  return now - operation.endedAtUnixMs < stays;
}

function lineOf(operation: Operation, now: number): string {
  const took = formatSpan(Math.max(0, (operation.endedAtUnixMs ?? now) - operation.startedAtUnixMs));
  const step = operation.steps.find((each) => each.state === 'running')?.step;
  const what = operation.outcome ?? operation.failure?.message ?? step ?? '';
  return [operation.state, took, what].filter((part) => part !== '').join(' · ');
}
