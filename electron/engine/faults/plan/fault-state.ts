/**
 * What is known of one fault, as a pure record that observations move on. The nodes hold the truth; here is only what they
 * last said of it, and, for a node that cannot be asked, the moment from which it has healed for certain: a lease ends by
 * the node's own clock, at the latest `ttl` after the engine had its confirmation.
 */
import type { ActiveFault, Link } from '../../../../cluster-node/contract/fault.ts';
import type { Failure, FaultView } from '../../../contract/model.ts';

export type NodeFault = FaultView['nodes'][number];

/** Added to a deadline before it counts as passed for certain: clocks of two machines do not run at one speed. */
const CERTAINTY_RATIO = 0.01;
const CERTAINTY_MS = 500;

export interface KnownFault {
  readonly view: FaultView;
  /** By node id, on the engine's clock: when its lease is over at the latest. */
  readonly endsAtUnixMs: ReadonlyMap<string, number>;
  /** By node id: an observation older than this says nothing about the fault. */
  readonly changedAtUnixMs: ReadonlyMap<string, number>;
  /** An operator healed it, so its end is no expiry. */
  readonly healAsked: boolean;
}

export interface NewFault {
  readonly faultId: string;
  readonly clusterId: string;
  readonly links: readonly Link[];
  readonly title: string;
  readonly nowUnixMs: number;
  readonly ttlMs: number;
  readonly state: FaultView['state'];
}

export function newFault(fault: NewFault): KnownFault {
  return {
    view: {
      faultId: fault.faultId,
      clusterId: fault.clusterId,
      kind: 'partition',
      links: [...fault.links],
      title: fault.title,
      injectedAtUnixMs: fault.nowUnixMs,
      healsAtUnixMs: fault.nowUnixMs + fault.ttlMs,
      endedAtUnixMs: null,
      state: fault.state,
      nodes: [],
    },
    endsAtUnixMs: new Map(),
    changedAtUnixMs: new Map(),
    healAsked: false,
  };
}

/** A fault as the store had it: unless it was over, nothing is known of its nodes until they say so. */
export function recalledFault(view: FaultView, nowUnixMs: number): KnownFault {
  const nodes = view.nodes.map((node) => (node.state === 'active' ? { ...node, state: 'unknown' as const } : node));
  return {
    view: isOver(view.state)
      ? { ...view, endedAtUnixMs: view.endedAtUnixMs ?? view.healsAtUnixMs }
      : { ...view, state: 'unknown', nodes },
    endsAtUnixMs: new Map(view.nodes.map((node) => [node.nodeId, view.healsAtUnixMs])),
    changedAtUnixMs: new Map(view.nodes.map((node) => [node.nodeId, nowUnixMs])),
    healAsked: false,
  };
}

export interface NodeNews {
  readonly nodeId: string;
  readonly state: NodeFault['state'];
  readonly atUnixMs: number;
  /** What the node says of it, when it holds it. */
  readonly active?: ActiveFault;
  /** When an unconfirmed lease would be over at the latest. */
  readonly endsAtUnixMs?: number;
  readonly failure?: Failure;
}

/** Takes in what one node said, or that it could not be asked. */
export function withNode(fault: KnownFault, news: NodeNews): KnownFault {
  const known = fault.view.nodes.find((node) => node.nodeId === news.nodeId);
  const node: NodeFault = {
    nodeId: news.nodeId,
    state: news.state,
    droppedMessages: news.active?.droppedMessages ?? known?.droppedMessages ?? null,
    failure: news.failure ?? null,
  };
  const endsAt = news.active ? news.atUnixMs + news.active.remainingMs : news.endsAtUnixMs;
  const endsAtUnixMs = new Map(fault.endsAtUnixMs);
  if (endsAt !== undefined) endsAtUnixMs.set(news.nodeId, endsAt);
  const others = fault.view.nodes.filter((one) => one.nodeId !== news.nodeId);
  return {
    ...fault,
    view: {
      ...fault.view,
      nodes: [...others, node].sort((a, b) => a.nodeId.localeCompare(b.nodeId)),
      healsAtUnixMs: endsAtUnixMs.size > 0 ? Math.max(...endsAtUnixMs.values()) : fault.view.healsAtUnixMs,
    },
    endsAtUnixMs,
    changedAtUnixMs: new Map(fault.changedAtUnixMs).set(news.nodeId, news.atUnixMs),
  };
}

/** Moves on what time alone decides, and names the state of the whole. `busy`: an operation is injecting or healing it. */
export function settled(fault: KnownFault, nowUnixMs: number, busy: 'injecting' | 'healing' | null): KnownFault {
  if (fault.view.endedAtUnixMs !== null) return fault;
  const nodes = fault.view.nodes.map((node) =>
    isOverForCertain(fault, node, nowUnixMs) ? { ...node, state: 'healed' as const } : node,
  );
  const state = busy ?? stateOf(fault, nodes, nowUnixMs);
  // Nobody may have looked when the deadline passed, but it was the deadline that ended it.
  const endedAt = state === 'expired' ? Math.min(nowUnixMs, fault.view.healsAtUnixMs) : nowUnixMs;
  return { ...fault, view: { ...fault.view, nodes, state, endedAtUnixMs: isOver(state) ? endedAt : null } };
}

function isOver(state: FaultView['state']): boolean {
  return state === 'healed' || state === 'expired' || state === 'notInjected';
}

function isOverForCertain(fault: KnownFault, node: NodeFault, nowUnixMs: number): boolean {
  if (node.state !== 'unknown' && node.state !== 'active') return false;
  const endsAt = fault.endsAtUnixMs.get(node.nodeId) ?? fault.view.healsAtUnixMs;
  const ttlMs = Math.max(0, endsAt - fault.view.injectedAtUnixMs);
  return nowUnixMs > endsAt + CERTAINTY_MS + ttlMs * CERTAINTY_RATIO;
}

function stateOf(fault: KnownFault, nodes: readonly NodeFault[], nowUnixMs: number): FaultView['state'] {
  if (nodes.some((node) => node.state === 'active')) return 'active';
  if (nodes.some((node) => node.state === 'unknown')) return 'unknown';
  if (nodes.length > 0 && nodes.every((node) => node.state === 'failed')) return 'notInjected';
  if (fault.healAsked) return 'healed';
  return nowUnixMs >= fault.view.healsAtUnixMs - CERTAINTY_MS ? 'expired' : 'healed';
}

/** It certainly never bit, or was taken back before it was reported as injected. */
export function notInjected(fault: KnownFault, nowUnixMs: number): KnownFault {
  const held = fault.view.nodes.some((node) => node.state === 'unknown' || node.state === 'active');
  if (held) return { ...fault, healAsked: true };
  return { ...fault, view: { ...fault.view, state: 'notInjected', endedAtUnixMs: nowUnixMs } };
}

/**
 * Nodes whose dropped messages prove that the fault bites. The sender drops what it would send, so a receiver only ever
 * drops where its sender does not hold the fault.
 */
export function mustBite(
  links: readonly Link[],
  at: { holders: readonly number[]; alive: readonly number[] },
): number[] {
  const slots = links
    .filter(({ from, to }) => at.alive.includes(from) && at.alive.includes(to))
    .map(({ from, to }) => (at.holders.includes(from) ? from : to));
  return [...new Set(slots)].sort((a, b) => a - b);
}
