/** N×N directed links: rows send, columns receive. A click, Space or Enter cuts or joins; arrow keys move; heads take a whole row or column. */
import { type KeyboardEvent, useRef, useState } from 'react';
import type { Link, NodeView } from '../../../../electron/contract/model.ts';
import { cn } from '../../../ui/class-names.ts';
import { Swatch } from '../../../ui/swatch.tsx';
import { linkKey } from '../topology/links.ts';
import { stepOver } from './step-over.ts';
import { type Draft, toggleAll, toggleLink } from './draft.ts';

interface MatrixProps {
  nodes: readonly NodeView[];
  draft: Draft;
  /** Cut now, by faults that hold. */
  cutNow: ReadonlySet<string>;
  bothWays: boolean;
  onChange: (draft: Draft) => void;
}

export function LinkMatrix(props: MatrixProps) {
  const { nodes, draft, bothWays, onChange } = props;
  const table = useRef<HTMLTableElement>(null);
  const [focus, setFocus] = useState({ row: 0, column: 1 });
  const small = nodes.length > 7;
  const fromRow = (from: NodeView): Link[] =>
    nodes.filter((to) => to !== from).map((to) => ({ from: from.memberSlot, to: to.memberSlot }));
  const toColumn = (to: NodeView): Link[] =>
    nodes.filter((from) => from !== to).map((from) => ({ from: from.memberSlot, to: to.memberSlot }));
  const move = (event: KeyboardEvent) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = stepOver(focus, step as [number, number], nodes.length);
    setFocus(next);
    table.current?.querySelector<HTMLElement>(`[data-cell="${next.row}-${next.column}"]`)?.focus();
  };
  return (
    <table
      ref={table}
      className="border-separate border-spacing-1"
      aria-label="Directed links: rows send, columns receive"
    >
      <thead>
        <tr>
          <td className="pr-2 text-xs text-faint">from ↓ to →</td>
          {nodes.map((to) => (
            <th key={to.nodeId} scope="col" className="p-0 font-normal">
              <Head
                node={to}
                label={`All links to ${to.name}`}
                onClick={() => onChange(toggleAll(draft, toColumn(to), bothWays))}
                small={small}
              />
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {nodes.map((from, row) => (
          <tr key={from.nodeId}>
            <th scope="row" className="p-0 font-normal">
              <Head
                node={from}
                label={`All links from ${from.name}`}
                onClick={() => onChange(toggleAll(draft, fromRow(from), bothWays))}
                small={false}
              />
            </th>
            {nodes.map((to, column) => (
              <td key={to.nodeId} className="p-0">
                {from === to ? (
                  <span
                    aria-hidden
                    className={cn('hatched block rounded-md opacity-60', small ? 'size-7' : 'h-9 w-14')}
                  />
                ) : (
                  <Cell
                    from={from}
                    to={to}
                    cut={draft.has(linkKey({ from: from.memberSlot, to: to.memberSlot }))}
                    cutNow={props.cutNow.has(linkKey({ from: from.memberSlot, to: to.memberSlot }))}
                    small={small}
                    cell={`${row}-${column}`}
                    tabIndex={focus.row === row && focus.column === column ? 0 : -1}
                    onFocus={() => setFocus({ row, column })}
                    onKeyDown={move}
                    onClick={() => onChange(toggleLink(draft, { from: from.memberSlot, to: to.memberSlot }, bothWays))}
                  />
                )}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Head(props: { node: NodeView; label: string; onClick: () => void; small: boolean }) {
  return (
    <button
      type="button"
      aria-label={`${props.label}: cut or join`}
      onClick={props.onClick}
      className="flex h-8 w-full items-center justify-start gap-1.5 rounded-md px-1.5 text-xs text-dim hover:bg-raise hover:text-text"
    >
      <Swatch memberSlot={props.node.memberSlot} />
      {props.small ? props.node.memberSlot : props.node.name}
    </button>
  );
}

function Cell(props: {
  from: NodeView;
  to: NodeView;
  cut: boolean;
  cutNow: boolean;
  small: boolean;
  cell: string;
  tabIndex: number;
  onFocus: () => void;
  onKeyDown: (event: KeyboardEvent) => void;
  onClick: () => void;
}) {
  const { from, to, cut, cutNow } = props;
  return (
    <button
      type="button"
      data-cell={props.cell}
      data-testid={`matrix-cell-${from.name}-${to.name}`}
      aria-pressed={cut}
      aria-label={`${from.name} to ${to.name}: ${cut ? 'to be cut' : 'joined'}${cutNow ? ', cut now' : ''}`}
      tabIndex={props.tabIndex}
      onFocus={props.onFocus}
      onKeyDown={props.onKeyDown}
      onClick={props.onClick}
      className={cn(
        'flex items-center justify-center rounded-md border text-sm transition-colors',
        props.small ? 'size-7' : 'h-9 w-14',
        cut
          ? 'border-fault bg-fault font-bold text-panel'
          : cutNow
            ? 'border-dashed border-fault bg-faultwash text-fault'
            : 'border-line bg-bg text-faint hover:border-edge hover:text-text',
      )}
    >
      <span aria-hidden>{cut ? '✕' : cutNow ? 'cut' : '→'}</span>
    </button>
  );
}
