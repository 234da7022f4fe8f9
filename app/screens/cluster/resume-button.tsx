import { useState } from 'react';
import type { Failure } from '../../../electron/contract/model.ts';
import { openedOperation } from '../../actions/requests.ts';
import { engine } from '../../live/connection.ts';
import { failureOf } from '../../live/failure.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { FailureNote } from '../../ui/failure-note.tsx';

/** Runs provisioning again from the step that failed; what is done already is left as it is. */
export function ResumeButton({ clusterId }: { clusterId: string }) {
  const [asked, setAsked] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const resume = async () => {
    setAsked(true);
    try {
      openedOperation.set((await engine().clusters.resume({ clusterId })).operationId);
    } catch (error) {
      setFailure(failureOf(error));
    }
    setAsked(false);
  };
  return (
    <>
      <Button needsEngine look="primary" disabled={asked} data-testid="resume" onClick={() => void resume()}>
        Go on provisioning
      </Button>
      <Dialog open={failure !== null} onClose={() => setFailure(null)} size="sm" title="Provisioning did not start">
        {failure !== null && <FailureNote failure={failure} />}
      </Dialog>
    </>
  );
}
