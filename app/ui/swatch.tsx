import { cn } from './class-names.ts';
import { nodeColour } from './node-colour.ts';

/** The small square that stands for a node; the name always stands beside it. */
export function Swatch({ memberSlot, className }: { memberSlot: number; className?: string }) {
  return (
    <span
      aria-hidden
      className={cn('inline-block size-2.5 shrink-0 rounded-[3px]', className)}
      style={{ background: nodeColour(memberSlot) }}
    />
  );
}
