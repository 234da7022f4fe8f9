import { useState } from 'react';
import type { Failure } from '../../../electron/contract/model.ts';
import { engine } from '../../live/connection.ts';
import { failureOf } from '../../live/failure.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { FailureNote } from '../../ui/failure-note.tsx';
import { TextField } from '../../ui/field.tsx';

/** Takes the hosts on this computer down again; asks for the word, because data goes with them. */
export function LabMenu({ hasLab }: { hasLab: boolean }) {
  const [open, setOpen] = useState(false);
  const [typed, setTyped] = useState('');
  const [failure, setFailure] = useState<Failure | null>(null);
  if (!hasLab) return null;
  const close = () => {
    setOpen(false);
    setTyped('');
    setFailure(null);
  };
  const down = async () => {
    try {
      await engine().lab.down({ confirm: 'lab' });
      close();
    } catch (error) {
      setFailure(failureOf(error));
    }
  };
  return (
    <>
      <Button needsEngine onClick={() => setOpen(true)}>
        Stop the lab…
      </Button>
      <Dialog
        open={open}
        onClose={close}
        size="sm"
        title="Stop the lab"
        description="The hosts on this computer, their nodes and all their data are deleted. Your own hosts are not touched."
        footer={
          <>
            <Button onClick={close}>Cancel</Button>
            <Button needsEngine look="dangerSolid" disabled={typed !== 'lab'} onClick={() => void down()}>
              Delete the lab
            </Button>
          </>
        }
      >
        <div className="grid gap-3">
          {failure !== null && <FailureNote failure={failure} />}
          <TextField label="Type lab to confirm" value={typed} onChange={(event) => setTyped(event.target.value)} />
        </div>
      </Dialog>
    </>
  );
}
