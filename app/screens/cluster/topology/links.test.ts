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
    .map((slot) => ({ memberSlot: slot, connected: part.hears?.includes(slot) ?? true, roundTripMs: 0.4 }));
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

it('tells up, down, cut and unknown apart, per direction', () => {
  const found = states([node(1, {}), node(2, { hears: [1] }), node(3, { at: NOW - 60_000 })], [{ from: 1, to: 2 }]);
  expect(found).toEqual({ '1>2': 'cut', '1>3': 'up', '2>1': 'up', '2>3': 'down', '3>1': 'unknown', '3>2': 'unknown' });
});

it('takes the links of a node that does not run as down', () => {
  expect(states([node(1, { condition: 'stopped' }), node(2, {}), node(3, {})])['1>2']).toBe('down');
});

it('pairs every two directions once', () => {
  const cluster = { nodes: [node(1, {}), node(2, {}), node(3, {})] } as unknown as ClusterView;
  expect(pairsOf(linkViews(cluster, [], NOW))).toHaveLength(3);
});
