/** Faults of this cluster: those that hold with their countdown and the proof that they bite, and those that ended. */
import type { ClusterView, FaultView } from '../../../../electron/contract/model.ts';
import { ask } from '../../../actions/requests.ts';
import { Button } from '../../../ui/button.tsx';
import { Card } from '../../../ui/card.tsx';
import { cn } from '../../../ui/class-names.ts';
import { FailureNote } from '../../../ui/failure-note.tsx';
import { Countdown, Unknown } from '../../../ui/figures.tsx';
import { formatClock, formatCount, plural } from '../../../ui/format.ts';
import { Swatch } from '../../../ui/swatch.tsx';
import { isHolding } from '../fault-state.ts';

export function FaultList({ cluster }: { cluster: ClusterView }) {
  const faults = [...cluster.faults].sort((a, b) => b.injectedAtUnixMs - a.injectedAtUnixMs);
  return (
    <Card title="Faults" aside="leases held by the nodes: they end by themselves, with or without this console">
      {faults.length === 0 && <p className="text-dim">None: every link is as the network gives it.</p>}
      <ul className="grid gap-2">
        {faults.map((fault) => (
          <Fault key={fault.faultId} fault={fault} cluster={cluster} />
        ))}
      </ul>
    </Card>
  );
}

function Fault({ fault, cluster }: { fault: FaultView; cluster: ClusterView }) {
  const holding = isHolding(fault);
  return (
    <li className={cn('rounded-lg border px-3.5 py-2.5', holding ? 'border-fault bg-faultwash' : 'border-line')}>
      <div className="flex items-center gap-3">
        <b className={cn('font-semibold', holding && 'text-fault')}>{stateWords[fault.state]}</b>
        <span className="min-w-0 truncate">{fault.title}</span>
        <span className="text-xs whitespace-nowrap text-faint">
          {plural(fault.links.length, 'link')} · since {formatClock(fault.injectedAtUnixMs)} ·{' '}
          <span className="font-mono text-2xs">{fault.faultId}</span>
        </span>
        {holding && (
          <span className="ml-auto flex items-center gap-3">
            <Countdown to={fault.healsAtUnixMs} className="font-semibold text-fault" />
            <Button
              needsEngine
              look="fault"
              size="sm"
              disabled={fault.state === 'healing'}
              onClick={() => ask({ kind: 'heal', clusterId: cluster.clusterId, faultId: fault.faultId })}
            >
              Heal…
            </Button>
          </span>
        )}
      </div>
      <Proof fault={fault} cluster={cluster} />
      {fault.nodes.map(
        (node) => node.failure !== null && <FailureNote key={node.nodeId} failure={node.failure} className="mt-2" />,
      )}
    </li>
  );
}

const stateWords: Record<FaultView['state'], string> = {
  injecting: 'Being injected',
  active: 'Holds',
  healing: 'Being healed',
  healed: 'Healed',
  expired: 'Ended at its deadline',
  notInjected: 'Not injected: it never bit',
  unknown: 'Unknown: a node cannot be asked',
};

function Proof({ fault, cluster }: { fault: FaultView; cluster: ClusterView }) {
  return (
    <dl className="mt-1.5 flex flex-wrap gap-x-5 gap-y-1 text-xs">
      {fault.nodes.map((applied) => {
        const node = cluster.nodes.find((each) => each.nodeId === applied.nodeId);
        return (
          <div key={applied.nodeId} className="flex items-center gap-1.5">
            <dt className="name flex items-center gap-1.5 text-dim">
              <Swatch memberSlot={node?.memberSlot ?? 0} />
              {node?.name ?? applied.nodeId}
            </dt>
            <dd>
              {applied.state === 'unknown' ? (
                <Unknown />
              ) : (
                <>
                  {applied.state}
                  {applied.droppedMessages !== null && `, ${formatCount(applied.droppedMessages)} dropped`}
                </>
              )}
            </dd>
          </div>
        );
      })}
    </dl>
  );
}
