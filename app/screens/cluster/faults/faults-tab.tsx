/** Cutting links on purpose: drawn in a matrix, seen in a graph, its consequence computed by the engine while it is drawn. */
import { useEffect, useMemo, useState } from 'react';
import type { Action, ClusterView } from '../../../../electron/contract/model.ts';
import { ConsequenceView } from '../../../actions/consequence-view.tsx';
import { ask } from '../../../actions/requests.ts';
import { usePreview } from '../../../actions/use-preview.ts';
import { useNow } from '../../../live/clock.ts';
import { Button } from '../../../ui/button.tsx';
import { Card } from '../../../ui/card.tsx';
import { FailureNote } from '../../../ui/failure-note.tsx';
import { SelectField } from '../../../ui/field.tsx';
import { plural } from '../../../ui/format.ts';
import { isHolding } from '../fault-state.ts';
import { nodeNameOf } from '../node-name.ts';
import { linkKey, linkViews } from '../topology/links.ts';
import { TopologyGraph } from '../topology/topology-graph.tsx';
import { draftOf, emptyDraft, linksOf } from './draft.ts';
import { FaultList } from './fault-list.tsx';
import { GeneratorBar } from './generator-bar.tsx';
import { groupsOf } from './generators.ts';
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
  const injected = links.length > 0 && links.every((link) => cutNow.has(linkKey(link)));
  useEffect(() => {
    if (injected) setDraft(emptyDraft);
  }, [injected]);
  return (
    <>
      <div className="grid grid-cols-[minmax(0,1fr)_minmax(340px,420px)] gap-3.5">
        <Card
          title="Draw a partition"
          aside={
            links.length === 0 ? 'click a cell to cut that link' : `${plural(links.length, 'directed link')} to be cut`
          }
        >
          <GeneratorBar cluster={cluster} onDraw={(drawn) => setDraft(draftOf(drawn))} />
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
        <DraftGraph cluster={cluster} drawn={links} />
      </div>
      {action !== null && (
        <Card
          title="What it would do"
          aside="computed by the engine from what it observes now"
          testId="draft-consequence"
        >
          {preview.failure !== null && <FailureNote failure={preview.failure} />}
          {preview.consequence !== null && (
            <ConsequenceView consequence={preview.consequence} cluster={cluster} compact />
          )}
          {preview.consequence === null && preview.failure === null && <p className="text-dim">Working it out…</p>}
        </Card>
      )}
      <FaultList cluster={cluster} />
    </>
  );
}

function DraftGraph({ cluster, drawn }: { cluster: ClusterView; drawn: Parameters<typeof groupsOf>[1] }) {
  const now = useNow();
  const holding = cluster.faults.filter(isHolding);
  const second = Math.floor(now / 1000);
  // biome-ignore lint/correctness/useExhaustiveDependencies: once a second is enough for ages
  const links = useMemo(() => linkViews(cluster, [...holding, { links: [...drawn] }], now), [cluster, drawn, second]);
  const slots = cluster.nodes.map((node) => node.memberSlot);
  const groups = groupsOf(
    slots,
    links.filter((link) => link.state === 'cut'),
  );
  return (
    <Card title={drawn.length > 0 ? 'As it would be' : 'As it is'} aside="✕ cut">
      <TopologyGraph cluster={cluster} links={links} />
      <p className="name text-center text-dim">
        {groups.length <= 1
          ? 'All hear each other, directly or by way of others.'
          : groups.map((group) => `{${group.map((slot) => nodeNameOf(cluster, slot)).join(', ')}}`).join(' | ')}
      </p>
    </Card>
  );
}
