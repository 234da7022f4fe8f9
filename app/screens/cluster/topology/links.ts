/** What is known of every directed link of a cluster, and sets of links as they are drawn. All pure. */
import type { ClusterView, FaultView, Link, NodeView } from '../../../../electron/contract/model.ts';
import { conditionAt } from '../../../live/health.ts';
import { freshnessOf } from '../../../ui/freshness.ts';
import { isHeard } from './heard.ts';

/** `stopped`: one of its two nodes does not run, which is no fault of the link. */
export type LinkState = 'up' | 'down' | 'cut' | 'stopped' | 'unknown';

export interface LinkView extends Link {
  readonly state: LinkState;
  readonly roundTripMs: number | null;
}

export function linkKey(link: Link): string {
  return `${link.from}>${link.to}`;
}

export function linkOf(key: string): Link {
  const [from, to] = key.split('>').map(Number);
  return { from: from ?? 0, to: to ?? 0 };
}

/**
 * A link is up when the node that it leads to hears the other: nobody else can tell. A cut by one of our faults beats what nodes
 * say; a node that was not heard of lately says nothing.
 */
export function linkViews(
  cluster: Pick<ClusterView, 'nodes'>,
  cuts: readonly Pick<FaultView, 'links'>[],
  nowUnixMs: number,
): readonly LinkView[] {
  const cut = new Set(cuts.flatMap((fault) => fault.links.map(linkKey)));
  return cluster.nodes.flatMap((from) =>
    cluster.nodes
      .filter((to) => to !== from)
      .map((to): LinkView => {
        const link = { from: from.memberSlot, to: to.memberSlot };
        if (isDown(from, nowUnixMs) || isDown(to, nowUnixMs)) return { ...link, state: 'stopped', roundTripMs: null };
        if (cut.has(linkKey(link))) return { ...link, state: 'cut', roundTripMs: null };
        const known = to.sample !== null && freshnessOf(to.observedAtUnixMs, nowUnixMs) !== 'unknown';
        const peer = known ? to.sample?.peers.find((each) => each.memberSlot === from.memberSlot) : undefined;
        if (peer === undefined) return { ...link, state: 'unknown', roundTripMs: null };
        return isHeard(peer)
          ? { ...link, state: 'up', roundTripMs: peer.roundTripMs }
          : { ...link, state: 'down', roundTripMs: null };
      }),
  );
}

/** It does not run, as its host said lately. */
export function isDown(node: Pick<NodeView, 'condition' | 'observedAtUnixMs'>, nowUnixMs: number): boolean {
  const condition = conditionAt(node, nowUnixMs);
  return condition === 'stopped' || condition === 'failed';
}

/** Two directions between the same two nodes. */
export interface LinkPair {
  readonly there: LinkView;
  readonly back: LinkView;
}

export function pairsOf(links: readonly LinkView[]): readonly LinkPair[] {
  const byKey = new Map(links.map((link) => [linkKey(link), link]));
  return links.flatMap((there) => {
    const back = byKey.get(linkKey({ from: there.to, to: there.from }));
    return back === undefined || there.from > there.to ? [] : [{ there, back }];
  });
}
