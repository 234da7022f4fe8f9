import { CSPProvider } from '@base-ui/react/csp-provider';
import { ActionDialog, OperationDialog } from '../actions/action-dialog.tsx';
import { fleet } from '../live/fleet.ts';
import { useStore } from '../live/store.ts';
import { ClusterScreen } from '../screens/cluster/cluster-screen.tsx';
import { FleetScreen } from '../screens/fleet/fleet-screen.tsx';
import { ConnectionNotice } from './connection-notice.tsx';
import { ErrorBoundary } from './error-boundary.tsx';
import { KeyHelp } from './key-help.tsx';
import { OperationTray } from './operation-tray.tsx';
import { type Route, useRoute } from './router.ts';
import { Sidebar } from './sidebar.tsx';

export function App() {
  const route = useRoute();
  return (
    <CSPProvider disableStyleElements>
      <div className="grid h-full grid-cols-[208px_minmax(0,1fr)] grid-rows-[minmax(0,1fr)_auto]">
        <a
          href="#main"
          onClick={(event) => {
            event.preventDefault();
            document.getElementById('main')?.focus();
          }}
          className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-panel focus:p-2"
        >
          Skip to content
        </a>
        <Sidebar route={route} />
        <main id="main" tabIndex={-1} className="min-h-0 min-w-0 overflow-y-auto outline-none">
          <ConnectionNotice />
          <ErrorBoundary key={route.screen === 'cluster' ? `${route.clusterId}/${route.tab}` : route.screen}>
            <Screen route={route} />
          </ErrorBoundary>
        </main>
        <OperationTray />
      </div>
      <ActionDialog />
      <OperationDialog />
      <KeyHelp />
    </CSPProvider>
  );
}

function Screen({ route }: { route: Route }) {
  const known = useStore(fleet, (value) => value !== null);
  if (!known) return <p className="p-10 text-center text-dim">Asking the engine what it knows…</p>;
  return route.screen === 'fleet' ? <FleetScreen /> : <ClusterScreen clusterId={route.clusterId} tab={route.tab} />;
}
