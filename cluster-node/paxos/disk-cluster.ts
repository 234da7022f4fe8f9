/**
 * A few cores with an instant network and instant disks, for tests: enough for what one step leads to. Time passes only in
 * `run`, in ticks of 10 ms; links can be cut, nodes stopped and started again from what their disks hold.
 */
import type { MemberSlot, Slot } from '../contract/ballot.ts';
import { firstConfiguration } from '../contract/configuration.ts';
import type { Entry, PeerMessage } from '../contract/peer.ts';
import { PaxosCore } from './core.ts';
import type { CoreOptions, CoreStatus, DurableRecord, Effect, Input, RecoveredState } from './interface.ts';
import { exampleMember } from './member-example.ts';
import { PAXOS_RULES, type PaxosRules } from './rules.ts';

const TEST_OPTIONS: CoreOptions = {
  self: 1,
  configuration: firstConfiguration([1, 2, 3].map(exampleMember)),
  heartbeatMs: 50,
  electionTimeoutMs: 500,
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
}

export class DiskCluster {
  nowMs = 0;
  readonly effects: { member: MemberSlot; effect: Effect }[] = [];
  readonly cores = new Map<MemberSlot, PaxosCore>();
  readonly disks = new Map<MemberSlot, Disk>();
  /** Links that lose everything, as "from-to". */
  readonly cut = new Set<string>();
  #queue: { member: MemberSlot; input: Input }[] = [];
  readonly #options: Omit<CoreOptions, 'self'>;
  readonly #rules: PaxosRules;

  constructor(members: readonly MemberSlot[], options: Partial<CoreOptions> = {}, rules: PaxosRules = PAXOS_RULES) {
    this.#rules = rules;
    this.#options = { ...TEST_OPTIONS, configuration: firstConfiguration(members.map(exampleMember)), ...options };
    for (const self of members) {
      this.disks.set(self, { promised: 0, decidedUpTo: 0, accepted: new Map(), snapshotSlot: 0 });
      this.#start(self, null);
    }
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
    for (const end = this.nowMs + ms; this.nowMs < end; this.nowMs += 10)
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

  delivered(member: MemberSlot): string[] {
    const texts: string[] = [];
    for (const { member: at, effect } of this.effects)
      if (at === member && effect.kind === 'deliver' && effect.entry.value.length > 0)
        texts.push(String.fromCharCode(...effect.entry.value));
    return texts;
  }

  /** Effects of one kind at one node so far. */
  effectsOf<K extends Effect['kind']>(member: MemberSlot, kind: K): Extract<Effect, { kind: K }>[] {
    const found = this.effects.filter(({ member: at, effect }) => at === member && effect.kind === kind);
    return found.map(({ effect }) => effect as Extract<Effect, { kind: K }>);
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

  #start(self: MemberSlot, recovered: RecoveredState | null): void {
    this.cores.set(self, new PaxosCore({ ...this.#options, self }, recovered, this.#rules));
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
