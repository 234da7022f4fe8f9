/** Makes a cluster: choose hosts, see what will be put where, agree, follow it to its end. */
import { useEffect, useState } from 'react';
import type { ClusterPlan } from '../../../electron/contract/contract.ts';
import { type Failure, nameSchema } from '../../../electron/contract/model.ts';
import { OperationProgress } from '../../actions/operation-progress.tsx';
import { engine } from '../../live/connection.ts';
import { failureOf } from '../../live/failure.ts';
import { useHosts } from '../../live/fleet.ts';
import { useOperation } from '../../live/operations.ts';
import { goTo } from '../../shell/router.ts';
import { Button } from '../../ui/button.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { FailureNote } from '../../ui/failure-note.tsx';
import { TextField } from '../../ui/field.tsx';
import { HostChoice } from './host-choice.tsx';
import { PlanView } from './plan-view.tsx';

interface Started {
  readonly operationId: string;
  readonly clusterId: string;
}

export function CreateClusterDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const hosts = useHosts();
  const [name, setName] = useState('');
  const [hostIds, setHostIds] = useState<readonly string[]>([]);
  const [started, setStarted] = useState<Started | null>(null);
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<Failure | null>(null);
  const operation = useOperation(started?.operationId ?? null);
  const nameProblem = name === '' ? null : (nameSchema.safeParse(name).error?.issues[0]?.message ?? null);
  const request =
    name !== '' && nameProblem === null && hostIds.length > 0
      ? { name, hostIds: [...hostIds], peerPort: null, clientPort: null }
      : null;
  const { plan, failure } = usePlan(open && started === null ? request : null);
  const close = () => {
    setName('');
    setHostIds([]);
    setStarted(null);
    setRefused(null);
    onClose();
  };
  const create = async () => {
    if (request === null) return;
    setBusy(true);
    setRefused(null);
    try {
      setStarted(await engine().clusters.create(request));
    } catch (error) {
      setRefused(failureOf(error));
    }
    setBusy(false);
  };
  const done = operation?.state === 'succeeded';
  return (
    <Dialog
      open={open}
      onClose={close}
      size="lg"
      title={started === null ? 'Create a cluster' : `Creating ${name}`}
      description={
        started === null
          ? 'Nothing is changed before you agree to the plan.'
          : 'Safe to close: it goes on, and the tray follows it.'
      }
      footer={
        started === null ? (
          <>
            <Button onClick={close}>Cancel</Button>
            <Button
              needsEngine
              look="primary"
              disabled={busy || plan === null || plan.refusals.length > 0}
              onClick={() => void create()}
              data-testid="create-run"
            >
              {busy ? 'Asking…' : 'Create'}
            </Button>
          </>
        ) : (
          <>
            <Button onClick={close}>Close</Button>
            <Button
              look="primary"
              disabled={!done}
              onClick={() => {
                goTo({ screen: 'cluster', clusterId: started.clusterId, tab: 'overview' });
                close();
              }}
            >
              Open the cluster
            </Button>
          </>
        )
      }
    >
      {started === null ? (
        <div className="grid gap-4">
          {refused !== null && <FailureNote failure={refused} />}
          <TextField
            label="Name"
            placeholder="orders-eu"
            problem={nameProblem}
            value={name}
            onChange={(event) => setName(event.target.value)}
            className="max-w-xs"
          />
          <HostChoice hosts={hosts} chosen={hostIds} onChange={setHostIds} />
          {failure !== null && <FailureNote failure={failure} />}
          {plan !== null && <PlanView plan={plan} />}
        </div>
      ) : operation === null ? (
        <p className="text-dim">Started; waiting for the first word of it…</p>
      ) : (
        <OperationProgress operation={operation} />
      )}
    </Dialog>
  );
}

interface PlanRequest {
  readonly name: string;
  readonly hostIds: string[];
  readonly peerPort: null;
  readonly clientPort: null;
}

const PLAN_DELAY_MS = 250;

interface FoundPlan {
  readonly plan: ClusterPlan | null;
  readonly failure: Failure | null;
}

const noPlan: FoundPlan = { plan: null, failure: null };

function usePlan(request: PlanRequest | null): FoundPlan {
  const [found, setFound] = useState({ key: '', ...noPlan });
  const key = request === null ? '' : JSON.stringify(request);
  useEffect(() => {
    if (key === '') return;
    let over = false;
    const timer = setTimeout(() => {
      void askForPlan(JSON.parse(key) as PlanRequest).then((answer) => over || setFound({ key, ...answer }));
    }, PLAN_DELAY_MS);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [key]);
  return found.key === key ? found : noPlan;
}

async function askForPlan(request: PlanRequest): Promise<FoundPlan> {
  try {
    return { plan: await engine().clusters.plan(request), failure: null };
  } catch (error) {
    return { plan: null, failure: failureOf(error) };
  }
}
