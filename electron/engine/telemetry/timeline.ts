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
      case 'transferFailed':
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
    const before = this.#lastTold.get(key) ?? Number.NEGATIVE_INFINITY;
    this.#lastTold.set(key, Math.max(before, event.atUnixMs));
    if (Math.abs(event.atUnixMs - before) < SAME_EVENT_MS) return null;
    this.#disconnected.add(key);
    return { level: 'warn', subject: peer, text: `is no longer connected to ${member.name}` } as const;
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
    const about = { clusterId, hostId: null, nodeId: null, subject: title };
    if (operation.endedAtUnixMs === null) {
      if (this.#begun.has(operationId)) return;
      this.#begun.add(operationId);
      this.#append({ ...about, nodeId, level: 'action', text: 'begun', atUnixMs: operation.startedAtUnixMs });
      return;
    }
    this.#begun.delete(operationId);
    const level = { failed: 'bad', unknown: 'warn' }[operation.state as string] ?? 'action';
    const text = operation.outcome ?? operation.state;
    this.#append({ ...about, nodeId, level: level as TimelineEvent['level'], text, atUnixMs: operation.endedAtUnixMs });
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
