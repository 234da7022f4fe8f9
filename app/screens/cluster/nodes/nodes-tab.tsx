import type { ClusterView } from '../../../../electron/contract/model.ts';
export function NodesTab({ cluster }: { cluster: ClusterView }) {
  return <p>{cluster.name}</p>;
}
