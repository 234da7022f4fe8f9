import type { NodeView } from '../../../../electron/contract/model.ts';
import { highlightedGroup } from '../../../charts/highlight.ts';
import { useStore } from '../../../live/store.ts';
import { cn } from '../../../ui/class-names.ts';
import { Swatch } from '../../../ui/swatch.tsx';

/** Brings one node's lines out in every chart, so that nobody has to tell them apart by colour. */
export function NodeHighlight({ nodes }: { nodes: readonly NodeView[] }) {
  const chosen = useStore(highlightedGroup);
  return (
    <fieldset aria-label="Bring one node out" className="flex flex-wrap gap-1">
      {nodes.map((node) => {
        const on = chosen === node.memberSlot;
        return (
          <button
            key={node.nodeId}
            type="button"
            aria-pressed={on}
            onClick={() => highlightedGroup.set(on ? null : node.memberSlot)}
            className={cn(
              'flex items-center gap-1.5 rounded-md border border-transparent px-1.5 py-0.5 text-xs text-dim hover:border-line hover:text-text',
              on && 'border-edge bg-raise font-medium text-text',
            )}
          >
            <Swatch memberSlot={node.memberSlot} />
            {node.name}
          </button>
        );
      })}
    </fieldset>
  );
}
