import { CircleX, TriangleAlert } from 'lucide-react';
import type { ClusterPlan } from '../../../electron/contract/contract.ts';
import { Swatch } from '../../ui/swatch.tsx';

/** What creating the cluster would do: members, what is put on each host, why it is refused. */
export function PlanView({ plan }: { plan: ClusterPlan }) {
  return (
    <section aria-label="Plan" className="grid gap-2.5" data-testid="plan">
      {plan.refusals.map((refusal) => (
        <p key={refusal} role="alert" className="flex gap-2 rounded-lg border border-bad/50 bg-badwash px-3 py-2">
          <CircleX aria-label="refused" className="mt-0.5 size-4 shrink-0 text-bad" />
          {refusal}
        </p>
      ))}
      {plan.warnings.map((warning) => (
        <p key={warning} className="flex gap-2 rounded-lg border border-warn/50 bg-warnwash px-3 py-2">
          <TriangleAlert aria-label="warning" className="mt-0.5 size-4 shrink-0 text-warn" />
          {warning}
        </p>
      ))}
      <div className="grid grid-cols-2 gap-3">
        <div>
          <h3 className="mb-1 text-xs font-semibold text-dim">Members</h3>
          <ul className="rounded-lg border border-line bg-bg">
            {plan.members.map((member, index) => (
              <li key={member.hostId} className="flex items-center gap-2 px-3 py-1.5 not-first:border-t">
                <Swatch memberSlot={index + 1} />
                <span className="font-medium">{member.nodeName}</span>
                <span className="text-dim">on {member.host}</span>
                <span className="ml-auto font-mono text-2xs text-faint">
                  peers {member.peerPort} · clients {member.clientPort}
                </span>
              </li>
            ))}
          </ul>
        </div>
        <div>
          <h3 className="mb-1 text-xs font-semibold text-dim">Put on each host</h3>
          <ul className="rounded-lg border border-line bg-bg font-mono text-xs">
            {plan.puts.map((put) => (
              <li key={put} className="px-3 py-1.5 break-words not-first:border-t">
                {put}
              </li>
            ))}
          </ul>
        </div>
      </div>
    </section>
  );
}
