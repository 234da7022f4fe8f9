import type { ReactNode } from 'react';
import { type ClusterView, formatBallot, type NodeSample, type NodeView } from '../../../../electron/contract/model.ts';
import { useNow } from '../../../live/clock.ts';
import { conditionAt } from '../../../live/health.ts';
import { cn } from '../../../ui/class-names.ts';
import { NodeCondition } from '../../../ui/condition.tsx';
import { Figure, Unknown } from '../../../ui/figures.tsx';
import { formatAge, formatCount } from '../../../ui/format.ts';
import { freshnessOf } from '../../../ui/freshness.ts';
import { lagInWords } from '../../../ui/lag.ts';
import { Swatch } from '../../../ui/swatch.tsx';
import { nodeNameOf } from '../node-name.ts';
import { isHeard } from '../topology/heard.ts';
import { isDown } from '../topology/links.ts';
import { NodeActions } from './node-actions.tsx';

const standingInWords = { learner: 'learns, does not vote', outside: 'not in the cluster' };

export function NodeRow(props: { node: NodeView; cluster: ClusterView; onLog: () => void }) {
  const { node, cluster } = props;
  const { sample, service, observedAtUnixMs: at } = node;
  const now = useNow();
  const { leader } = cluster;
  const silent = freshnessOf(at, now) === 'unknown';
  // What does not run claims nothing: that is known, not unknown.
  const say = (claim: (said: NodeSample) => ReactNode) =>
    sample === null && isDown(node, now) ? (
      <span className="text-faint">–</span>
    ) : (
      <Figure value={sample === null ? null : claim(sample)} at={at} />
    );
  return (
    <tr className="border-t border-line" data-testid={`node-row-${node.name}`}>
      <th scope="row" className="py-2.5 pr-3 font-medium">
        <span className="flex items-center gap-2">
          <Swatch memberSlot={node.memberSlot} />
          {node.name}
        </span>
        <span className="block pl-[18px] font-mono text-2xs font-normal text-faint">
          {node.address}:{node.clientPort}
        </span>
      </th>
      <td className="pr-3">
        <NodeCondition condition={conditionAt(node, now)} testId={`node-condition-${node.name}`} />
        {node.standing !== 'voter' && <div className="text-2xs text-warn">{standingInWords[node.standing]}</div>}
        {sample !== null && !silent && <span className="block pl-5 text-2xs text-faint">says {sample.role}</span>}
      </td>
      <td className="pr-3">
        <Figure value={service === null ? null : <Service service={service} />} at={at} />
      </td>
      <Claim odd={sample !== null && leader !== null && sample.believedLeader !== leader.memberSlot} silent={silent}>
        {say((said) => nodeNameOf(cluster, said.believedLeader))}
      </Claim>
      <Claim odd={sample !== null && leader !== null && sample.leaderBallot !== leader.ballot} silent={silent} mono>
        {say((said) => formatBallot(said.leaderBallot))}
      </Claim>
      <Claim odd={sample !== null && leader !== null && sample.promised !== leader.ballot} silent={silent} mono>
        {say((said) => formatBallot(said.promised))}
      </Claim>
      <td className="pr-3">
        {say((said) => (
          <span data-testid={`decided-${node.name}`} data-decided={said.decidedUpTo}>
            {formatCount(said.decidedUpTo)}
          </span>
        ))}
        {!silent && node.behindSlots !== null && (
          <span className="block text-2xs text-faint">{lagInWords(node, cluster.writesPerSecond)}</span>
        )}
      </td>
      <td className="pr-3">
        {say((said) => (
          <>
            {formatCount(said.appliedUpTo)}
            <span className="block text-2xs text-faint">
              {formatCount(said.decidedUpTo - said.appliedUpTo)} waiting
            </span>
          </>
        ))}
      </td>
      <td className="pr-3">
        {say((said) => (
          <Peers said={said} cluster={cluster} />
        ))}
      </td>
      <td className="pr-3 text-xs text-faint">{at === null ? <Unknown /> : `${formatAge(now - at)} ago`}</td>
      <td>
        <NodeActions node={node} clusterId={cluster.clusterId} onLog={props.onLog} />
      </td>
    </tr>
  );
}

function Claim(props: { odd: boolean; silent: boolean; mono?: boolean; children: ReactNode }) {
  const odd = props.odd && !props.silent;
  return (
    <td className={cn('pr-3', props.mono === true && 'font-mono text-xs', odd && 'font-semibold text-warn')}>
      {odd && <span aria-label="differs from the majority:">≠ </span>}
      {props.children}
    </td>
  );
}

function Service({ service }: { service: NonNullable<NodeView['service']> }) {
  const notes = [
    service.pid === null ? null : `pid ${service.pid}`,
    service.restarts > 0 ? `${service.restarts} restarts` : null,
    service.reason,
  ].filter((note) => note !== null);
  return (
    <span className={cn(service.state === 'failed' && 'text-bad')}>
      {service.state}
      <span className="block max-w-40 truncate text-2xs text-faint" title={notes.join(' · ')}>
        {notes.join(' · ')}
      </span>
    </span>
  );
}

/** How many of its peers a node hears; a peer that is up but cut off is not heard. */
function Peers({ said, cluster }: { said: NodeSample; cluster: ClusterView }) {
  const missing = said.peers.filter((peer) => !isHeard(peer)).map((peer) => nodeNameOf(cluster, peer.memberSlot));
  return (
    <>
      <span className={cn(!said.quorumConnected && 'font-medium text-fault')}>
        {said.peers.length - missing.length} of {said.peers.length}
        {!said.quorumConnected && ', no quorum'}
      </span>
      {missing.length > 0 && <span className="name block text-2xs text-faint">not {missing.join(', ')}</span>}
    </>
  );
}
