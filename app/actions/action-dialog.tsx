/** Every changing action goes through here: what it would do, then doing it, then how it came out. Safe to close at any time. */
import { useState } from 'react';
import type { Action, Failure } from '../../electron/contract/model.ts';
import { engine } from '../live/connection.ts';
import { failureOf } from '../live/failure.ts';
import { useCluster } from '../live/fleet.ts';
import { isRunning, useOperation } from '../live/operations.ts';
import { useStore } from '../live/store.ts';
import { Button } from '../ui/button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { FailureNote } from '../ui/failure-note.tsx';
import { TextField } from '../ui/field.tsx';
import { useLast } from '../ui/use-last.ts';
import { wordsOf } from './action-words.ts';
import { ConsequenceView } from './consequence-view.tsx';
import { OperationProgress } from './operation-progress.tsx';
import { openedOperation, requestedAction } from './requests.ts';
import { usePreview } from './use-preview.ts';

export function ActionDialog() {
  const requested = useStore(requestedAction);
  const shown = useLast(requested);
  if (shown === null) return null;
  return <ActionDialogOf key={shown.opening} action={shown.action} open={requested !== null} />;
}

function ActionDialogOf({ action, open }: { action: Action; open: boolean }) {
  const cluster = useCluster(action.clusterId);
  // As it was called when this was opened: a destroyed cluster is not there any more.
  const [words] = useState(() => wordsOf(action, cluster));
  const [name] = useState(() => cluster?.name ?? 'cluster');
  const [operationId, setOperationId] = useState<string | null>(null);
  const [asked, setAsked] = useState(false);
  const [refused, setRefused] = useState<Failure | null>(null);
  const [typed, setTyped] = useState('');
  const destroys = action.kind === 'clusterDestroy';
  const final: Action = destroys ? { ...action, confirmName: typed } : action;
  // Whether the name was typed is seen at its field; the preview says what else stands against it.
  const previewed: Action = destroys ? { ...action, confirmName: cluster?.name ?? '' } : action;
  const preview = usePreview(open && operationId === null ? previewed : null);
  const wrongName = typed !== '' && cluster !== null && !cluster.name.startsWith(typed);
  const operation = useOperation(operationId);
  const mayRun = preview.consequence?.refusals.length === 0 && !asked && (!destroys || typed === cluster?.name);

  const run = async () => {
    setAsked(true);
    setRefused(null);
    try {
      setOperationId((await engine().actions.run(final)).operationId);
    } catch (error) {
      setRefused(failureOf(error));
    }
    setAsked(false);
  };
  const close = () => {
    requestedAction.set(null);
  };

  return (
    <Dialog
      open={open}
      onClose={close}
      size={operationId === null ? 'md' : 'lg'}
      title={words.title}
      description={
        <>
          {name} · <span className="font-mono text-xs">{words.targetId}</span>
        </>
      }
      footer={
        operationId === null ? (
          <>
            <Button onClick={close}>Cancel</Button>
            <Button
              needsEngine
              look={words.look}
              disabled={!mayRun}
              data-testid="preview-run"
              onClick={() => void run()}
            >
              {asked ? 'Asking…' : words.run}
            </Button>
          </>
        ) : (
          <>
            {operation !== null && isRunning(operation) && (
              <span className="mr-auto text-xs text-faint">It goes on when this is closed.</span>
            )}
            <Button onClick={close}>Close</Button>
          </>
        )
      }
    >
      <div className="grid gap-3">
        {refused !== null && <FailureNote failure={refused} />}
        {operationId !== null && operation !== null && <OperationProgress operation={operation} />}
        {operationId !== null && operation === null && (
          <p className="text-dim">Started; waiting for the first word of it…</p>
        )}
        {operationId === null && preview.failure !== null && <FailureNote failure={preview.failure} />}
        {operationId === null && preview.consequence !== null && (
          <ConsequenceView consequence={preview.consequence} cluster={cluster} />
        )}
        {operationId === null && preview.consequence === null && preview.failure === null && (
          <p className="py-8 text-center text-dim">Working out what this would do…</p>
        )}
        {operationId === null && destroys && (
          <TextField
            label={`Type ${cluster?.name ?? ''} to confirm`}
            problem={wrongName ? `The cluster is called ${cluster.name}.` : null}
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        )}
      </div>
    </Dialog>
  );
}

/** An operation that was opened from the tray. */
export function OperationDialog() {
  const operationId = useStore(openedOperation);
  const operation = useOperation(operationId);
  return (
    <Dialog
      open={operation !== null}
      onClose={() => openedOperation.set(null)}
      size="lg"
      title={operation?.title ?? ''}
      description={<span className="font-mono text-xs">{operationId}</span>}
    >
      {operation !== null && <OperationProgress operation={operation} />}
    </Dialog>
  );
}
