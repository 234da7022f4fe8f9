import type { ClusterView } from '../../electron/contract/model.ts';

/** "3 of 3, tolerates 1": how far a cluster is from losing its quorum. */
export function marginInWords(quorum: ClusterView['quorum']): string {
  const working = `${quorum.working} of ${quorum.voters}`;
  if (quorum.tolerates === null) return `${working} seen, margin unknown`;
  if (quorum.tolerates < 0) return `${working}, ${quorum.size} needed`;
  return `${working}, tolerates ${quorum.tolerates}`;
}
