/** How far a node is behind the head of its cluster, in words. */
import type { NodeView } from '../../electron/contract/model.ts';
import { formatCompact } from './format.ts';

/** Slots that are on their way to a node that is level: what is written within this time. */
const ON_THE_WAY_SECONDS = 0.5;

/** "head" for the leader, "level" for a node that lacks only what is on its way, else "91 k behind". */
export function lagInWords(node: Pick<NodeView, 'behindSlots' | 'condition'>, writesPerSecond: number | null): string {
  if (node.behindSlots === null) return 'lag unknown';
  const onTheWay = Math.ceil((writesPerSecond ?? 0) * ON_THE_WAY_SECONDS);
  if (node.behindSlots > onTheWay) return `${formatCompact(node.behindSlots)} behind`;
  return node.condition === 'leader' ? 'head' : 'level';
}
