/** Who reaches whom on the ports of a cluster: rows call, columns are called; below, every call that did not pass, in words. */
import type { CheckLink, HostView } from '../../../electron/contract/model.ts';
import { cn } from '../../ui/class-names.ts';
import { verdictLooks } from './check-list.tsx';

const worstOf = ['fail', 'unknown', 'warn', 'pass'] as const;

export function LinkTable({ hosts, links }: { hosts: readonly HostView[]; links: readonly CheckLink[] }) {
  const called = hosts.filter((host) => links.some((link) => link.toHostId === host.hostId));
  const nameOf = new Map(hosts.map((host) => [host.hostId, host.name]));
  const wrong = links.filter((link) => link.verdict !== 'pass');
  return (
    <section aria-label="Round trips" className="grid gap-2">
      <div className="overflow-x-auto rounded-lg border border-line">
        <table className="w-full text-sm" aria-label="Round trips: rows call, columns are called">
          <thead>
            <tr>
              <th scope="col" className="px-3 py-1.5 text-left text-xs font-normal text-faint">
                calls ↓ reaches →
              </th>
              {called.map((to) => (
                <th key={to.hostId} scope="col" className="px-3 py-1.5 text-right font-medium">
                  {to.name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {called.map((from) => (
              <tr key={from.hostId} className="border-t border-line">
                <th scope="row" className="px-3 py-1.5 text-left font-medium">
                  {from.name}
                </th>
                {called.map((to) => (
                  <LinkCell
                    key={to.hostId}
                    links={links.filter((link) => link.fromHostId === from.hostId && link.toHostId === to.hostId)}
                  />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {wrong.length > 0 && (
        <ul className="grid gap-1 text-sm" aria-label="Calls that did not pass">
          {wrong.map((link) => (
            <li key={`${link.fromHostId} ${link.toHostId} ${link.port}`} className="flex items-start gap-2">
              <VerdictMark verdict={link.verdict} />
              <span className="text-dim">
                <span className="text-text">
                  {nameOf.get(link.fromHostId)} → {nameOf.get(link.toHostId)}, port {link.port}
                </span>
                : {link.found}. {link.nextStep}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function LinkCell({ links }: { links: readonly CheckLink[] }) {
  if (links.length === 0) return <td className="px-3 py-1.5 text-right text-faint">–</td>;
  const worst = worstOf.find((verdict) => links.some((link) => link.verdict === verdict)) ?? 'unknown';
  return (
    <td className="px-3 py-1.5 text-right tabular-nums">
      <span className="inline-flex items-center gap-1.5">
        {worst !== 'pass' && <VerdictMark verdict={worst} />}
        {sayLinks(links)}
      </span>
    </td>
  );
}

/** The slowest way there, or the ports that have none: a link on which one port works is not a link. */
function sayLinks(links: readonly CheckLink[]): string {
  const shut = links.filter((link) => link.verdict === 'fail').map((link) => link.port);
  if (shut.length > 0) return shut.length === links.length ? 'no way' : `no way to ${shut.join(', ')}`;
  const trips = links.flatMap((link) => link.roundTripMs ?? []);
  return trips.length === 0 ? 'unknown' : `${Math.max(...trips).toFixed(2)} ms`;
}

function VerdictMark({ verdict }: { verdict: CheckLink['verdict'] }) {
  const { icon: Icon, tone } = verdictLooks[verdict];
  return (
    <span>
      <Icon aria-hidden className={cn('size-4', tone)} />
      <span className="sr-only">{verdict}: </span>
    </span>
  );
}
