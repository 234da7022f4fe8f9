import type { ClusterView } from '../../../../electron/contract/model.ts';
export function FaultsTab({ cluster }: { cluster: ClusterView }) {
  return <p>{cluster.name}</p>;
}
