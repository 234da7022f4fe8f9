import { MonitorPlay, Server } from 'lucide-react';
import { useState } from 'react';
import { Button } from '../../ui/button.tsx';
import { FailureNote } from '../../ui/failure-note.tsx';
import { Segmented } from '../../ui/segmented.tsx';
import { useTryIt } from './use-try-it.ts';

/** Two ways to begin: hosts on this computer, or one's own. */
export function EmptyFleet({ onAddHost }: { onAddHost: () => void }) {
  const [nodes, setNodes] = useState(3);
  const { tryIt, asked, failure } = useTryIt();
  return (
    <section aria-label="Begin" className="mx-auto mt-[6vh] grid w-full max-w-[880px] grid-cols-2 gap-4">
      <div className="surface flex flex-col gap-3 border-accent/50 p-6">
        <MonitorPlay aria-hidden className="size-7 text-accent" strokeWidth={1.6} />
        <h2 className="text-lg font-semibold">Try it on this computer</h2>
        <p className="text-dim">
          Starts real SSH hosts on loopback addresses, ships a node to each and forms a cluster: the same steps as on
          your own machines. No root, no container; one click removes it all again.
        </p>
        <div className="mt-auto flex flex-wrap items-center gap-3 pt-2">
          <Button
            needsEngine
            look="primary"
            size="lg"
            disabled={asked}
            data-testid="try-it"
            onClick={() => tryIt(nodes)}
          >
            {asked ? 'Starting…' : 'Try it on this computer'}
          </Button>
          <Segmented
            label="Number of nodes"
            value={nodes}
            onChange={setNodes}
            options={[
              { value: 3, label: '3 nodes' },
              { value: 5, label: '5 nodes' },
            ]}
          />
        </div>
        {failure !== null && <FailureNote failure={failure} />}
      </div>
      <div className="surface flex flex-col gap-3 p-6">
        <Server aria-hidden className="size-7 text-dim" strokeWidth={1.6} />
        <h2 className="text-lg font-semibold">Use your own hosts</h2>
        <p className="text-dim">
          Any Linux machine that you reach over SSH. Synod checks it first, shows what it would put there, and changes
          nothing before you agree.
        </p>
        <ul className="grid gap-1 text-xs text-faint">
          <li>The host's key is shown and must be confirmed; a changed key is refused.</li>
          <li>No port is opened but the cluster's own.</li>
        </ul>
        <div className="mt-auto pt-2">
          <Button needsEngine size="lg" onClick={onAddHost}>
            Add a host…
          </Button>
        </div>
      </div>
    </section>
  );
}
