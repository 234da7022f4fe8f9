import { useEffect } from 'react';
import { fleet } from '../live/fleet.ts';
import { createStore, useStore } from '../live/store.ts';
import { Dialog } from '../ui/dialog.tsx';
import { clusterTabs, goTo, parseRoute } from './router.ts';

export const keyHelpOpen = createStore(false);

const keys: readonly (readonly [string, string])[] = [
  ['?', 'this list'],
  ['f', 'go to the fleet'],
  ['1 … 9', 'go to that cluster'],
  ['o / n / x', 'overview, nodes, faults of this cluster'],
  ['Tab', 'to the next control; the focus is always visible'],
  ['Arrow keys', 'in the matrix of links: move; Space cuts or joins'],
  ['Esc', 'close what is open'],
];

/** Keys that work everywhere but in text fields and dialogs. None of them changes anything on a cluster. */
export function KeyHelp() {
  const open = useStore(keyHelpOpen);
  useEffect(() => {
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
  return (
    <Dialog
      open={open}
      onClose={() => keyHelpOpen.set(false)}
      title="Keys"
      description="No single key changes anything on a cluster."
      size="sm"
    >
      <dl className="grid grid-cols-[110px_1fr] gap-y-2">
        {keys.map(([key, what]) => (
          <div key={key} className="contents">
            <dt>
              <kbd className="rounded border border-edge bg-raise px-1.5 py-0.5 font-mono text-xs">{key}</kbd>
            </dt>
            <dd className="text-dim">{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

function onKey(event: KeyboardEvent): void {
  const target = event.target instanceof Element ? event.target : null;
  if (event.ctrlKey || event.metaKey || event.altKey || target?.closest('input, select, textarea, [role=dialog]'))
    return;
  const route = parseRoute(location.hash);
  const tab = clusterTabs.find((each) => ({ overview: 'o', nodes: 'n', faults: 'x' })[each] === event.key);
  if (event.key === '?') keyHelpOpen.set(true);
  else if (event.key === 'f') goTo({ screen: 'fleet' });
  else if (tab !== undefined && route.screen === 'cluster') goTo({ ...route, tab });
  else if (/^[1-9]$/.test(event.key)) {
    const cluster = fleet.get()?.clusters[Number(event.key) - 1];
    if (cluster !== undefined) goTo({ screen: 'cluster', clusterId: cluster.clusterId, tab: 'overview' });
  }
}
