/** Cutting links on purpose: drawn in a matrix, seen in a graph, its consequence computed by the engine while it is drawn. */
import { useMemo, useState } from 'react';
import type { Action, ClusterView, Link } from '../../../../electron/contract/model.ts';
import { ConsequenceView } from '../../../actions/consequence-view.tsx';
import { ask } from '../../../actions/requests.ts';
import { type Preview, usePreview } from '../../../actions/use-preview.ts';
import { useSecond } from '../../../live/clock.ts';
import { Button } from '../../../ui/button.tsx';
import { Card } from '../../../ui/card.tsx';
import { FailureNote } from '../../../ui/failure-note.tsx';
import { SelectField } from '../../../ui/field.tsx';
import { cn } from '../../../ui/class-names.ts';
import { useLast } from '../../../ui/use-last.ts';
import { plural } from '../../../ui/format.ts';
import { isHolding } from '../fault-state.ts';
import { linkKey, linkViews } from '../topology/links.ts';
import { LinkLegend } from '../topology/link-legend.tsx';
import { TopologyGraph } from '../topology/topology-graph.tsx';
import { draftOf, emptyDraft, isSymmetric, linksOf } from './draft.ts';
import { FaultList } from './fault-list.tsx';
import { GeneratorBar } from './generator-bar.tsx';
import { LinkMatrix } from './link-matrix.tsx';

const ttls = [
  { value: '15000', label: '15 seconds' },
  { value: '30000', label: '30 seconds' },
  { value: '60000', label: '1 minute' },
  { value: '300000', label: '5 minutes' },
  { value: '900000', label: '15 minutes' },
  { value: '3600000', label: '1 hour' },
];
/** Long enough to draw several cells before the engine is asked. */
const PREVIEW_DELAY_MS = 200;

export function FaultsTab({ cluster }: { cluster: ClusterView }) {
  const [draft, setDraft] = useState(emptyDraft);
  const [bothWays, setBothWays] = useState(true);
  const [ttl, setTtl] = useState('60000');
  const { clusterId } = cluster;
  const links = useMemo(() => linksOf(draft), [draft]);
  const holding = cluster.faults.filter(isHolding);
  const cutNow = new Set(holding.flatMap((fault) => fault.links.map(linkKey)));
  const action = useMemo<Action | null>(
    () => (links.length === 0 ? null : { kind: 'partition', clusterId, links, ttlMs: Number(ttl) }),
    [links, clusterId, ttl],
  );
  const preview = usePreview(action, PREVIEW_DELAY_MS);
  const draw = (drawn: readonly Link[]) => {
    setDraft(draftOf(drawn));
    if (drawn.length > 0) setBothWays(isSymmetric(drawn));
  };
  const injected = links.length > 0 && links.every((link) => cutNow.has(linkKey(link)));
  if (injected) setDraft(emptyDraft);
  return (
    <>
      <div className="grid grid-cols-[minmax(0,1fr)_minmax(340px,400px)] gap-3.5 min-[1700px]:grid-cols-[auto_minmax(0,1fr)_420px]">
        <Card
          title="Draw a partition"
          aside={
            links.length === 0 ? 'click a cell to cut that link' : `${plural(links.length, 'directed link')} to be cut`
          }
        >
          <GeneratorBar cluster={cluster} onDraw={draw} />
          <div className="mt-3 overflow-x-auto">
            <LinkMatrix nodes={cluster.nodes} draft={draft} cutNow={cutNow} bothWays={bothWays} onChange={setDraft} />
          </div>
          <div className="mt-3 flex flex-wrap items-end gap-4">
            <label className="flex h-8 items-center gap-2">
              <input
                type="checkbox"
                className="size-4 accent-accent"
                checked={bothWays}
                onChange={(event) => setBothWays(event.target.checked)}
              />
              Both ways
            </label>
            <SelectField
              label="Heals by itself after"
              options={ttls}
              value={ttl}
              onChange={(event) => setTtl(event.target.value)}
              className="w-40"
            />
            <Button
              needsEngine
              look="fault"
              className="ml-auto"
              data-testid="inject"
              disabled={action === null}
              onClick={() => action !== null && ask(action)}
            >
              Inject…
            </Button>
          </div>
        </Card>
        <Outlook cluster={cluster} preview={preview} drawn={action !== null} />
        <DraftGraph cluster={cluster} drawn={links} />
      </div>
      <FaultList cluster={cluster} />
    </>
  );
}

function Outlook({ cluster, preview, drawn }: { cluster: ClusterView; preview: Preview; drawn: boolean }) {
  const consequence = useLast(preview.consequence);
  const waiting = preview.consequence === null && preview.failure === null;
  return (
    <Card
      title="What it would do"
      aside={drawn && waiting ? 'working it out…' : 'computed by the engine from what it observes now'}
      className="max-[1699px]:order-last max-[1699px]:col-span-2"
      testId="draft-consequence"
    >
      {!drawn && (
        <p className="text-dim">
          Nothing is drawn. Draw a partition to see what it would do to the quorum, the leader and writes.
        </p>
      )}
      {drawn && preview.failure !== null && <FailureNote failure={preview.failure} />}
      {drawn && preview.failure === null && consequence !== null && (
        <div className={cn(waiting && 'opacity-50')}>
          <ConsequenceView consequence={consequence} cluster={cluster} compact />
        </div>
      )}
    </Card>
  );
}

function DraftGraph({ cluster, drawn }: { cluster: ClusterView; drawn: readonly Link[] }) {
  const second = useSecond();
  const links = useMemo(
    () => linkViews(cluster, [...cluster.faults.filter(isHolding), { links: [...drawn] }], second),
    [cluster, drawn, second],
  );
  return (
    <Card title={drawn.length > 0 ? 'As it would be' : 'As it is'} aside="round-trip, ms">
      <TopologyGraph cluster={cluster} links={links} nowUnixMs={second} />
      <LinkLegend links={links} cluster={cluster} nowUnixMs={second} />
    </Card>
  );
}
