/** What is known of every directed link of a cluster, and sets of links as they are drawn. All pure. */
import type { ClusterView, FaultView, Link } from '../../../../electron/contract/model.ts';
import { freshnessOf } from '../../../ui/freshness.ts';

export type LinkState = 'up' | 'down' | 'cut' | 'unknown';

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

/** A cut by one of our faults beats what the nodes say; a node that was not heard of lately says nothing. */
export function linkViews(
  cluster: ClusterView,
  cuts: readonly Pick<FaultView, 'links'>[],
  nowUnixMs: number,
): readonly LinkView[] {
  const cut = new Set(cuts.flatMap((fault) => fault.links.map(linkKey)));
  return cluster.nodes.flatMap((node) =>
    cluster.nodes
      .filter((other) => other !== node)
      .map((other): LinkView => {
        const link = { from: node.memberSlot, to: other.memberSlot };
        const heard = node.sample !== null && freshnessOf(node.observedAtUnixMs, nowUnixMs) !== 'unknown';
        const peer = heard ? node.sample?.peers.find((each) => each.memberSlot === other.memberSlot) : undefined;
        const stopped = node.condition === 'stopped' || node.condition === 'failed';
        const roundTripMs = peer?.roundTripMs ?? null;
        if (cut.has(linkKey(link))) return { ...link, state: 'cut', roundTripMs: null };
        if (stopped) return { ...link, state: 'down', roundTripMs: null };
        if (peer === undefined) return { ...link, state: 'unknown', roundTripMs: null };
        return { ...link, state: peer.connected ? 'up' : 'down', roundTripMs };
      }),
  );
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
