/** What can be put right on a host: the very lines that will run there, how they are taken back, and then running them. */
import { ChevronRight } from 'lucide-react';
import { useEffect, useState } from 'react';
import type { CheckFix, Failure } from '../../../electron/contract/model.ts';
import { OperationProgress } from '../../actions/operation-progress.tsx';
import { engine } from '../../live/connection.ts';
import { failureOf } from '../../live/failure.ts';
import { useOperation } from '../../live/operations.ts';
import { Button } from '../../ui/button.tsx';
import { cn } from '../../ui/class-names.ts';
import { FailureNote } from '../../ui/failure-note.tsx';

export function CheckFixView(props: { hostId: string; check: string; fix: CheckFix; onFixed: () => void }) {
  const { hostId, check, fix, onFixed } = props;
  const [open, setOpen] = useState(false);
  const [operationId, setOperationId] = useState<string | null>(null);
  const [refused, setRefused] = useState<Failure | null>(null);
  const operation = useOperation(operationId);
  const state = operation?.state;
  useEffect(() => {
    if (state === 'succeeded') onFixed();
  }, [state, onFixed]);
  const run = async () => {
    setRefused(null);
    try {
      const { fixId, commands } = fix;
      setOperationId((await engine().hosts.fix({ hostId, check, fixId, commands })).operationId);
    } catch (error) {
      setRefused(failureOf(error));
    }
  };
  return (
    <span className="mt-1 block">
      <Button look="ghost" size="sm" className="-ml-2" aria-expanded={open} onClick={() => setOpen(!open)}>
        <ChevronRight aria-hidden className={cn('size-3.5 transition-transform', open && 'rotate-90')} />
        {fix.title}
      </Button>
      {open && (
        <span className="mt-1 grid gap-2 rounded-md border border-line bg-bg p-2.5">
          <Lines label="Runs there as root" lines={fix.commands} />
          <Lines label="Taken back by" lines={fix.undo} />
          {refused !== null && <FailureNote failure={refused} />}
          {operation === null ? (
            <Button needsEngine size="sm" className="justify-self-start" onClick={() => void run()}>
              Run this
            </Button>
          ) : (
            <OperationProgress operation={operation} />
          )}
        </span>
      )}
    </span>
  );
}

function Lines({ label, lines }: { label: string; lines: readonly string[] }) {
  return (
    <span className="block">
      <span className="text-xs text-faint">{label}</span>
      <code className="block font-mono text-xs break-all whitespace-pre-wrap text-text">{lines.join('\n')}</code>
    </span>
  );
}
