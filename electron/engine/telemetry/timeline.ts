/**
 * The one timeline: what nodes report (dated on the engine's clock), hosts lost and found, and what operators asked for. What
 * several nodes report is told once. Faults are told by their ledger, which knows more than one node does.
 */

import type { NodeEvent } from '../../../cluster-node/contract/admin.ts';
import { formatBallot } from '../../../cluster-node/contract/ballot.ts';
import type { Operation, TimelineEvent } from '../../contract/model.ts';
import type { AgentState, ReceivedNodeEvents } from '../agents/agent-session.ts';
import type { StoredMember } from '../fleet/records.ts';
import type { FleetStore, NewEvent } from '../fleet/store.ts';
import type { LeaderChange, LeaderChanges } from './leader-changes.ts';

/** What several nodes report within this time about one peer is one event. */
const SAME_EVENT_MS = 5000;
const LOOK_BACK_EVENTS = 500;

/** Clocks of hosts are known to some milliseconds only. */
const CLOCK_DOUBT_MS = 250;
/** For so long after a node was ended its peers may notice. */
const NOTICED_WITHIN_MS = 5000;
const ENDINGS_KEPT = 50;
const endingKinds: ReadonlySet<Operation['kind']> = new Set(['nodeStop', 'nodeRestart', 'nodeKill', 'clusterDestroy']);

export interface TimelineOptions {
  readonly store: FleetStore;
  readonly leaders: LeaderChanges;
  readonly clock: () => number;
}

export class Timeline {
  readonly #options: TimelineOptions;
  /** By node id: the last event taken, of which life of the node. */
  readonly #cursors = new Map<string, { boot: number; sequence: number }>();
  /** By cluster id: what happened up to then was told by an engine before this one. */
  readonly #toldUpTo = new Map<string, number>();
  /** When the loss of a peer was reported last, by the same names. */
  readonly #lastTold = new Map<string, number>();
  /** Hosts that were lost, and told to be. */
  readonly #lost = new Set<string>();
  readonly #ready = new Set<string>();
  /** Peers of a cluster that were told to be disconnected: "c-…/node-1". */
  readonly #disconnected = new Set<string>();
  readonly #begun = new Set<string>();
  /** What operations that end nodes did: losses of connections within them need no telling. Newest last. */
  readonly #endings = new Map<string, { clusterId: string; nodeId: string | null; from: number; to: number | null }>();

  constructor(options: TimelineOptions) {
    this.#options = options;
    for (const { clusterId } of options.store.listClusters()) {
      const events = options.store.listEvents({ clusterId, beforeEventId: null, limit: LOOK_BACK_EVENTS });
      const newest = Math.max(0, ...events.filter((event) => event.nodeId !== null).map((event) => event.atUnixMs));
      this.#toldUpTo.set(clusterId, newest);
    }
  }

  takeNodeEvents(received: ReceivedNodeEvents): void {
    const member = this.#options.store.getMember(received.nodeId);
    if (!member) return;
    for (const event of received.events) {
      const cursor = this.#cursors.get(received.nodeId);
      if (cursor?.boot === received.boot && event.sequence <= cursor.sequence) continue;
      this.#cursors.set(received.nodeId, { boot: received.boot, sequence: event.sequence });
      this.#options.leaders.take(member.clusterId, member.memberSlot, event);
      this.#tellNodeEvent(member, event);
    }
  }

  #tellNodeEvent(member: StoredMember, event: NodeEvent): void {
    const wording = this.#wordingOf(member, event);
    if (!wording) return;
    const { clusterId, hostId, nodeId } = member;
    this.#append({ clusterId, hostId, nodeId, atUnixMs: event.atUnixMs, ...wording });
  }

  /** null: told by somebody else, told already, or of no use to an operator. */
  #wordingOf(member: StoredMember, event: NodeEvent): Pick<TimelineEvent, 'level' | 'subject' | 'text'> | null {
    switch (event.kind) {
      case 'started':
        return { level: 'info', subject: member.name, text: 'started' };
      case 'steppedDown':
        return { level: 'leader', subject: member.name, text: event.text };
      case 'configurationChanged':
        return { level: 'info', subject: member.name, text: event.text };
      case 'transferFailed':
      case 'reconfigureRefused':
      case 'handingOver':
        return { level: 'warn', subject: member.name, text: event.text };
      case 'alarm':
        return { level: 'bad', subject: member.name, text: event.text };
      case 'peerUp':
      case 'peerDown':
        return this.#wordingOfPeer(member, event);
      // Leader changes are told once for all nodes, faults by their ledger; an election is the gap before a leader.
      case 'becameLeader':
      case 'leaderChanged':
      case 'electionStarted':
      case 'faultInjected':
      case 'faultEnded':
        return null;
    }
  }

  /** The loss of a peer is told once, however many lose it; that it is back, when its loss was told. */
  #wordingOfPeer(member: StoredMember, event: NodeEvent) {
    const peer = this.#nameOf(member.clusterId, event.memberSlot ?? 0);
    const key = `${member.clusterId}/${peer}`;
    if (event.kind === 'peerUp')
      return this.#disconnected.delete(key)
        ? ({ level: 'info', subject: peer, text: `is connected to ${member.name} again` } as const)
        : null;
    if (this.#isExplained(member, event)) return null;
    const before = this.#lastTold.get(key) ?? Number.NEGATIVE_INFINITY;
    this.#lastTold.set(key, Math.max(before, event.atUnixMs));
    if (Math.abs(event.atUnixMs - before) < SAME_EVENT_MS) return null;
    this.#disconnected.add(key);
    return { level: 'warn', subject: peer, text: `is no longer connected to ${member.name}` } as const;
  }

  /** An operation of ours ended one of the two nodes, or the whole cluster. */
  #isExplained(member: StoredMember, event: NodeEvent): boolean {
    const peer = this.#options.store.listMembers(member.clusterId).find((one) => one.memberSlot === event.memberSlot);
    const ended = new Set([null, member.nodeId, peer?.nodeId ?? null]);
    return [...this.#endings.values()].some(
      ({ clusterId, nodeId, from, to }) =>
        clusterId === member.clusterId &&
        ended.has(nodeId) &&
        event.atUnixMs >= from - CLOCK_DOUBT_MS &&
        (to === null || event.atUnixMs <= to + NOTICED_WITHIN_MS),
    );
  }

  #noteEnding({ operationId, kind, clusterId, nodeId, startedAtUnixMs, endedAtUnixMs }: Operation): void {
    if (!endingKinds.has(kind) || clusterId === null) return;
    this.#endings.delete(operationId);
    this.#endings.set(operationId, { clusterId, nodeId, from: startedAtUnixMs, to: endedAtUnixMs });
    const [oldest] = this.#endings.keys();
    if (oldest !== undefined && this.#endings.size > ENDINGS_KEPT) this.#endings.delete(oldest);
  }

  #nameOf(clusterId: string, memberSlot: number): string {
    const member = this.#options.store.listMembers(clusterId).find((one) => one.memberSlot === memberSlot);
    return member?.name ?? `member ${memberSlot}`;
  }

  takeAgentState(hostId: string, state: AgentState): void {
    const wasReady = this.#ready.has(hostId);
    if (state.kind === 'ready') this.#ready.add(hostId);
    else this.#ready.delete(hostId);
    const host = this.#options.store.getHost(hostId);
    const members = this.#options.store.listMembersOnHost(hostId);
    if (!host || state.kind === 'connecting' || wasReady === (state.kind === 'ready')) return;
    const names = members.map((member) => member.name).join(', ');
    const about = { clusterId: members[0]?.clusterId ?? null, hostId, nodeId: null, subject: host.name };
    if (state.kind === 'lost') {
      this.#lost.add(hostId);
      const why = state.reason instanceof Error ? ` (${state.reason.message})` : '';
      const what = names ? `: nothing is known of ${names} until it is heard again` : '';
      this.#append({ ...about, level: 'warn', text: `is not heard of${what}${why}` });
    } else if (this.#lost.delete(hostId)) this.#append({ ...about, level: 'info', text: 'is heard again' });
  }

  takeOperation(operation: Operation): void {
    const { operationId, clusterId, nodeId, title } = operation;
    const about = { clusterId, hostId: null, nodeId };
    this.#noteEnding(operation);
    if (operation.endedAtUnixMs === null) {
      if (this.#begun.has(operationId)) return;
      this.#begun.add(operationId);
      this.#append({ ...about, level: 'action', subject: title, text: 'begun', atUnixMs: operation.startedAtUnixMs });
      return;
    }
    this.#begun.delete(operationId);
    // That a fault holds is told by its ledger.
    if (operation.kind === 'faultInject' && operation.state === 'succeeded') return;
    this.#append({ ...about, ...sayEnd(operation), atUnixMs: operation.endedAtUnixMs });
  }

  /** Tells what has settled since; call it once a second. */
  tick(): void {
    for (const change of this.#options.leaders.settled()) this.#tellLeader(change);
  }

  #tellLeader(change: LeaderChange): void {
    const members = this.#options.store.listMembers(change.clusterId);
    const leader = members.find((member) => member.memberSlot === change.memberSlot);
    const gap = change.gapIsCertain ? 'writes were stopped for' : 'nobody led for';
    const waited = change.gapMs === null ? '' : ` · ${gap} ${change.gapMs} ms`;
    this.#append({
      clusterId: change.clusterId,
      hostId: leader?.hostId ?? null,
      nodeId: leader?.nodeId ?? null,
      level: 'leader',
      subject: `${leader?.name ?? `member ${change.memberSlot}`} leads`,
      text: `under ballot ${formatBallot(change.ballot)}${waited}`,
      atUnixMs: change.atUnixMs,
    });
  }

  #append(event: NewEvent): void {
    const at = event.atUnixMs ?? this.#options.clock();
    const toldUpTo = event.clusterId === null ? 0 : (this.#toldUpTo.get(event.clusterId) ?? 0);
    // Nodes repeat their history to every new engine.
    if (event.nodeId !== null && at <= toldUpTo) return;
    this.#options.store.appendEvent({ ...event, atUnixMs: at });
  }
}

/** One sentence: the outcome as it is, its first word bold; where it went wrong, what was asked for comes first. */
function sayEnd({ title, state, outcome }: Operation): Pick<TimelineEvent, 'level' | 'subject' | 'text'> {
  if (state === 'failed') return { level: 'bad', subject: title, text: `failed: ${outcome ?? 'nobody knows why'}` };
  if (state === 'unknown') return { level: 'warn', subject: title, text: `has no known end: ${outcome ?? ''}` };
  const [, subject = title, text = 'done'] = /^(\S+) (.+)$/s.exec(outcome ?? '') ?? [];
  return { level: 'action', subject, text };
}
