import { expect, it } from 'vitest';
import type { ClusterView, NodeView } from '../../../../electron/contract/model.ts';
import { linkKey, linkViews, pairsOf } from './links.ts';

const NOW = 100_000;

function node(
  memberSlot: number,
  part: { hears?: number[]; at?: number; condition?: NodeView['condition'] },
): NodeView {
  const peers = [1, 2, 3]
    .filter((slot) => slot !== memberSlot)
    .map((slot) => ({
      memberSlot: slot,
      connected: true,
      roundTripMs: 0.4,
      heardMsAgo: (part.hears?.includes(slot) ?? true) ? 40 : 4000,
    }));
  return {
    memberSlot,
    condition: part.condition ?? 'follower',
    observedAtUnixMs: part.at ?? NOW,
    sample: { peers },
  } as unknown as NodeView;
}

const states = (nodes: NodeView[], cuts: { from: number; to: number }[] = []) => {
  const cluster = { nodes } as unknown as ClusterView;
  return Object.fromEntries(linkViews(cluster, [{ links: cuts }], NOW).map((link) => [linkKey(link), link.state]));
};

it('tells up, down, cut and unknown apart, per direction, by whom the link leads to', () => {
  const found = states([node(1, {}), node(2, { hears: [1] }), node(3, { at: NOW - 60_000 })], [{ from: 2, to: 1 }]);
  expect(found).toEqual({
    '1>2': 'up',
    '1>3': 'unknown',
    '2>1': 'cut',
    '2>3': 'unknown',
    '3>1': 'up',
    '3>2': 'down',
  });
});

it('does not take a connection, nor its last round-trip, for being heard', () => {
  const cluster = { nodes: [node(1, { hears: [] }), node(2, {})] } as unknown as ClusterView;
  expect(linkViews(cluster, [], NOW)[1]).toEqual({ from: 2, to: 1, state: 'down', roundTripMs: null });
});

it('takes the links of a node that does not run as stopped, not as cut', () => {
  const found = states([node(1, { condition: 'stopped' }), node(2, {}), node(3, {})], [{ from: 1, to: 2 }]);
  expect([found['1>2'], found['3>1'], found['2>3']]).toEqual(['stopped', 'stopped', 'up']);
});

it('pairs every two directions once', () => {
  const cluster = { nodes: [node(1, {}), node(2, {}), node(3, {})] } as unknown as ClusterView;
  expect(pairsOf(linkViews(cluster, [], NOW))).toHaveLength(3);
});
