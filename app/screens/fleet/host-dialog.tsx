/** One host: what it waits for an answer to, what it is, what a check finds, and taking it off the list. */
import { useCallback, useState } from 'react';
import type { CheckItem, Failure, HostView } from '../../../electron/contract/model.ts';
import { engine } from '../../live/connection.ts';
import { failureOf } from '../../live/failure.ts';
import { Button } from '../../ui/button.tsx';
import { HostReachability } from '../../ui/condition.tsx';
import { Dialog } from '../../ui/dialog.tsx';
import { FailureNote } from '../../ui/failure-note.tsx';
import { formatBytes, plural } from '../../ui/format.ts';
import { useLast } from '../../ui/use-last.ts';
import { CheckList } from './check-list.tsx';
import { HostAnswer } from './host-answer.tsx';

export function HostDialog({ host, onClose }: { host: HostView | null; onClose: () => void }) {
  const shown = useLast(host);
  if (shown === null) return null;
  return <HostDialogOf key={shown.hostId} host={shown} open={host !== null} onClose={onClose} />;
}

function HostDialogOf({ host, open, onClose }: { host: HostView; open: boolean; onClose: () => void }) {
  const [items, setItems] = useState<readonly CheckItem[] | null>(null);
  const [busy, setBusy] = useState<'check' | 'remove' | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const attempt = async (what: 'check' | 'remove', run: () => Promise<void>) => {
    setBusy(what);
    setFailure(null);
    try {
      await run();
    } catch (error) {
      setFailure(failureOf(error));
    }
    setBusy(null);
  };
  const look = useCallback(async () => {
    setItems((await engine().hosts.check({ hostId: host.hostId })).items);
  }, [host.hostId]);
  const check = () => attempt('check', look);
  const again = useCallback(() => void look().catch((error: unknown) => setFailure(failureOf(error))), [look]);
  const remove = () =>
    attempt('remove', async () => {
      await engine().hosts.remove({ hostId: host.hostId });
      onClose();
    });
  const reachable = host.reachability.state === 'reachable';
  return (
    <Dialog
      open={open}
      onClose={onClose}
      title={host.name}
      description={
        <span className="flex items-center gap-3">
          <span className="font-mono text-xs">
            {host.user}@{host.address}:{host.port}
          </span>
          <HostReachability state={host.reachability.state} />
        </span>
      }
      footer={
        <>
          <Button needsEngine look="danger" className="mr-auto" disabled={busy !== null} onClick={() => void remove()}>
            {busy === 'remove' ? 'Removing…' : 'Remove from the fleet'}
          </Button>
          <Button onClick={onClose}>Close</Button>
          <Button needsEngine look="primary" disabled={busy !== null || !reachable} onClick={() => void check()}>
            {busy === 'check' ? 'Checking…' : 'Check this host'}
          </Button>
        </>
      }
    >
      <div className="grid gap-3">
        <HostAnswer host={host} />
        {failure !== null && <FailureNote failure={failure} />}
        {host.reachability.failure !== null && host.reachability.state !== 'hostKeyUnknown' && (
          <FailureNote failure={host.reachability.failure} />
        )}
        {items !== null && <CheckList hostId={host.hostId} items={items} onFixed={again} />}
        <Facts host={host} />
      </div>
    </Dialog>
  );
}

const asksFirst: Partial<Record<HostView['reachability']['state'], true>> = {
  hostKeyUnknown: true,
  hostKeyChanged: true,
  authFailed: true,
};

function Facts({ host }: { host: HostView }) {
  const { facts } = host;
  // Where the operator is asked for something, that says all.
  if (facts === null)
    return host.reachability.state in asksFirst ? null : (
      <p className="text-dim">Nothing is known of what runs on this host: Synod was never logged in to it.</p>
    );
  const lines: readonly (readonly [string, string | null])[] = [
    ['system', `${facts.os}, kernel ${facts.kernel}`],
    ['processor', `${facts.architecture}${facts.cpuCount === null ? '' : `, ${plural(facts.cpuCount, 'core')}`}`],
    ['memory', facts.memoryBytes === null ? null : formatBytes(facts.memoryBytes)],
    ['home', `${facts.home}${facts.homeFreeBytes === null ? '' : `, ${formatBytes(facts.homeFreeBytes)} free`}`],
    ['services', facts.serviceManager === 'systemd' ? 'systemd' : "none: Synod's own supervisor keeps nodes running"],
    ['rights', facts.privilege],
    ['libc', facts.libc],
    ['machine id', facts.machineId],
    ['host id', host.hostId],
  ];
  return (
    <dl className="grid grid-cols-[100px_1fr] gap-y-1 rounded-lg border border-line bg-bg px-3 py-2.5">
      {lines.map(([term, value]) => (
        <div key={term} className="contents">
          <dt className="text-faint">{term}</dt>
          <dd className="break-words">{value ?? 'unknown'}</dd>
        </div>
      ))}
    </dl>
  );
}
