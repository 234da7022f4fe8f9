/** What an action would do: shown before it, in the dialog and while a partition is drawn. */
import { ArrowRight, CircleX, TriangleAlert } from 'lucide-react';
import type { ReactNode } from 'react';
import type { ClusterView, Consequence } from '../../electron/contract/model.ts';
import { cn } from '../ui/class-names.ts';
import { formatSpan } from '../ui/format.ts';
import { Swatch } from '../ui/swatch.tsx';

export function ConsequenceView(props: { consequence: Consequence; cluster: ClusterView | null; compact?: boolean }) {
  const { consequence } = props;
  const leader = props.cluster?.nodes.find((node) => node.nodeId === consequence.predictedLeader);
  return (
    <div className="grid gap-3">
      <Sentences items={consequence.refusals} tone="refusal" />
      <Sentences items={consequence.warnings} tone="warning" />
      <dl
        className={cn(
          'grid gap-px overflow-hidden rounded-lg border border-line bg-line',
          props.compact === true ? 'grid-cols-[repeat(auto-fit,minmax(200px,1fr))]' : 'grid-cols-3',
        )}
      >
        <Fact term="Quorum">
          <Outlook outlook={consequence.before} />
          <ArrowRight aria-label="becomes" className="mx-1.5 inline size-3.5 text-faint" />
          <Outlook outlook={consequence.after} strong />
        </Fact>
        <Fact term="Leader expected">
          {leader === undefined ? (
            leaderInWords(consequence)
          ) : (
            <span className="inline-flex items-center gap-1.5">
              <Swatch memberSlot={leader.memberSlot} />
              {leader.name}
              {props.cluster?.leader?.nodeId === leader.nodeId && <span className="text-faint">as now</span>}
            </span>
          )}
        </Fact>
        <Fact term="Writes stop for">
          {consequence.expectedUnavailabilityMs === null ? (
            <span className="font-medium text-bad">{consequence.undo === null ? 'ever' : 'as long as it lasts'}</span>
          ) : consequence.expectedUnavailabilityMs === 0 ? (
            'not at all'
          ) : (
            `about ${formatSpan(consequence.expectedUnavailabilityMs)}`
          )}
        </Fact>
      </dl>
      <p className="text-dim">
        <span className="font-medium text-text">
          {consequence.undo !== null
            ? 'To undo: '
            : consequence.expectedUnavailabilityMs === null && 'This cannot be undone.'}
        </span>
        {consequence.undo}
      </p>
      {!props.compact && consequence.runs.length > 0 && <Runs runs={consequence.runs} />}
    </div>
  );
}

/** Where no node is named: somebody leads as long as there is a quorum, and nobody without one. */
function leaderInWords({ after }: Consequence): string {
  if (after.writable === null) return 'it cannot be told';
  return after.writable ? 'one of the others' : 'none';
}

function Outlook({ outlook, strong = false }: { outlook: Consequence['before']; strong?: boolean }) {
  const words =
    outlook.writable === false
      ? 'no writes'
      : outlook.writable === null
        ? 'writes unknown'
        : `tolerates ${Math.max(0, outlook.tolerates)}`;
  return (
    <span
      className={cn('whitespace-nowrap', strong && 'font-semibold', strong && outlook.writable === false && 'text-bad')}
    >
      {outlook.working} of {outlook.voters}, {words}
    </span>
  );
}

function Fact({ term, children }: { term: string; children: ReactNode }) {
  return (
    <div className="bg-panel px-3 py-2">
      <dt className="text-2xs text-faint">{term}</dt>
      <dd className="mt-0.5">{children}</dd>
    </div>
  );
}

function Sentences({ items, tone }: { items: readonly string[]; tone: 'refusal' | 'warning' }) {
  if (items.length === 0) return null;
  const refused = tone === 'refusal';
  const Icon = refused ? CircleX : TriangleAlert;
  return (
    <ul
      role={refused ? 'alert' : undefined}
      className={cn(
        'grid gap-1 rounded-lg border px-3 py-2',
        refused ? 'border-bad/50 bg-badwash' : 'border-warn/50 bg-warnwash',
      )}
    >
      {items.map((item) => (
        <li key={item} className="flex gap-2">
          <Icon aria-label={tone} className={cn('mt-0.5 size-4 shrink-0', refused ? 'text-bad' : 'text-warn')} />
          {item}
        </li>
      ))}
    </ul>
  );
}

function Runs({ runs }: { runs: Consequence['runs'] }) {
  return (
    <section aria-label="What will run, and where">
      <h3 className="mb-1 text-xs font-semibold text-dim">What will run, and where</h3>
      <ul className="overflow-hidden rounded-lg border border-line bg-bg font-mono text-xs">
        {runs.map((run) => (
          <li
            key={`${run.host} ${run.what}`}
            className="grid grid-cols-[110px_1fr] gap-3 border-line px-3 py-1.5 not-first:border-t"
          >
            <span className="truncate text-dim">{run.host}</span>
            <span className="break-words">{run.what}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
