import { Unplug } from 'lucide-react';
import { localTime, useNow } from '../live/clock.ts';
import { connection, reconnectNow } from '../live/connection.ts';
import { fleet } from '../live/fleet.ts';
import { useStore } from '../live/store.ts';
import { Button } from '../ui/button.tsx';
import { formatClock } from '../ui/format.ts';

/** Says that the engine is not reached, and that what is shown is old. Nothing while it is reached. */
export function ConnectionNotice() {
  const link = useStore(connection);
  const knownAt = useStore(fleet, (value) => value?.atUnixMs ?? null);
  const now = localTime(useNow());
  if (link.state !== 'lost') return null;
  const waitMs = link.retryAtUnixMs === null ? null : Math.max(0, link.retryAtUnixMs - now);
  return (
    <div
      role="alert"
      data-testid="connection-lost"
      className="sticky top-0 z-30 flex items-center gap-3 border-b border-bad/60 bg-badwash px-5 py-2.5"
    >
      <Unplug aria-hidden className="size-4 shrink-0 text-bad" />
      <p>
        <b className="font-semibold">The connection to the engine is lost.</b>{' '}
        <span className="text-dim">
          {knownAt === null ? 'Nothing is known yet. ' : `Showing what was known at ${formatClock(knownAt)}. `}
          What the clusters do now is unknown here.
        </span>
      </p>
      <span className="ml-auto text-xs whitespace-nowrap text-dim">
        {waitMs === null ? 'The desktop shell starts it again.' : `next attempt in ${Math.ceil(waitMs / 1000)} s`}
      </span>
      {waitMs !== null && (
        <Button size="sm" onClick={reconnectNow}>
          Try now
        </Button>
      )}
    </div>
  );
}
