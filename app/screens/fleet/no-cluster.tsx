import { Button } from '../../ui/button.tsx';
import { FailureNote } from '../../ui/failure-note.tsx';
import { useTryIt } from './use-try-it.ts';

/** There are hosts, but nothing runs on them yet. */
export function NoCluster({ hasLab, onCreate }: { hasLab: boolean; onCreate: () => void }) {
  const { tryIt, asked, failure } = useTryIt();
  return (
    <section aria-label="No cluster yet" className="surface grid gap-3 px-4 py-3.5">
      <div className="flex items-center gap-3">
        <p>
          <b className="font-semibold">No cluster yet.</b>{' '}
          <span className="text-dim">
            Choose three or five of the hosts below and see the plan before anything is changed.
          </span>
        </p>
        <span className="ml-auto flex gap-2">
          {hasLab && (
            <Button needsEngine disabled={asked} data-testid="try-it" onClick={() => tryIt(3)}>
              Try it on this computer
            </Button>
          )}
          <Button needsEngine look="primary" onClick={onCreate}>
            Create cluster…
          </Button>
        </span>
      </div>
      {failure !== null && <FailureNote failure={failure} />}
    </section>
  );
}
