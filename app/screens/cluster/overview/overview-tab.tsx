import { useMemo, useState } from 'react';
import { Pause, Play } from 'lucide-react';
import type { ClusterView } from '../../../../electron/contract/model.ts';
import { useSecond } from '../../../live/clock.ts';
import { ChartTimeContext, useSeries } from '../../../live/series.ts';
import { Button } from '../../../ui/button.tsx';
import { Card } from '../../../ui/card.tsx';
import { Segmented } from '../../../ui/segmented.tsx';
import { isHolding } from '../fault-state.ts';
import { linkViews } from '../topology/links.ts';
import { LinkLegend } from '../topology/link-legend.tsx';
import { TopologyGraph } from '../topology/topology-graph.tsx';
import { ClusterCharts } from './cluster-charts.tsx';
import { Events } from './events.tsx';
import { KeyFigures } from './key-figures.tsx';
import { LeaderStrip } from './leader-strip.tsx';
import { LogLanes } from './log-lanes.tsx';
import { NodeHighlight } from './node-highlight.tsx';
import { NodeClaims } from './node-claims.tsx';

const windows = [
  { value: 5 * 60_000, label: '5 min' },
  { value: 15 * 60_000, label: '15 min' },
  { value: 60 * 60_000, label: '60 min' },
] as const;

export function OverviewTab({ cluster }: { cluster: ClusterView }) {
  const [windowMs, setWindowMs] = useState<number>(windows[0].value);
  const [paused, setPaused] = useState(false);
  const rows = useSeries(cluster.clusterId, windowMs);
  const time = useMemo(() => ({ rows, windowMs, paused }), [rows, windowMs, paused]);
  return (
    <ChartTimeContext value={time}>
      <KeyFigures cluster={cluster} />
      <div className="grid grid-cols-[360px_minmax(0,1fr)] gap-3.5 min-[1700px]:grid-cols-[400px_minmax(0,1fr)_minmax(0,420px)]">
        <Topology cluster={cluster} />
        <Card title="Log progress" aside="applied ▇ · decided ▏">
          <LogLanes cluster={cluster} />
          <NodeClaims cluster={cluster} />
        </Card>
        <div className="hidden min-[1700px]:block">
          <Events clusterId={cluster.clusterId} nodes={cluster.nodes} tall />
        </div>
      </div>
      <div className="mt-1 flex items-center gap-3">
        <h2 className="text-sm font-semibold">Over time</h2>
        <Segmented label="Window" value={windowMs} options={windows} onChange={setWindowMs} />
        <Button size="sm" aria-pressed={paused} onClick={() => setPaused(!paused)}>
          {paused ? <Play aria-hidden className="size-3.5" /> : <Pause aria-hidden className="size-3.5" />}
          {paused ? 'Go on' : 'Pause'}
        </Button>
        <NodeHighlight nodes={cluster.nodes} />
        {paused && <span className="text-xs text-warn">charts stand still</span>}
        <span className="ml-auto flex items-center gap-2 text-xs text-faint">
          <span aria-hidden className="inline-block h-3 w-5 rounded-sm border border-dashed border-fault bg-fault/15" />{' '}
          a fault held
        </span>
      </div>
      <LeaderStrip cluster={cluster} />
      <ClusterCharts cluster={cluster} />
      <div className="min-[1700px]:hidden">
        <Events clusterId={cluster.clusterId} nodes={cluster.nodes} />
      </div>
    </ChartTimeContext>
  );
}

function Topology({ cluster }: { cluster: ClusterView }) {
  const second = useSecond();
  const links = useMemo(() => linkViews(cluster, cluster.faults.filter(isHolding), second), [cluster, second]);
  return (
    <Card title="Topology" aside="round-trip, ms">
      <TopologyGraph cluster={cluster} links={links} nowUnixMs={second} />
      <LinkLegend links={links} cluster={cluster} nowUnixMs={second} />
    </Card>
  );
}
