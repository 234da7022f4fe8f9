import type { ClusterView } from '../../../electron/contract/model.ts';

/** A member slot as the name of its node; 0 is "none". */
export function nodeNameOf(cluster: Pick<ClusterView, 'nodes'>, memberSlot: number): string {
  if (memberSlot === 0) return 'none';
  return cluster.nodes.find((node) => node.memberSlot === memberSlot)?.name ?? `member ${memberSlot}`;
}
