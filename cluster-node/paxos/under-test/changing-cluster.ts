/**
 * A cluster whose members change while messages are lost, doubled and reordered and nodes crash, for tests: everything is drawn
 * from one seed. It watches from outside what reaches the disks and what is delivered, with its own idea of which
 * configuration governs which slot, and throws at the first thing that does not fit.
 */
import type { MemberSlot, Slot } from '../../contract/ballot.ts';
import {
  type Configuration,
  type ConfigurationChange,
  firstConfiguration,
  votersOf,
} from '../../contract/configuration.ts';
import type { Entry, PeerMessage } from '../../contract/peer.ts';
import { PaxosCore } from '../core.ts';
import { Governance } from './governance.ts';
import type { DurableRecord, Effect, Input } from '../interface.ts';
import { Jitter } from '../jitter.ts';
import { exampleMember } from './member-example.ts';
import { PAXOS_RULES, type PaxosRules } from '../rules.ts';

const TICK_MS = 10;
const ELECTION_TIMEOUT_MS = 300;
const MAX_VOTERS = 5;

interface Node {
  core: PaxosCore | null;
  life: number;
  sequence: number;
  promised: number;
  decidedUpTo: Slot;
  readonly accepted: Map<Slot, Entry>;
  unsynced: { readonly sequence: number; readonly record: DurableRecord }[];
  durable: number;
  held: Extract<Effect, { kind: 'send' }>[];
  deliveredUpTo: Slot;
  /** What was known somewhere when a read of this life was asked, by its number. */
  readonly reads: Map<number, Slot>;
}

export class ChangingCluster {
  nowMs = 0;
  readonly governance: Governance;
  readonly nodes = new Map<MemberSlot, Node>();
  changes = 0;
  reads = 0;
  readonly #rules: PaxosRules;
  readonly #hasLeases: boolean;
  #random: Jitter;
  #underWay: { readonly from: MemberSlot; readonly to: MemberSlot; readonly message: PeerMessage }[] = [];
  #later: { readonly member: MemberSlot; readonly input: Input }[] = [];
  #cut = new Set<string>();
  #isCalm = false;

  constructor(seed: number, rules: PaxosRules = PAXOS_RULES) {
    this.#rules = rules;
    this.#random = new Jitter(seed);
    this.#hasLeases = seed % 2 === 0;
    const members = Array.from({ length: 1 + (seed % 5) }, (_, at) => at + 1);
    this.governance = new Governance(firstConfiguration(members.map(exampleMember)));
    for (const member of members) this.#start(member);
  }

  /** The configuration that the last delivered slot of all leads to. */
  get newest(): Configuration {
    return this.governance.at(this.governance.chosenUpTo + 1);
  }

  runWithFaults(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end; ) {
      this.#tick();
      for (let count = this.#below(12); count > 0; count--) this.#deliverOne();
      if (this.#chance(0.5)) this.#sync(this.#anyone());
      if (this.#chance(0.1)) this.#propose(this.#anyone());
      if (this.#chance(0.1)) this.#read(this.#anyone());
      if (this.#chance(0.03)) this.#change();
      if (this.#chance(0.01)) this.#crash(this.#anyone());
      if (this.#chance(0.03)) this.#start(this.#anyone());
      if (this.#chance(0.02)) this.#cut.add(`${this.#anyone()}-${this.#anyone()}`);
      if (this.#chance(0.01)) this.#cut.clear();
      if (this.#chance(0.01)) this.#give(this.#anyone(), { kind: 'transfer', target: this.#anyone() });
    }
  }

  /** Everything heals, all members are up, and nothing is lost any more. */
  runCalmly(ms: number): void {
    this.#isCalm = true;
    this.#cut.clear();
    for (const end = this.nowMs + ms; this.nowMs < end; ) {
      for (const member of this.nodes.keys()) this.#start(member);
      this.#tick();
      for (let count = 0; count < 10_000 && this.#underWay.length > 0; count++) this.#deliverOne();
      for (const member of this.nodes.keys()) this.#sync(member);
    }
  }

  proposeEverywhere(): void {
    for (const { memberSlot } of this.newest.members) this.#propose(memberSlot);
  }

  #tick(): void {
    this.nowMs += TICK_MS;
    for (const { member, input } of this.#later.splice(0)) this.#give(member, input);
    for (const member of this.nodes.keys()) this.#give(member, { kind: 'tick' });
  }

  #start(member: MemberSlot): void {
    const known = this.nodes.get(member);
    if (known?.core) return;
    const node = known ?? {
      core: null,
      life: 0,
      sequence: 0,
      promised: 0,
      decidedUpTo: 0,
      accepted: new Map(),
      unsynced: [],
      durable: 0,
      held: [],
      deliveredUpTo: 0,
      reads: new Map(),
    };
    this.nodes.set(member, node);
    const { promised, decidedUpTo } = node;
    const accepted = [...node.accepted.values()].filter(({ slot }) => slot > decidedUpTo);
    accepted.sort((left, right) => left.slot - right.slot);
    const options = {
      self: member,
      configuration: this.governance.at(decidedUpTo + 1),
      heartbeatMs: 30,
      electionTimeoutMs: ELECTION_TIMEOUT_MS,
      seed: this.#below(2 ** 31),
      maxUndecidedSlots: 20,
      maxBatchBytes: 100,
      leaseReads: this.#hasLeases ? { durationMs: 200, driftRatio: 0.01 } : null,
    };
    node.life += 1;
    node.durable = 0;
    node.deliveredUpTo = decidedUpTo;
    node.reads.clear();
    const recovered = { promised, decidedUpTo, accepted, faulty: [] };
    node.core = new PaxosCore(options, node.life === 1 ? null : recovered, this.#rules);
  }

  #crash(member: MemberSlot): void {
    const node = this.nodes.get(member) as Node;
    node.core = null;
    node.unsynced = [];
    node.held = [];
  }

  #propose(member: MemberSlot): void {
    const node = this.nodes.get(member) as Node;
    node.sequence += 1;
    const request = { origin: member, boot: node.life, sequence: node.sequence };
    const value = Uint8Array.of(1, member, node.life, node.sequence >> 8, node.sequence & 255);
    this.#give(member, { kind: 'propose', request, value });
  }

  #read(member: MemberSlot): void {
    const node = this.nodes.get(member) as Node;
    node.sequence += 1;
    node.reads.set(node.sequence, this.governance.chosenUpTo);
    this.#give(member, { kind: 'read', request: { origin: member, boot: node.life, sequence: node.sequence } });
  }

  /** Mostly asks a node that leads, of which there may be several. */
  #change(): void {
    const leaders = [...this.nodes].filter(([, node]) => node.core?.status(this.nowMs).role === 'leader');
    const leader = leaders[this.#below(leaders.length)]?.[0] ?? this.#anyone();
    const core = this.nodes.get(leader)?.core;
    if (core) this.#give(leader, { kind: 'reconfigure', change: this.#drawChange(core.status(0).configuration) });
  }

  #drawChange(configuration: Configuration): ConfigurationChange {
    const { members, nextMemberSlot } = configuration;
    const memberSlot = (members[this.#below(members.length)] as { memberSlot: number }).memberSlot;
    const learner = members.find(({ role }) => role === 'learner');
    const voters = votersOf(configuration).length;
    if (this.#chance(0.2)) {
      const phase2 = 1 + this.#below(voters);
      const quorumSizes = this.#chance(0.5)
        ? null
        : { phase1: Math.min(voters, voters + 1 - phase2 + this.#below(2)), phase2 };
      return { kind: 'setQuorums', quorumSizes };
    }
    if (learner !== undefined && voters < MAX_VOTERS && this.#chance(0.7))
      return { kind: 'promote', memberSlot: learner.memberSlot };
    if (learner !== undefined || voters >= MAX_VOTERS || this.#chance(0.4)) return { kind: 'remove', memberSlot };
    const { memberSlot: _, ...member } = exampleMember(nextMemberSlot);
    return { kind: 'addLearner', member };
  }

  #deliverOne(): void {
    const at = this.#isCalm ? 0 : this.#below(Math.min(this.#underWay.length, 20));
    const message = this.#underWay[at];
    if (message === undefined) return;
    if (this.#isCalm || !this.#chance(0.03)) this.#underWay.splice(at, 1);
    if (this.#cut.has(`${message.from}-${message.to}`) || (!this.#isCalm && this.#chance(0.03))) return;
    this.#give(message.to, { kind: 'message', from: message.from, message: message.message });
  }

  #sync(member: MemberSlot): void {
    const node = this.nodes.get(member) as Node;
    if (node.unsynced.length === 0) return;
    for (const { sequence, record } of node.unsynced.splice(0)) {
      node.durable = sequence;
      if (record.kind === 'promised') node.promised = record.ballot;
      else if (record.kind === 'decided') node.decidedUpTo = record.upTo;
      else if ((node.accepted.get(record.entry.slot)?.ballot ?? 0) <= record.entry.ballot)
        node.accepted.set(record.entry.slot, record.entry);
      if (record.kind === 'accepted') this.governance.onAccepted(member, record.entry);
    }
    const ready = node.held.filter(({ afterDurable }) => afterDurable <= node.durable);
    node.held = node.held.filter(({ afterDurable }) => afterDurable > node.durable);
    for (const { to, message } of ready) this.#underWay.push({ from: member, to, message });
    this.#give(member, { kind: 'durable', upTo: node.durable });
  }

  #give(member: MemberSlot, input: Input): void {
    const node = this.nodes.get(member);
    if (!node?.core) return;
    for (const effect of node.core.step(input, this.nowMs)) this.#obey(member, node, effect);
    const { configuration, decidedUpTo } = node.core.status(this.nowMs);
    this.governance.check(member, configuration, decidedUpTo);
    if (node.deliveredUpTo > decidedUpTo) throw new Error(`member ${member} delivered more than it decided`);
    this.#applyAll(node);
  }

  #obey(member: MemberSlot, node: Node, effect: Effect): void {
    switch (effect.kind) {
      case 'persist':
        node.unsynced.push(effect);
        return;
      case 'send':
        if (effect.afterDurable > node.durable) node.held.push(effect);
        else this.#underWay.push({ from: member, to: effect.to, message: effect.message });
        return;
      case 'deliver':
        if (effect.entry.slot !== node.deliveredUpTo + 1) throw new Error(`member ${member} skipped a slot`);
        node.deliveredUpTo = effect.entry.slot;
        return this.governance.onDelivered(member, effect.entry);
      case 'readReady': {
        const known = node.reads.get(effect.request.sequence) ?? 0;
        if (effect.readSlot < known)
          throw new Error(`member ${member} reads at ${effect.readSlot}, ${known} was known`);
        this.reads += 1;
        return;
      }
      case 'readLog':
        this.#readLog(member, effect);
        return;
      case 'event':
        if (effect.event.kind === 'becameLeader')
          this.governance.onLeader(effect.event, (voter) => this.nodes.get(voter)?.promised ?? 0);
        if (effect.event.kind !== 'configurationChanged') return;
        this.changes = Math.max(this.changes, effect.event.configuration.configId - 1);
        for (const { memberSlot } of effect.event.configuration.members)
          if (!this.nodes.has(memberSlot)) this.#start(memberSlot);
        return;
      default:
    }
  }

  #readLog(member: MemberSlot, { to, fromSlot }: Extract<Effect, { kind: 'readLog' }>): void {
    const { accepted } = this.nodes.get(member) as Node;
    const entries: Entry[] = [];
    for (let slot = fromSlot; entries.length < 8 && accepted.has(slot); slot++)
      entries.push(accepted.get(slot) as Entry);
    this.#later.push({ member, input: { kind: 'logRead', to, fromSlot, entries, snapshotSlot: 0 } });
  }

  #applyAll({ core, deliveredUpTo }: Node): void {
    if (core && core.status(0).appliedUpTo < deliveredUpTo)
      core.step({ kind: 'applied', upTo: deliveredUpTo }, this.nowMs);
  }

  #anyone(): MemberSlot {
    return [...this.nodes.keys()][this.#below(this.nodes.size)] as MemberSlot;
  }

  #below(end: number): number {
    return Math.floor(this.#random.draw() * end);
  }

  #chance(probability: number): boolean {
    return this.#random.draw() < probability;
  }
}
