/**
 * A few cores with an instant network and instant disks, for tests: enough for what one step leads to. Time passes only in
 * `run`, in ticks; links can be cut, nodes stopped and started again from what their disks hold.
 */
import type { MemberSlot, Slot } from '../../contract/ballot.ts';
import { type Configuration, type ConfigurationChange, firstConfiguration } from '../../contract/configuration.ts';
import type { Entry, PeerMessage } from '../../contract/peer.ts';
import { PaxosCore } from '../core.ts';
import type { CoreEvent, CoreOptions, CoreStatus, DurableRecord, Effect, Input, RecoveredState } from '../interface.ts';
import { exampleMember } from './member-example.ts';
import { PAXOS_RULES, type PaxosRules } from '../rules.ts';

/** In which a leader tells what nobody waited for. */
export const TICK_MS = 10;
export const HEARTBEAT_MS = 50;
export const ELECTION_TIMEOUT_MS = 500;

const TEST_OPTIONS: CoreOptions = {
  self: 1,
  configuration: firstConfiguration([1, 2, 3].map(exampleMember)),
  heartbeatMs: HEARTBEAT_MS,
  electionTimeoutMs: ELECTION_TIMEOUT_MS,
  seed: 7,
  maxUndecidedSlots: 100,
  maxBatchBytes: 1024,
};

/** What one node has on disk. */
interface Disk {
  promised: number;
  decidedUpTo: Slot;
  readonly accepted: Map<Slot, Entry>;
  /** Entries up to here were replaced by a snapshot. */
  snapshotSlot: Slot;
  /** Configurations by the last slot before them. */
  readonly configurations: Map<Slot, Configuration>;
}

export class DiskCluster {
  nowMs = 0;
  readonly effects: { member: MemberSlot; effect: Effect }[] = [];
  readonly cores = new Map<MemberSlot, PaxosCore>();
  readonly disks = new Map<MemberSlot, Disk>();
  /** Links that lose everything, as "from-to". */
  readonly cut = new Set<string>();
  /** Options of one member that differ from the others', from its next start on. */
  readonly own = new Map<MemberSlot, Partial<CoreOptions>>();
  #queue: { member: MemberSlot; input: Input }[] = [];
  readonly #options: Omit<CoreOptions, 'self'>;
  readonly #rules: PaxosRules;

  constructor(members: readonly MemberSlot[], options: Partial<CoreOptions> = {}, rules: PaxosRules = PAXOS_RULES) {
    this.#rules = rules;
    this.#options = { ...TEST_OPTIONS, configuration: firstConfiguration(members.map(exampleMember)), ...options };
    for (const self of members) this.start(self);
  }

  core(member: MemberSlot): PaxosCore {
    return this.cores.get(member) as PaxosCore;
  }

  disk(member: MemberSlot): Disk {
    return this.disks.get(member) as Disk;
  }

  status(member: MemberSlot): CoreStatus {
    return this.core(member).status(this.nowMs);
  }

  /** A node with an empty disk, or again one that was here before. */
  start(member: MemberSlot): void {
    if (this.disks.has(member)) return this.restart(member);
    const configurations = new Map([[0, this.#options.configuration]]);
    this.disks.set(member, { promised: 0, decidedUpTo: 0, accepted: new Map(), snapshotSlot: 0, configurations });
    this.#start(member, null);
  }

  stop(member: MemberSlot): void {
    this.cores.delete(member);
  }

  /** Starts a node from its disk; `lose` stands for what recovery could not read. */
  restart(member: MemberSlot, lose: (state: RecoveredState) => RecoveredState = (state) => state): void {
    const { promised, decidedUpTo, accepted } = this.disk(member);
    const undecided = [...accepted.values()].filter(({ slot }) => slot > decidedUpTo).sort((a, b) => a.slot - b.slot);
    this.#start(member, lose({ promised, decidedUpTo, accepted: undecided, faulty: [] }));
  }

  give(member: MemberSlot, input: Input): void {
    this.#queue.push({ member, input });
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#step(next);
  }

  run(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end; this.nowMs += TICK_MS)
      for (const member of this.cores.keys()) this.give(member, { kind: 'tick' });
  }

  cutBoth(a: MemberSlot, b: MemberSlot): void {
    this.cut.add(`${a}-${b}`);
    this.cut.add(`${b}-${a}`);
  }

  /** Cuts a node off from all others. */
  isolate(member: MemberSlot): void {
    for (const other of this.disks.keys()) if (other !== member) this.cutBoth(member, other);
  }

  leaders(): MemberSlot[] {
    return [...this.cores].filter(([, core]) => core.status(this.nowMs).role === 'leader').map(([member]) => member);
  }

  /** The only leader. Throws when there is none or more than one. */
  leader(): MemberSlot {
    const [leader, ...others] = this.leaders();
    if (leader === undefined || others.length > 0) throw new Error(`leaders: ${this.leaders().join(', ')}`);
    return leader;
  }

  /** What this node executed so far, in all its lives; without no-ops and configurations. */
  delivered(member: MemberSlot): string[] {
    const texts: string[] = [];
    for (const { member: at, effect } of this.effects)
      if (at === member && effect.kind === 'deliver' && isText(effect.entry.value))
        texts.push(String.fromCharCode(...effect.entry.value));
    return texts;
  }

  /** Effects of one kind at one node so far. */
  effectsOf<K extends Effect['kind']>(member: MemberSlot, kind: K): Extract<Effect, { kind: K }>[] {
    const found = this.effects.filter(({ member: at, effect }) => at === member && effect.kind === kind);
    return found.map(({ effect }) => effect as Extract<Effect, { kind: K }>);
  }

  events<K extends CoreEvent['kind']>(member: MemberSlot, kind: K): Extract<CoreEvent, { kind: K }>[] {
    const events = this.effectsOf(member, 'event').map(({ event }) => event);
    return events.filter((event): event is Extract<CoreEvent, { kind: K }> => event.kind === kind);
  }

  messagesOf<K extends PeerMessage['kind']>(member: MemberSlot, kind: K): Extract<PeerMessage, { kind: K }>[] {
    const messages = this.effectsOf(member, 'send').map(({ message }) => message);
    return messages.filter((message): message is Extract<PeerMessage, { kind: K }> => message.kind === kind);
  }

  propose(member: MemberSlot, text: string, sequence: number): void {
    const request = { origin: member, boot: 1, sequence };
    this.give(member, {
      kind: 'propose',
      request,
      value: Uint8Array.from(text, (character) => character.charCodeAt(0)),
    });
  }

  read(member: MemberSlot, sequence: number): void {
    this.give(member, { kind: 'read', request: { origin: member, boot: 1, sequence } });
  }

  /** Asks a node for a change of members; returns why it refused, or null. */
  change(member: MemberSlot, change: ConfigurationChange): string | null {
    const before = this.events(member, 'reconfigureRefused').length;
    this.give(member, { kind: 'reconfigure', change });
    return this.events(member, 'reconfigureRefused')[before]?.reason ?? null;
  }

  #start(self: MemberSlot, recovered: RecoveredState | null): void {
    const configuration = configurationAfter(this.disk(self).configurations, recovered?.decidedUpTo ?? 0);
    const options = { ...this.#options, ...this.own.get(self), configuration, self };
    this.cores.set(self, new PaxosCore(options, recovered, this.#rules));
  }

  #step({ member, input }: { member: MemberSlot; input: Input }): void {
    for (const effect of this.cores.get(member)?.step(input, this.nowMs) ?? []) {
      this.effects.push({ member, effect });
      const give = (at: MemberSlot, next: Input) => this.#queue.push({ member: at, input: next });
      if (effect.kind === 'persist') {
        this.#write(member, effect.record);
        give(member, { kind: 'durable', upTo: effect.sequence });
      }
      if (effect.kind === 'deliver') give(member, { kind: 'applied', upTo: effect.entry.slot });
      if (effect.kind === 'send' && !this.cut.has(`${member}-${effect.to}`))
        give(effect.to, { kind: 'message', from: member, message: effect.message });
      if (effect.kind === 'event' && effect.event.kind === 'configurationChanged')
        this.disk(member).configurations.set(effect.event.slot, effect.event.configuration);
      if (effect.kind === 'readLog') give(member, this.#readLog(member, effect));
    }
  }

  #write(member: MemberSlot, record: DurableRecord): void {
    const disk = this.disk(member);
    if (record.kind === 'promised') disk.promised = record.ballot;
    else if (record.kind === 'decided') disk.decidedUpTo = record.upTo;
    else disk.accepted.set(record.entry.slot, record.entry);
  }

  #readLog(member: MemberSlot, { to, fromSlot }: Extract<Effect, { kind: 'readLog' }>): Input {
    const { snapshotSlot, accepted } = this.disk(member);
    const entries: Entry[] = [];
    for (let slot = fromSlot; slot > snapshotSlot && entries.length < 8; slot++) {
      const entry = accepted.get(slot);
      if (entry === undefined) break;
      entries.push(entry);
    }
    return { kind: 'logRead', to, fromSlot, entries, snapshotSlot: fromSlot <= snapshotSlot ? snapshotSlot : 0 };
  }
}

function configurationAfter(configurations: ReadonlyMap<Slot, Configuration>, decidedUpTo: Slot): Configuration {
  const begun = [...configurations].filter(([slot]) => slot <= decidedUpTo).sort(([left], [right]) => left - right);
  return (begun.at(-1) as [Slot, Configuration])[1];
}

function isText(value: Uint8Array): boolean {
  return (value[0] ?? 0) > 2;
}
