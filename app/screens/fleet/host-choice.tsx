import type { HostView } from '../../../electron/contract/model.ts';
import { HostReachability } from '../../ui/condition.tsx';
import { formatBytes, plural } from '../../ui/format.ts';

/** Which hosts get a node, or are checked. One that is not reachable cannot be chosen, and says why. */
export function HostChoice(props: {
  hosts: readonly HostView[];
  chosen: readonly string[];
  onChange: (hostIds: readonly string[]) => void;
  purpose?: 'cluster' | 'check';
}) {
  const { chosen } = props;
  const tolerates = Math.max(0, Math.ceil(chosen.length / 2) - 1);
  return (
    <fieldset>
      <legend className="mb-1 flex w-full items-baseline justify-between text-xs font-medium text-dim">
        {props.purpose === 'check' ? 'Hosts' : 'Hosts: one node on each'}
        <span className="font-normal text-faint">
          {props.purpose === 'check'
            ? `${chosen.length} of ${props.hosts.length}`
            : chosen.length === 0
              ? 'choose 3 or 5'
              : `${plural(chosen.length, 'voter')}: tolerates ${tolerates}`}
        </span>
      </legend>
      <div className="max-h-64 overflow-y-auto rounded-lg border border-line">
        {props.hosts.map((host) => {
          const reachable = host.reachability.state === 'reachable';
          return (
            <label
              key={host.hostId}
              className="grid grid-cols-[20px_120px_1fr_auto_150px] items-center gap-2 px-3 py-1.5 not-first:border-t hover:bg-raise has-disabled:opacity-60"
            >
              <input
                type="checkbox"
                className="size-4 accent-accent"
                disabled={!reachable}
                checked={chosen.includes(host.hostId)}
                onChange={(event) =>
                  props.onChange(
                    event.target.checked ? [...chosen, host.hostId] : chosen.filter((id) => id !== host.hostId),
                  )
                }
              />
              <span className="font-medium">{host.name}</span>
              <span className="truncate font-mono text-xs text-dim">
                {host.address}
                {host.nodeIds.length > 0 && ` · ${plural(host.nodeIds.length, 'node')} there already`}
              </span>
              <span className="text-xs text-faint">
                {host.facts?.homeFreeBytes == null ? '' : `${formatBytes(host.facts.homeFreeBytes)} free`}
              </span>
              <HostReachability state={host.reachability.state} className="text-xs" />
            </label>
          );
        })}
      </div>
    </fieldset>
  );
}
