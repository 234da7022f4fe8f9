/** A partition in words: by its groups where it has groups, else link by link. */
import type { Link } from '../../../../cluster-node/contract/fault.ts';
import { between } from './partitions.ts';

const MAX_LISTED_LINKS = 6;

/** "{node-1, node-2} | {node-3}, both ways", or "node-1 → node-3, …". */
export function partitionTitle(
  links: readonly Link[],
  members: readonly { readonly memberSlot: number; readonly name: string }[],
): string {
  const nameOf = (slot: number) => members.find((member) => member.memberSlot === slot)?.name ?? `member ${slot}`;
  const slots = members.map((member) => member.memberSlot);
  const cut = new Set(links.map(({ from, to }) => `${from}>${to}`));
  const groups = connectedGroups(slots, cut);
  if (groups.length > 1 && between(groups).length === cut.size)
    return `${groups.map((group) => `{${group.map(nameOf).join(', ')}}`).join(' | ')}, both ways`;
  const listed = links.slice(0, MAX_LISTED_LINKS).map(({ from, to }) => `${nameOf(from)} → ${nameOf(to)}`);
  const more = links.length - listed.length;
  return more > 0 ? `${listed.join(', ')} and ${more} more` : listed.join(', ');
}

/** Components of the graph of links that are not cut in either direction; the largest first. */
function connectedGroups(slots: readonly number[], cut: ReadonlySet<string>): number[][] {
  const left = new Set(slots);
  const groups: number[][] = [];
  for (const start of slots) {
    if (!left.delete(start)) continue;
    const group = [start];
    for (const from of group)
      for (const to of left)
        if (!cut.has(`${from}>${to}`) && !cut.has(`${to}>${from}`)) {
          left.delete(to);
          group.push(to);
        }
    groups.push(group.sort((a, b) => a - b));
  }
  return groups.sort((a, b) => b.length - a.length);
}
