/** One node of a scenario: the real core, the product's log over bytes in memory, and a machine that remembers what it applied. */
import type { MemberSlot, Slot } from '../../cluster-node/contract/ballot.ts';
import {
  type Configuration,
  decodeConfiguration,
  isConfigurationValue,
} from '../../cluster-node/contract/configuration.ts';
import type { Entry } from '../../cluster-node/contract/peer.ts';
import { PaxosCore } from '../../cluster-node/paxos/core.ts';
import type { CoreEvent, CoreStatus, Effect, Input } from '../../cluster-node/paxos/interface.ts';
import { exampleMember } from '../../cluster-node/paxos/under-test/member-example.ts';
import { checkBirth } from '../../cluster-node/storage/birth.ts';
import { LogDisk } from '../simulation/log-disk.ts';
import { Random } from '../simulation/random.ts';
import { ScenarioClients } from './clients.ts';
import { EMPTY_MACHINE, executed, type Machine } from './machine.ts';
import { entryWords, eventWords, recordWords, recoveredWords, statusWords, textOf } from './narration.ts';
import type { ScenarioCluster } from './scenario-cluster.ts';

type Send = Extract<Effect, { kind: 'send' }>;

interface Snapshot {
  readonly machine: Machine;
  readonly configuration: Configuration;
}

/** A crash without luck: nothing that was not synced survives. */
class NoLuck extends Random {
  override chance(): boolean {
    return false;
  }
}

export class ScenarioNode {
  readonly member: MemberSlot;
  /** Its timers fired in this life. */
  hasTicked = false;
  #cluster: ScenarioCluster;
  #core: PaxosCore | null = null;
  #disk = new LogDisk();
  #life = 0;
  #hasLostDisk = false;
  #isHeld = false;
  #isFull = false;
  /** What came since its process stands still; null while it runs. */
  #frozen: Input[] | null = null;
  #durable = 0;
  #unsent: Send[] = [];
  #machine = EMPTY_MACHINE;
  #snapshot: Snapshot | null = null;
  #clients: ScenarioClients;

  constructor(cluster: ScenarioCluster, member: MemberSlot) {
    this.#cluster = cluster;
    this.member = member;
    this.#clients = new ScenarioClients((text) => this.#say(text));
  }

  get isUp(): boolean {
    return this.#core !== null;
  }

  get snapshot(): Snapshot | null {
    return this.#snapshot;
  }

  /** null while it is down. */
  status(): CoreStatus | null {
    return this.#core?.status(this.#cluster.nowMs) ?? null;
  }

  statusWords(): string {
    const status = this.status();
    return status === null ? 'is down' : statusWords(status);
  }

  get isContent(): boolean {
    return this.#frozen === null && (this.status()?.believedLeader ?? 0) > 0;
  }

  start(): void {
    if (this.isUp) throw new Error(`node ${this.member} runs`);
    if (this.#hasLostDisk) return this.#refuseToStart();
    const { options, rules } = this.#cluster;
    const isFirst = this.#life++ === 0;
    const recovered = isFirst ? null : this.#disk.recover();
    if (recovered !== null) this.#say(`starts: ${recoveredWords(recovered)}`);
    const configuration = this.#replay(recovered?.decidedUpTo ?? 0);
    const seed = options.seed + this.#life;
    this.#core = new PaxosCore({ ...options, seed, configuration, self: this.member }, recovered, rules);
  }

  crash(): void {
    this.#disk.crash(new NoLuck(0));
    this.#core = null;
    this.hasTicked = false;
    this.#durable = 0;
    this.#unsent = [];
    this.#clients.forget();
  }

  propose(text: string): void {
    const request = { origin: this.member, boot: this.#life, sequence: this.#clients.write(text) };
    this.give({ kind: 'propose', request, value: new TextEncoder().encode(text) });
  }

  read(): void {
    this.give({ kind: 'read', request: { origin: this.member, boot: this.#life, sequence: this.#clients.read() } });
  }

  holdDisk(): void {
    this.#isHeld = true;
  }

  releaseDisk(): void {
    this.#isHeld = false;
    if (this.#disk.unsyncedCount > 0) this.sync();
  }

  /** Everything written becomes durable, and what waited for that leaves. */
  sync(): void {
    if (this.#core === null || this.#isFull) return;
    const synced = this.#disk.sync(this.#disk.unsyncedCount);
    const last = synced.at(-1);
    if (last === undefined) return;
    this.#durable = last.sequence;
    this.#send();
    this.give({ kind: 'durable', upTo: this.#durable });
  }

  fillDisk(isFull: boolean): void {
    this.#isFull = isFull;
    this.give({ kind: 'health', health: { syncMs: 1, loopLagMs: 1, isDiskFull: isFull } });
    if (!isFull) this.sync();
  }

  addLearner(): void {
    const { nextMemberSlot } = (this.status() as CoreStatus).configuration;
    const { memberSlot: _, ...member } = exampleMember(nextMemberSlot);
    this.give({ kind: 'reconfigure', change: { kind: 'addLearner', member } });
  }

  change(kind: 'promote' | 'remove', memberSlot: MemberSlot): void {
    this.give({ kind: 'reconfigure', change: { kind, memberSlot } });
  }

  rot(slot: Slot): void {
    this.#disk.damage(slot, 'bitRot', new Random(slot));
  }

  loseDisk(): void {
    if (this.isUp) this.crash();
    this.#disk = new LogDisk();
    this.#hasLostDisk = true;
  }

  takeSnapshot(): void {
    this.#snapshot = { machine: this.#machine, configuration: (this.status() as CoreStatus).configuration };
    this.#say(`has a snapshot of everything up to slot ${this.#machine.appliedUpTo}, and a log that begins after it`);
  }

  tick(): void {
    if (this.#frozen !== null) return;
    this.hasTicked = true;
    this.give({ kind: 'tick' });
  }

  freeze(): void {
    this.#frozen ??= [];
  }

  /** It goes on as if no time had passed. */
  thaw(): void {
    const missed = this.#frozen ?? [];
    this.#frozen = null;
    for (const input of missed) this.give(input);
  }

  give(input: Input): void {
    if (this.#frozen === null) this.#cluster.give(this, input);
    else this.#frozen.push(input);
  }

  /** One step of the core, and what it asks for, in order. */
  step(input: Input): void {
    if (this.#core === null) return;
    const effects = this.#core.step(input, this.#cluster.nowMs);
    this.#tell(effects);
    for (const effect of effects) this.#obey(effect);
    if (!this.#isHeld && !this.#isFull) this.sync();
    this.#send();
    this.#clients.answerReads(this.#machine);
  }

  /** In the order in which it happens, but everything written, and everything decided, in one line. */
  #tell(effects: readonly Effect[]): void {
    const lines = new Map<string, string[]>();
    const add = (verb: string, words: string) => lines.set(verb, [...(lines.get(verb) ?? []), words]);
    for (const effect of effects) {
      if (effect.kind === 'persist' && (this.#cluster.isVerbose || effect.record.kind !== 'decided'))
        add('writes', recordWords(effect.record));
      if (effect.kind === 'deliver') add('decides', entryWords(effect.entry));
      if (effect.kind === 'event' && !this.#isSelfEvident(effect.event)) lines.set(eventWords(effect.event), []);
    }
    const waits = this.#isFull ? '   (no space)' : this.#isHeld ? '   (not synced)' : '';
    for (const [verb, what] of lines)
      this.#say(`${[verb, what.join(', ')].join(' ').trimEnd()}${verb === 'writes' ? waits : ''}`);
  }

  /** A leader follows itself. */
  #isSelfEvident(event: CoreEvent): boolean {
    return event.kind === 'leaderChanged' && event.leader === this.member;
  }

  #obey(effect: Effect): void {
    switch (effect.kind) {
      case 'send':
        this.#unsent.push(effect);
        return;
      case 'persist':
        return this.#disk.write(effect.sequence, effect.record);
      case 'deliver':
        return this.#apply(effect.entry);
      case 'readReady':
        return this.#clients.onReadReady(effect.readSlot);
      case 'refuse':
        return this.#clients.tell(`refused, ${effect.reason}`);
      case 'lost':
        return this.#clients.tell('nobody knows whether it was done');
      case 'readLog':
        return this.#readLog(effect);
      case 'fetchSnapshot':
        return this.#fetchSnapshot(effect.from);
      default:
    }
  }

  /** Whatever need not wait for the disk any more. */
  #send(): void {
    const isFree = ({ afterDurable }: Send) => afterDurable <= this.#durable;
    const free = this.#unsent.filter(isFree);
    this.#unsent = this.#unsent.filter((send) => !isFree(send));
    this.#cluster.send(free.map(({ to, message }) => ({ from: this.member, to, message })));
  }

  #apply(entry: Entry): void {
    const { slot, value } = entry;
    this.#cluster.onDecided(slot, entryWords(entry));
    this.#machine = executed(this.#machine, slot, value);
    this.#clients.onApplied(textOf(value));
    this.give({ kind: 'applied', upTo: slot });
  }

  /** A log that cannot be read ends the process: the next start tells what is damaged. */
  #readLog({ to, fromSlot, maxBytes }: Extract<Effect, { kind: 'readLog' }>): void {
    const upTo = this.#snapshot?.machine.appliedUpTo ?? 0;
    const snapshotSlot = fromSlot <= upTo ? upTo : 0;
    const entries = snapshotSlot > 0 ? [] : this.#disk.read(fromSlot, maxBytes);
    if (entries !== null) return this.give({ kind: 'logRead', to, fromSlot, entries, snapshotSlot });
    this.#say(`cannot read slot ${fromSlot} of its log and stops`);
    this.crash();
  }

  #fetchSnapshot(from: MemberSlot): void {
    const source = this.#cluster.node(from);
    const { snapshot } = source;
    if (snapshot === null || !source.isUp || this.#cluster.wires.isCut(from, this.member)) return;
    const { machine, configuration } = snapshot;
    const { appliedUpTo: slot, state } = machine;
    this.#say(`fetches the snapshot at slot ${slot} from ${from}: the state is "${state}"`);
    this.#machine = machine;
    this.#snapshot = snapshot;
    this.give({ kind: 'snapshotInstalled', slot, configuration });
  }

  /** Executes its own log; the configuration in force after it. */
  #replay(upTo: Slot): Configuration {
    let { configuration } = this.#cluster.options;
    this.#machine = EMPTY_MACHINE;
    for (let slot = 1; slot <= upTo; slot++) {
      const { value } = this.#disk.entry(slot) as Entry;
      this.#machine = executed(this.#machine, slot, value);
      if (!isConfigurationValue(value)) continue;
      const next = decodeConfiguration(value);
      if (next.configId === configuration.configId + 1) configuration = next;
    }
    return configuration;
  }

  #refuseToStart(): void {
    const birth = { nodeId: `n-${this.member}`, incarnation: 'first', bornAtUnixMs: 0 };
    try {
      checkBirth(birth, 'data', null);
    } catch (error) {
      this.#say(`REFUSES TO START: ${(error as Error).message}`);
    }
  }

  #say(text: string): void {
    this.#cluster.say(this.member, ` ${text}`);
  }
}
