/**
 * The truth matrix: what every node says of itself and of the cluster, side by side. Nothing is averaged: what differs from the
 * majority is marked, what is old shows its age, what is too old is unknown.
 */
import { useState } from 'react';
import type { ClusterView } from '../../../../electron/contract/model.ts';
import { Card } from '../../../ui/card.tsx';
import { LogDialog } from './log-dialog.tsx';
import { NodeRow } from './node-row.tsx';
import { PeerMatrix } from './peer-matrix.tsx';

const claims = ['state', 'service', 'leader', 'ballot', 'promised', 'decided', 'applied', 'peers', 'seen'];

export function NodesTab({ cluster }: { cluster: ClusterView }) {
  const [logOf, setLogOf] = useState<string | null>(null);
  const shown = cluster.nodes.find((node) => node.nodeId === logOf) ?? null;
  return (
    <>
      <Card title="What each node claims" aside="≠ differs from the majority">
        <div className="overflow-x-auto">
          <table className="w-full border-collapse text-left whitespace-nowrap">
            <thead>
              <tr className="text-xs text-faint">
                <th scope="col" className="py-1.5 pr-3 font-medium">
                  node
                </th>
                {claims.map((claim) => (
                  <th key={claim} scope="col" className="py-1.5 pr-3 font-medium">
                    {claim}
                  </th>
                ))}
                <th scope="col" className="py-1.5 text-right font-medium">
                  actions
                </th>
              </tr>
            </thead>
            <tbody>
              {cluster.nodes.map((node) => (
                <NodeRow key={node.nodeId} node={node} cluster={cluster} onLog={() => setLogOf(node.nodeId)} />
              ))}
            </tbody>
          </table>
        </div>
      </Card>
      <PeerMatrix cluster={cluster} />
      <LogDialog node={shown} onClose={() => setLogOf(null)} />
    </>
  );
}
