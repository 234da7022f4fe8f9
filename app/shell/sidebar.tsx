import { Keyboard, Monitor, Moon, Sun } from 'lucide-react';
import type { ReactNode } from 'react';
import { fleet } from '../live/fleet.ts';
import { useEngineReached } from '../live/health.ts';
import { useStore } from '../live/store.ts';
import { Button } from '../ui/button.tsx';
import { cn } from '../ui/class-names.ts';
import { HealthIcon } from '../ui/condition.tsx';
import { plural } from '../ui/format.ts';
import { keyHelpOpen } from './key-help.tsx';
import { formatRoute, type Route } from './router.ts';
import { applyTheme, theme, themes } from './theme.ts';

export function Sidebar({ route }: { route: Route }) {
  const snapshot = useStore(fleet);
  const reached = useEngineReached();
  return (
    <nav
      aria-label="Main"
      className="row-span-2 flex min-h-0 flex-col gap-0.5 overflow-y-auto border-r border-line px-2.5 py-3.5"
    >
      <a
        href={formatRoute({ screen: 'fleet' })}
        className="mb-2 flex items-center gap-2 px-2.5 py-1 font-semibold tracking-wide"
      >
        <svg aria-hidden viewBox="0 0 16 16" className="size-4 text-accent">
          <circle cx="8" cy="8" r="6.9" fill="none" stroke="currentColor" strokeWidth="1.8" />
          <circle cx="8" cy="8" r="3" fill="currentColor" />
        </svg>
        Synod
      </a>
      <Entry href={formatRoute({ screen: 'fleet' })} current={route.screen === 'fleet'}>
        <span>Fleet</span>
        <span className="text-xs text-faint">{snapshot !== null && plural(snapshot.hosts.length, 'host')}</span>
      </Entry>
      <h2 className="eyebrow mx-2.5 mt-4 mb-1">Clusters</h2>
      {snapshot?.clusters.map((cluster) => (
        <Entry
          key={cluster.clusterId}
          href={formatRoute({
            screen: 'cluster',
            clusterId: cluster.clusterId,
            tab: route.screen === 'cluster' ? route.tab : 'overview',
          })}
          current={route.screen === 'cluster' && route.clusterId === cluster.clusterId}
        >
          <span className="flex min-w-0 items-center gap-2">
            <HealthIcon level={reached ? cluster.health.level : 'unknown'} className="size-3.5" />
            <span className="truncate">{cluster.name}</span>
          </span>
          <span className="text-xs text-faint">{cluster.nodes.length}</span>
        </Entry>
      ))}
      {snapshot?.clusters.length === 0 && <p className="px-2.5 py-1 text-xs text-faint">none yet</p>}
      <div className="mt-auto flex items-center justify-between pt-4 pl-1">
        <ThemeSwitch />
        <Button look="ghost" size="sm" onClick={() => keyHelpOpen.set(true)} aria-label="Keys">
          <Keyboard aria-hidden className="size-4" />
          <kbd className="rounded border border-line px-1 font-mono text-2xs">?</kbd>
        </Button>
      </div>
      {snapshot !== null && <p className="px-2.5 text-2xs text-faint">engine {snapshot.engineVersion}</p>}
    </nav>
  );
}

function Entry(props: { href: string; current: boolean; children: ReactNode }) {
  return (
    <a
      href={props.href}
      aria-current={props.current ? 'page' : undefined}
      className={cn(
        'flex items-center justify-between gap-2 rounded-md px-2.5 py-1.5 text-dim hover:bg-raise hover:text-text',
        props.current && 'bg-raise font-medium text-text',
      )}
    >
      {props.children}
    </a>
  );
}

const icons = { system: Monitor, light: Sun, dark: Moon };

function ThemeSwitch() {
  const chosen = useStore(theme);
  const Icon = icons[chosen];
  const next = themes[(themes.indexOf(chosen) + 1) % themes.length] ?? 'system';
  return (
    <Button look="ghost" size="sm" onClick={() => applyTheme(next)} aria-label={`Theme: ${chosen}. Change to ${next}.`}>
      <Icon aria-hidden className="size-4" />
      <span className="capitalize">{chosen}</span>
    </Button>
  );
}
