/**
 * Nodes on a ring and the links between them. Two directions in the same state are one line; where they differ each has its own,
 * with an arrow. Cut links are dashed and crossed, links that are down are dotted, those of a node
 * that does not run and unknown ones are pale: never colour alone.
 */
import { memo } from 'react';
import { type ClusterView, formatBallot, type NodeView } from '../../../../electron/contract/model.ts';
import { conditionAt } from '../../../live/health.ts';
import { formatMs } from '../../../ui/format.ts';
import { nodeColour } from '../../../ui/node-colour.ts';
import { type LinkPair, type LinkView, pairsOf } from './links.ts';
import { strokes } from './strokes.ts';

const WIDTH = 360;

interface Point {
  readonly x: number;
  readonly y: number;
}

export const TopologyGraph = memo(function TopologyGraph(props: {
  cluster: ClusterView;
  links: readonly LinkView[];
  nowUnixMs: number;
}) {
  const { nodes } = props.cluster;
  const places = new Map(nodes.map((node, index) => [node.memberSlot, placeOf(index, nodes.length)]));
  const radius = nodes.length > 9 ? 13 : 20;
  const pairs = pairsOf(props.links);
  const cut = props.links.filter((link) => link.state === 'cut').length;
  return (
    <figure aria-label={`${nodes.length} nodes, ${props.links.length} directed links, ${cut} of them cut`}>
      <svg
        aria-hidden
        viewBox={`0 0 ${WIDTH} ${sizeOf(nodes.length).height}`}
        className="block h-auto max-h-[340px] w-full"
      >
        {pairs.map((pair) => (
          <Pair
            key={`${pair.there.from}-${pair.there.to}`}
            pair={pair}
            places={places}
            radius={radius}
            few={nodes.length <= 5}
          />
        ))}
        {nodes.map((node) => (
          <NodeDot
            key={node.nodeId}
            node={node}
            condition={conditionAt(node, props.nowUnixMs)}
            at={places.get(node.memberSlot) ?? { x: 0, y: 0 }}
            radius={radius}
          />
        ))}
      </svg>
    </figure>
  );
});

/** Three nodes need less height, and their triangle's middle lies above the middle of its ring. */
function sizeOf(count: number): { height: number; middle: number; reach: number } {
  return count <= 3 ? { height: 262, middle: 152, reach: 108 } : { height: 316, middle: 160, reach: 114 };
}

function placeOf(index: number, count: number): Point {
  const angle = (index / count) * 2 * Math.PI - Math.PI / 2;
  const { middle, reach } = sizeOf(count);
  return { x: WIDTH / 2 + 128 * Math.cos(angle), y: middle + reach * Math.sin(angle) };
}

function Pair(props: { pair: LinkPair; places: ReadonlyMap<number, Point>; radius: number; few: boolean }) {
  const { there, back } = props.pair;
  const from = props.places.get(there.from);
  const to = props.places.get(there.to);
  if (from === undefined || to === undefined) return null;
  const same = there.state === back.state;
  if (!same)
    return (
      <g>
        <Line link={there} from={from} to={to} radius={props.radius} aside={5} arrow />
        <Line link={back} from={to} to={from} radius={props.radius} aside={5} arrow />
      </g>
    );
  const roundTrip = there.roundTripMs ?? back.roundTripMs;
  // Links across the ring cross near their middles: their figures stand aside of it.
  const across = Math.hypot(to.x - from.x, to.y - from.y) > 190 && props.few;
  const share = across ? 0.36 : 0.5;
  const middle = { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
  return (
    <g>
      <Line link={there} from={from} to={to} radius={props.radius} aside={0} />
      {props.few && there.state === 'up' && roundTrip !== null && (
        <text
          x={middle.x}
          y={middle.y + 4}
          textAnchor="middle"
          fontSize="11"
          fill="var(--color-faint)"
          stroke="var(--color-panel)"
          strokeWidth="5"
          paintOrder="stroke"
        >
          {formatMs(roundTrip)}
        </text>
      )}
    </g>
  );
}

/** From the rim of one node to the rim of the other, `aside` to the right of the direct way. */
function Line(props: { link: LinkView; from: Point; to: Point; radius: number; aside: number; arrow?: boolean }) {
  const { from, to } = props;
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  const along = { x: (to.x - from.x) / length, y: (to.y - from.y) / length };
  const right = { x: -along.y * props.aside, y: along.x * props.aside };
  const gap = props.radius + 5;
  const start = { x: from.x + along.x * gap + right.x, y: from.y + along.y * gap + right.y };
  const end = { x: to.x - along.x * gap + right.x, y: to.y - along.y * gap + right.y };
  const middle = { x: (start.x + end.x) / 2, y: (start.y + end.y) / 2 };
  const stroke = strokes[props.link.state];
  const head = (size: number) =>
    `M${end.x} ${end.y}L${end.x - along.x * size - along.y * size * 0.55} ${end.y - along.y * size + along.x * size * 0.55}M${end.x} ${end.y}L${end.x - along.x * size + along.y * size * 0.55} ${end.y - along.y * size - along.x * size * 0.55}`;
  return (
    <g stroke={stroke.colour} strokeWidth={stroke.width} opacity={stroke.opacity} fill="none" strokeLinecap="round">
      <path d={`M${start.x} ${start.y}L${end.x} ${end.y}`} strokeDasharray={stroke.dash} />
      {props.arrow === true && <path d={head(7)} />}
      {props.link.state === 'cut' && <path d={`M${middle.x - 4} ${middle.y - 4}l8 8m0 -8l-8 8`} strokeWidth="2" />}
    </g>
  );
}

const pale = new Set<NodeView['condition']>(['minority', 'unknown', 'stopped', 'failed']);

const captions: Partial<Record<NodeView['condition'], string>> = {
  minority: 'minority',
  unknown: 'unknown',
  stopped: 'stopped',
  failed: 'failed',
  candidate: 'candidate',
  starting: 'starting',
};

function rimOf(condition: NodeView['condition'], memberSlot: number): string {
  if (condition === 'unknown') return 'var(--color-unknown)';
  return condition === 'stopped' || condition === 'failed' ? 'var(--color-faint)' : nodeColour(memberSlot);
}

function NodeDot(props: { node: NodeView; condition: NodeView['condition']; at: Point; radius: number }) {
  const { node, condition, at, radius } = props;
  const leads = condition === 'leader';
  const ballot = node.sample?.leaderBallot;
  const caption = leads ? `leader ${ballot === undefined ? '' : formatBallot(ballot)}` : captions[condition];
  const dashed = pale.has(condition);
  const above = at.y < 90;
  return (
    <g>
      <title>{`${node.name}: ${condition}`}</title>
      {leads && (
        <circle cx={at.x} cy={at.y} r={radius + 6} fill="none" stroke="var(--color-accent)" strokeWidth="1.6" />
      )}
      <circle
        cx={at.x}
        cy={at.y}
        r={radius}
        fill="var(--color-panel)"
        stroke={rimOf(condition, node.memberSlot)}
        strokeWidth="2.6"
        strokeDasharray={dashed ? '4 3' : 'none'}
      />
      <text x={at.x} y={at.y + 4.5} textAnchor="middle" fontSize="13" fontWeight="650" fill="var(--color-text)">
        {node.memberSlot}
      </text>
      {caption !== undefined && (
        <text
          x={at.x}
          y={above ? at.y - radius - (leads ? 12 : 8) : at.y + radius + (leads ? 20 : 16)}
          textAnchor="middle"
          fontSize="11"
          fontWeight={leads ? 600 : 450}
          fill={leads ? 'var(--color-accent)' : condition === 'minority' ? 'var(--color-fault)' : 'var(--color-dim)'}
          stroke="var(--color-panel)"
          strokeWidth="4"
          paintOrder="stroke"
        >
          {caption}
        </text>
      )}
    </g>
  );
}
