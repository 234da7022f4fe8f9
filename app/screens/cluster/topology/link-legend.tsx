import type { ClusterView } from '../../../../electron/contract/model.ts';
import { nodeNameOf } from '../node-name.ts';
import { groupsOf } from './groups.ts';
import { isDown, type LinkState, type LinkView } from './links.ts';
import { strokes } from './strokes.ts';

const words: readonly (readonly [LinkState, string])[] = [
  ['up', 'up'],
  ['cut', '✕ cut by a fault'],
  ['down', 'not heard'],
  ['stopped', 'not running'],
  ['unknown', 'unknown'],
];

/** Which nodes still hear each other, in words, and what the kinds of lines mean (those that are there). */
export function LinkLegend(props: { links: readonly LinkView[]; cluster: ClusterView; nowUnixMs: number }) {
  const { links, cluster } = props;
  const down = cluster.nodes.filter((node) => isDown(node, props.nowUnixMs));
  const there = new Set(links.map((link) => link.state));
  const slots = cluster.nodes.filter((node) => !down.includes(node)).map((node) => node.memberSlot);
  const groups = groupsOf(
    slots,
    links.filter((link) => link.state === 'cut' || link.state === 'down'),
  );
  return (
    <div className="mt-1 grid gap-1.5 text-center">
      <p className="name text-dim">
        {groups.length > 1
          ? groups.map((group) => `{${group.map((slot) => nodeNameOf(cluster, slot)).join(', ')}}`).join('  |  ')
          : slots.length > 1 && `All ${down.length > 0 ? 'others ' : ''}hear each other, directly or by way of others.`}
        {down.map((node) => (
          <span key={node.nodeId} className="block text-faint">
            {node.name} {node.condition === 'failed' ? 'has failed' : 'is stopped'}
          </span>
        ))}
      </p>
      <p className="flex flex-wrap justify-center gap-x-4 text-xs text-faint">
        {words
          .filter(([state]) => there.has(state))
          .map(([state, word]) => (
            <span key={state} className="inline-flex items-center gap-1.5">
              <svg aria-hidden width="22" height="4" viewBox="0 0 22 4">
                <path
                  d="M0 2H22"
                  stroke={strokes[state].colour}
                  strokeWidth={strokes[state].width}
                  strokeDasharray={strokes[state].dash}
                />
              </svg>
              {word}
            </span>
          ))}
      </p>
    </div>
  );
}
