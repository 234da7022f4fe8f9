/**
 * The faults that the engine knows of. Whoever injects or heals reports here; samples keep it true: a fault that a node
 * names and nobody here knows (another console injected it, or this engine was restarted) is asked for and taken in, and
 * one that a node no longer names is over on that node. What has ended is history for an hour.
 */
import type { Logger } from 'pino';
import type { ActiveFault } from '../../../cluster-node/contract/fault.ts';
import type { Failure, FaultView } from '../../contract/model.ts';
import type { ReceivedSample } from '../agents/agent-session.ts';
import type { Agents } from '../agents/agents.ts';
import type { FleetStore } from '../fleet/store.ts';
import {
  type KnownFault,
  type NewFault,
  type NodeNews,
  newFault,
  notInjected,
  recalledFault,
  settled,
  withNode,
} from './plan/fault-state.ts';
import { partitionTitle } from './plan/fault-title.ts';

/** As far back as charts go. */
const SHOWN_AFTER_END_MS = 3_600_000;
/** Of one cluster. */
const ENDED_SHOWN = 50;
/** An observation must be younger than a change by this much to speak against it: clocks are compared, not equal. */
const CLOCK_DOUBT_MS = 250;

export interface LedgerOptions {
  readonly store: FleetStore;
  readonly agents: Agents;
  readonly log: Logger;
  readonly clock: () => number;
}

export class FaultLedger {
  readonly #options: LedgerOptions;
  readonly #faults = new Map<string, KnownFault>();
  readonly #busy = new Map<string, 'injecting' | 'healing'>();
  /** Nodes that are being asked, so that each is asked once at a time. */
  readonly #asking = new Set<string>();

  constructor(options: LedgerOptions) {
    this.#options = options;
    const now = options.clock();
    for (const view of options.store.listFaults(null)) this.#faults.set(view.faultId, recalledFault(view, now));
    this.#forgetOld();
  }

  /** Those of a cluster, newest first; ended ones for an hour, the last 50. */
  list(clusterId: string): FaultView[] {
    return [...this.#faults.values()]
      .map((fault) => fault.view)
      .filter((view) => view.clusterId === clusterId)
      .sort((a, b) => b.injectedAtUnixMs - a.injectedAtUnixMs);
  }

  get(faultId: string): FaultView | null {
    return this.#faults.get(faultId)?.view ?? null;
  }

  begin(fault: Omit<NewFault, 'nowUnixMs' | 'state'>): void {
    this.#busy.set(fault.faultId, 'injecting');
    this.#put(newFault({ ...fault, nowUnixMs: this.#options.clock(), state: 'injecting' }));
  }

  beginHealing(faultId: string): void {
    const fault = this.#faults.get(faultId);
    if (!fault || fault.view.endedAtUnixMs !== null) return;
    this.#busy.set(faultId, 'healing');
    this.#settle({ ...fault, healAsked: true });
  }

  /** The operation on it is over: from now on its nodes alone say how it is. `neverBit` ends it as not injected. */
  release(faultId: string, outcome: 'asObserved' | 'neverBit' = 'asObserved'): void {
    this.#busy.delete(faultId);
    const fault = this.#faults.get(faultId);
    if (!fault) return;
    this.#settle(outcome === 'neverBit' ? notInjected(fault, this.#options.clock()) : fault);
  }

  note(faultId: string, news: Omit<NodeNews, 'atUnixMs'>): void {
    const fault = this.#faults.get(faultId);
    if (fault) this.#settle(withNode(fault, { ...news, atUnixMs: this.#options.clock() }));
  }

  noteUnknown(faultId: string, at: { nodeId: string; failure: Failure; ttlMs: number }): void {
    const endsAtUnixMs = this.#options.clock() + at.ttlMs;
    this.note(faultId, { nodeId: at.nodeId, state: 'unknown', failure: at.failure, endsAtUnixMs });
  }

  /** Takes in what a node says that it holds; faults that it no longer holds are over on it. */
  noteHeld(nodeId: string, held: readonly ActiveFault[]): void {
    for (const active of held) {
      const known = this.#faults.get(active.faultId);
      if (!known || known.view.endedAtUnixMs !== null) this.#adopt(nodeId, active);
      this.note(active.faultId, { nodeId, state: 'active', active });
    }
    const names = new Set(held.map((active) => active.faultId));
    for (const fault of this.#faults.values()) {
      const node = fault.view.nodes.find((one) => one.nodeId === nodeId);
      if (node && holds(node.state) && !names.has(fault.view.faultId))
        this.note(fault.view.faultId, { nodeId, state: 'healed' });
    }
  }

  #adopt(nodeId: string, active: ActiveFault): void {
    const member = this.#options.store.getMember(nodeId);
    if (!member) return;
    const { links } = active.fault;
    this.#put(
      newFault({
        faultId: active.faultId,
        clusterId: member.clusterId,
        links,
        title: partitionTitle(links, this.#options.store.listMembers(member.clusterId)),
        nowUnixMs: this.#options.clock(),
        ttlMs: active.remainingMs,
        state: 'active',
      }),
    );
    this.#tell(active.faultId, 'was found');
  }

  /** Looks at what a sample says about faults, and asks the node for more where it says something new. */
  observe(received: ReceivedSample): void {
    for (const { service, node } of received.sample.nodes) {
      const held = node?.faults.map((fault) => fault.faultId) ?? [];
      // A lease lives in the node's memory and ends with its process; a process that does not answer says nothing.
      const isGone = ['stopped', 'failed', 'restarting'].includes(service.state);
      if (node !== null || isGone)
        this.#forgetWhatIsGone({ nodeId: service.nodeId, held, atUnixMs: received.atUnixMs });
      if (held.length > 0) void this.#ask(received.hostId, service.nodeId);
    }
  }

  #forgetWhatIsGone(seen: { nodeId: string; held: readonly string[]; atUnixMs: number }): void {
    for (const fault of this.#faults.values()) {
      const node = fault.view.nodes.find((one) => one.nodeId === seen.nodeId);
      const changedAt = fault.changedAtUnixMs.get(seen.nodeId) ?? 0;
      if (!node || !holds(node.state) || seen.atUnixMs < changedAt + CLOCK_DOUBT_MS) continue;
      if (!seen.held.includes(fault.view.faultId))
        this.note(fault.view.faultId, { nodeId: seen.nodeId, state: 'healed' });
    }
  }

  async #ask(hostId: string, nodeId: string): Promise<void> {
    if (this.#asking.has(nodeId)) return;
    this.#asking.add(nodeId);
    try {
      const { faults } = await this.#options.agents.call(hostId, 'listFaults', { nodeId });
      this.noteHeld(nodeId, faults);
    } catch (error) {
      this.#options.log.debug({ node: nodeId, err: error }, 'faults not listed');
    } finally {
      this.#asking.delete(nodeId);
    }
  }

  /** What time alone decides; call it once a second. */
  tick(): void {
    for (const fault of this.#faults.values()) if (fault.view.endedAtUnixMs === null) this.#settle(fault);
    this.#forgetOld();
  }

  #forgetOld(): void {
    const now = this.#options.clock();
    const shown = new Map<string, number>();
    const ended = [...this.#faults.values()].flatMap(({ view: { faultId, clusterId, endedAtUnixMs } }) =>
      endedAtUnixMs === null ? [] : { faultId, clusterId, endedAtUnixMs },
    );
    for (const { faultId, clusterId, endedAtUnixMs } of ended.sort((a, b) => b.endedAtUnixMs - a.endedAtUnixMs)) {
      const newer = shown.get(clusterId) ?? 0;
      if (newer >= ENDED_SHOWN || now - endedAtUnixMs > SHOWN_AFTER_END_MS) this.#remove(faultId);
      else shown.set(clusterId, newer + 1);
    }
  }

  forgetCluster(clusterId: string): void {
    for (const { view } of this.#faults.values()) if (view.clusterId === clusterId) this.#remove(view.faultId);
  }

  #remove(faultId: string): void {
    this.#faults.delete(faultId);
    this.#options.store.removeFault(faultId);
  }

  #settle(fault: KnownFault): void {
    const before = this.#faults.get(fault.view.faultId)?.view;
    const next = settled(fault, this.#options.clock(), this.#busy.get(fault.view.faultId) ?? null);
    if (JSON.stringify(before) === JSON.stringify(next.view)) return void this.#faults.set(next.view.faultId, next);
    this.#put(next);
    if (next.view.endedAtUnixMs !== null) this.#tellEnd(next.view);
    if (before?.state === 'injecting' && next.view.state === 'active') this.#tell(next.view.faultId, 'holds');
  }

  #put(fault: KnownFault): void {
    this.#faults.set(fault.view.faultId, fault);
    this.#options.store.putFault(fault.view);
  }

  #tell(faultId: string, what: string): void {
    const view = this.#faults.get(faultId)?.view;
    if (!view) return;
    const about = { clusterId: view.clusterId, hostId: null, nodeId: null };
    const at = new Date(view.healsAtUnixMs).toISOString().slice(11, 19);
    const text = `${what}: ${view.title}. The nodes heal it by themselves by ${at} UTC.`;
    this.#options.store.appendEvent({ ...about, level: 'fault', subject: 'Partition', text });
  }

  #tellEnd(view: FaultView): void {
    const how = { healed: 'is healed', expired: 'ended at its deadline', notInjected: 'was not injected' };
    const text = `${how[view.state as keyof typeof how]}: ${view.title}.`;
    const about = { clusterId: view.clusterId, hostId: null, nodeId: null };
    this.#options.store.appendEvent({ ...about, level: 'fault', subject: 'Partition', text });
  }
}

function holds(state: FaultView['nodes'][number]['state']): boolean {
  return state === 'active' || state === 'unknown';
}
