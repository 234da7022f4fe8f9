import type { Link } from '../../../../electron/contract/model.ts';

/** Groups of nodes that hear each other both ways, directly or by way of others; lowest slot first. */
export function groupsOf(slots: readonly number[], cut: readonly Link[]): number[][] {
  const gone = new Set(cut.flatMap(({ from, to }) => [`${from}>${to}`, `${to}>${from}`]));
  const left = new Set(slots);
  const groups: number[][] = [];
  for (const start of slots) {
    if (!left.delete(start)) continue;
    const group = [start];
    for (let at = 0; at < group.length; at += 1)
      for (const slot of left)
        if (!gone.has(`${group[at]}>${slot}`)) {
          left.delete(slot);
          group.push(slot);
        }
    groups.push(group.sort((a, b) => a - b));
  }
  return groups;
}
