/** Several hosts checked together: what is wrong first, compared with each other, and who reaches whom. */
import { useCallback, useState } from 'react';
import type { CheckItem, CheckLink, Failure, HostView } from '../../../electron/contract/model.ts';
import { engine } from '../../live/connection.ts';
import { failureOf } from '../../live/failure.ts';
import { useHosts } from '../../live/fleet.ts';
import { Button } from '../../ui/button.tsx';
import { cn } from '../../ui/class-names.ts';
import { Dialog } from '../../ui/dialog.tsx';
import { FailureNote } from '../../ui/failure-note.tsx';
import { plural } from '../../ui/format.ts';
import { CheckList, verdictLooks } from './check-list.tsx';
import { HostChoice } from './host-choice.tsx';
import { LinkTable } from './link-table.tsx';

interface CheckedHost {
  readonly host: HostView;
  readonly items: readonly CheckItem[];
}
interface Report {
  readonly hosts: readonly CheckedHost[];
  readonly links: readonly CheckLink[];
}

export function CheckHostsDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const hosts = useHosts();
  const reachable = hosts.filter((host) => host.reachability.state === 'reachable').map((host) => host.hostId);
  const [picked, setPicked] = useState<readonly string[] | null>(null);
  const hostIds = picked ?? reachable;
  const { report, failure, busy, check, forget } = useCheck(hostIds);
  const close = () => {
    setPicked(null);
    forget();
    onClose();
  };
  return (
    <Dialog
      open={open}
      onClose={close}
      size="xl"
      title="Check hosts"
      description="Looks, measures and lets the hosts call each other. Nothing is installed and nothing stays."
      footer={
        <>
          <Button onClick={close}>Close</Button>
          {report !== null && <Button onClick={forget}>Choose hosts</Button>}
          <Button needsEngine look="primary" disabled={busy || hostIds.length === 0} onClick={() => void check()}>
            {busy ? 'Checking…' : report === null ? `Check ${plural(hostIds.length, 'host')}` : 'Check again'}
          </Button>
        </>
      }
    >
      <div className="grid gap-4">
        {failure !== null && <FailureNote failure={failure} />}
        {report === null ? (
          <HostChoice hosts={hosts} chosen={hostIds} onChange={setPicked} purpose="check" />
        ) : (
          <ReportView report={report} onFixed={check} />
        )}
      </div>
    </Dialog>
  );
}

function useCheck(hostIds: readonly string[]) {
  const [report, setReport] = useState<Report | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const [busy, setBusy] = useState(false);
  const key = hostIds.join(' ');
  const check = useCallback(async () => {
    setBusy(true);
    setFailure(null);
    try {
      const wanted = { dataDir: null, peerPort: null, clientPort: null, heartbeatMs: null, electionTimeoutMs: null };
      setReport(await engine().hosts.preflight({ hostIds: key.split(' '), ...wanted }));
    } catch (error) {
      setFailure(failureOf(error));
    }
    setBusy(false);
  }, [key]);
  return { report, failure, busy, check, forget: () => setReport(null) };
}

function ReportView({ report, onFixed }: { report: Report; onFixed: () => Promise<void> }) {
  const [shownId, setShownId] = useState<string | null>(null);
  const shown = report.hosts.find(({ host }) => host.hostId === shownId) ?? report.hosts[0];
  const again = useCallback(() => void onFixed(), [onFixed]);
  if (shown === undefined) return null;
  return (
    <>
      {report.links.length > 0 && <LinkTable hosts={report.hosts.map(({ host }) => host)} links={report.links} />}
      <div className="grid grid-cols-[250px_1fr] items-start gap-4">
        <fieldset className="grid gap-1" aria-label="Hosts">
          {report.hosts.map((checked) => (
            <HostPick
              key={checked.host.hostId}
              checked={checked}
              chosen={checked === shown}
              onChoose={() => setShownId(checked.host.hostId)}
            />
          ))}
        </fieldset>
        <CheckList key={shown.host.hostId} hostId={shown.host.hostId} items={worstFirst(shown.items)} onFixed={again} />
      </div>
    </>
  );
}

const severity = { fail: 0, warn: 1, unknown: 2, pass: 3 } as const;

function worstFirst(items: readonly CheckItem[]): CheckItem[] {
  return [...items].sort((a, b) => severity[a.verdict] - severity[b.verdict]);
}

const counted = ['fail', 'warn', 'unknown', 'pass'] as const;

function HostPick({ checked, chosen, onChoose }: { checked: CheckedHost; chosen: boolean; onChoose: () => void }) {
  const { host, items } = checked;
  return (
    <button
      type="button"
      aria-pressed={chosen}
      onClick={onChoose}
      className={cn(
        'flex items-center gap-2 rounded-md border px-2.5 py-1.5 text-left',
        chosen ? 'border-edge bg-raise' : 'border-transparent hover:bg-raise',
      )}
    >
      <span className="min-w-0 flex-1 truncate font-medium">{host.name}</span>
      {counted.map((verdict) => {
        const count = items.filter((item) => item.verdict === verdict).length;
        const { icon: Icon, tone } = verdictLooks[verdict];
        if (count === 0) return null;
        return (
          <span key={verdict} className="flex items-center gap-0.5 text-xs text-dim tabular-nums">
            <Icon aria-hidden className={cn('size-3.5', tone)} />
            {count}
            <span className="sr-only"> {verdict}, </span>
          </span>
        );
      })}
    </button>
  );
}
