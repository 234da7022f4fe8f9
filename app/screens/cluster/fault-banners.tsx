import { Scissors } from 'lucide-react';
import type { ClusterView } from '../../../electron/contract/model.ts';
import { ask } from '../../actions/requests.ts';
import { Button } from '../../ui/button.tsx';
import { Countdown } from '../../ui/figures.tsx';
import { formatClock } from '../../ui/format.ts';
import { isHolding } from './fault-state.ts';

const words = {
  injecting: 'is being injected',
  active: 'holds',
  healing: 'is being healed',
  unknown: 'may hold: a node cannot be asked',
} as const;

/** One line for every fault that may still bite, with its way out. */
export function FaultBanners({ cluster }: { cluster: ClusterView }) {
  return cluster.faults.filter(isHolding).map((fault) => (
    <section
      key={fault.faultId}
      aria-label="Active fault"
      data-testid="fault-banner"
      className="flex items-center gap-3 rounded-lg border border-fault bg-faultwash px-3.5 py-2"
    >
      <Scissors aria-hidden className="size-4 shrink-0 text-fault" />
      <p className="min-w-0">
        <b className="font-semibold">Partition {words[fault.state as keyof typeof words] ?? fault.state}</b>{' '}
        <span className="text-dim">· {fault.title}</span>
      </p>
      <span className="ml-auto text-xs whitespace-nowrap text-dim">
        healed by the hosts at {formatClock(fault.healsAtUnixMs)} ·{' '}
        <Countdown to={fault.healsAtUnixMs} className="text-sm font-semibold text-fault" />
      </span>
      <Button
        needsEngine
        look="fault"
        size="sm"
        disabled={fault.state === 'healing'}
        onClick={() => ask({ kind: 'heal', clusterId: cluster.clusterId, faultId: fault.faultId })}
      >
        Heal now
      </Button>
    </section>
  ));
}
