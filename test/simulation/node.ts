/**
 * One simulated node: the real core under a runtime that obeys its effects as the product's does, on a simulated disk, with a
 * small replicated machine, and with clients that send their requests to this node.
 */
import type { MemberSlot, Slot } from '../../cluster-node/contract/ballot.ts';
import { type Configuration, type ConfigurationChange, votersOf } from '../../cluster-node/contract/configuration.ts';
import type { PeerMessage } from '../../cluster-node/contract/peer.ts';
import { PaxosCore } from '../../cluster-node/paxos/core.ts';
import type { CoreStatus, Effect, Input, RecoveredState } from '../../cluster-node/paxos/interface.ts';
import { majorityQuorums } from '../../cluster-node/paxos/quorum.ts';
import type { PaxosRules } from '../../cluster-node/paxos/rules.ts';
import { type HeldMessage, HeldMessages } from '../../cluster-node/runtime/held-messages.ts';
import { Backlog } from './backlog.ts';
import { Bounds } from './bounds.ts';
import { Clients } from './clients.ts';
import { Disk } from './disk.ts';
import { LogDisk } from './log-disk.ts';
import type { Random } from './random.ts';
import type { RegisterMachine } from './register-machine.ts';
import { Replica } from './replica.ts';
import type { SimulatedDisk } from './simulated-disk.ts';
import type { Snapshot } from './snapshot-files.ts';
import { Strain } from './strain.ts';
import type { World } from './world.ts';

export const HEARTBEAT_MS = 50;
export const ELECTION_TIMEOUT_MS = 500;
const TICK_MS = 10;
/** Applying a batch takes about this long. */
const APPLY_MS = 0.5;
/** A node tells its core how it does once in so many ticks. */
const TICKS_PER_HEALTH = 20;
const RESTART_MS = 50;
const FIRST_NODE_STREAM = 100;

export class SimulatedNode {
  readonly member: MemberSlot;
  disk: SimulatedDisk;
  readonly clients: Clients;
  readonly strain: Strain;
  readonly #backlog: Backlog;
  readonly #bounds = new Bounds();
  readonly replica: Replica;
  #world: World;
  #random: Random;
  #core: PaxosCore | null = null;
  #life = 0;
  /** Delivered by the core and not applied yet. */
  #delivered: Extract<Effect, { kind: 'deliver' }>[] = [];
  #durable = 0;
  /** Records that the fsync under way covers; 0 when there is none. */
  #syncing = 0;
  /** Tells fsyncs apart: a calmed disk ends the one under way soon. */
  #syncNumber = 0;
  #ticks = 0;
  #clock = { offsetMs: 0, rate: 1 };
  readonly #held = new HeldMessages();
  /** After so many more effects the node crashes, perhaps in the middle of a step; null: not planned. */
  #crashAfterEffects: number | null = null;
  #syncFails = false;
  #downForMs = 0;
  #hasLostDisk = false;
  #decidedApart = 0;

  constructor(world: World, member: MemberSlot) {
    this.#world = world;
    this.member = member;
    this.#random = world.stream(FIRST_NODE_STREAM + member);
    this.#backlog = new Backlog(world, this.#random, (input) => this.#give(input));
    this.disk = this.#newDisk();
    this.clients = new Clients(world, member);
    this.strain = new Strain(world);
    this.replica = new Replica({
      world,
      member,
      disk: () => this.disk,
      diskMs: () => this.strain.diskMs,
      later: (meanMs, run) => this.#backlog.later(meanMs, run),
      give: (input) => this.#give(input),
    });
    world.receivers.set(member, this);
  }

  get hasLostDisk(): boolean {
    return this.#hasLostDisk;
  }

  get isUp(): boolean {
    return this.#core !== null;
  }

  get machine(): RegisterMachine {
    return this.replica.machine;
  }

  /** Everything up to this slot is known to be decided here. */
  get decidedUpTo(): number {
    return this.#delivered.at(-1)?.entry.slot ?? this.machine.appliedUpTo;
  }

  start(): void {
    const { checker, control, mix } = this.#world;
    if (this.isUp || (this.#hasLostDisk && !control.amnesiacsVote)) return;
    const isFirst = this.#life === 0 || this.#hasLostDisk;
    this.#hasLostDisk = false;
    const onDisk = this.#recover();
    // The log is read and settled; then, if all snapshots were lost, one is fetched before anything else.
    if (this.replica.hasGap && !this.replica.closeGap()) return this.#world.after(RESTART_MS, () => this.start());
    this.#life += 1;
    this.#durable = 0;
    this.clients.reset(this.#life);
    this.#clock = {
      offsetMs: this.#random.between(0, 1e6),
      rate: 1 + mix.driftRatio * this.#random.between(-0.5, 0.5),
    };
    if (mix.driftRatio > 0) this.#world.count('clockDrift');
    checker.onRestart(this.member);
    const { recovered, configuration } = this.replica.restart(control.recovered(onDisk, this.disk.firstSlot));
    const options = {
      self: this.member,
      configuration,
      heartbeatMs: HEARTBEAT_MS,
      electionTimeoutMs: ELECTION_TIMEOUT_MS,
      seed: this.#random.integer(0, 0x7fffffff),
      maxUndecidedSlots: control.isUnbounded ? Number.MAX_SAFE_INTEGER : mix.maxUndecidedSlots,
      maxUndecidedBytes: control.isUnbounded ? Number.MAX_SAFE_INTEGER : mix.maxUndecidedBytes,
      maxBatchBytes: mix.maxBatchBytes,
      memorySlots: mix.memorySlots,
      leaseReads: mix.leaseReads,
    };
    this.#core = new PaxosCore(options, isFirst ? null : recovered, this.#rules());
    this.#tick(this.#life);
  }

  crashAfter(effects: number, downForMs: number): void {
    this.#crashAfterEffects = effects;
    this.#downForMs = downForMs;
  }

  /** The process stands still; what comes meanwhile is taken afterwards. */
  pause(ms: number): void {
    this.#backlog.pause(ms);
  }

  /** The process dies of it: what is on disk is not known any more. */
  failNextSync(downForMs: number): void {
    this.#syncFails = true;
    this.#downForMs = downForMs;
  }

  /** Its disk is gone for good. It must never vote again under this name, so it does not start again. */
  loseDisk(): void {
    this.#hasLostDisk = true;
    this.#downForMs = RESTART_MS;
    if (this.isUp) this.#crash();
    this.disk = this.#newDisk();
    this.replica.forget();
  }

  /** Nothing befalls this node any more. */
  calm(): void {
    this.#crashAfterEffects = null;
    this.#syncFails = false;
    this.strain.calm();
    this.#backlog.calm();
    if (this.#syncing > 0) this.#endSyncAfter(this.#random.gap(this.strain.diskMs));
  }

  receive(from: MemberSlot, message: PeerMessage): void {
    this.#give({ kind: 'message', from, message });
  }

  snapshot(): Snapshot | null {
    return this.isUp ? this.replica.snapshots.newest : null;
  }

  hintLink(member: MemberSlot, up: boolean): void {
    this.#give({ kind: 'link', member, up });
  }

  transfer(target: MemberSlot): void {
    this.#give({ kind: 'transfer', target });
  }

  reconfigure(change: ConfigurationChange): void {
    this.#give({ kind: 'reconfigure', change });
  }

  /** A client sends a value to this node. */
  write(key: number, fillBytes: number): void {
    if (this.isUp) this.#give({ kind: 'propose', ...this.clients.write(key, fillBytes) });
  }

  read(key: number): void {
    if (this.isUp) this.#give({ kind: 'read', request: this.clients.read(key) });
  }

  status(): CoreStatus | null {
    return this.#core?.status(this.#localMs()) ?? null;
  }

  #rules(): PaxosRules {
    const { control, checker } = this.#world;
    if (!control.countsByEarlierConfiguration) return control.rules;
    const earlier = ({ configId }: Configuration) => votersOf(checker.votes.configurationBefore(configId));
    return { ...control.rules, voters: earlier, quorums: majorityQuorums };
  }

  #newDisk(): SimulatedDisk {
    return this.#world.mix.hasRealLog ? new LogDisk() : new Disk(this.#world.control);
  }

  #localMs(): number {
    return this.#clock.offsetMs + this.#world.nowMs * this.#clock.rate;
  }

  #recover(): RecoveredState {
    const recovered = this.disk.recover();
    return this.#world.control.decidedApart ? { ...recovered, decidedUpTo: this.#decidedApart } : recovered;
  }

  #crash(): void {
    const { checker, isCalm } = this.#world;
    const { unsyncedCount } = this.disk;
    const lucky = this.disk.crash(this.#random);
    for (const { record } of lucky) if (record !== null) checker.onDurable(this.member, record);
    this.#world.count('crash');
    if (lucky.length > 0 && lucky.length < unsyncedCount) this.#world.count('tornWrite');
    this.#world.tell(() => `${this.member} is down; ${unsyncedCount - lucky.length} records lost`);
    this.#core = null;
    this.#held.clear();
    this.#delivered = [];
    this.#syncing = 0;
    this.#syncFails = false;
    this.#backlog.clear();
    this.#crashAfterEffects = null;
    this.clients.reset(this.#life);
    if (isCalm) return;
    this.#world.after(this.#downForMs, () => {
      if (!this.#world.isCalm) this.start();
    });
  }

  #tick(life: number): void {
    if (life !== this.#life || !this.isUp) return;
    this.#give({ kind: 'tick' });
    if (this.#ticks++ % TICKS_PER_HEALTH === 0) this.#onHealthDue();
    if (!this.#world.isCalm) for (const request of this.clients.giveUp()) this.#give({ kind: 'abandon', request });
    this.#world.after(TICK_MS, () => this.#tick(life));
  }

  #onHealthDue(): void {
    const { mix } = this.#world;
    const status = this.status();
    if (status !== null) this.#bounds.check(status, this.#held.count, mix.maxUndecidedSlots);
    if (mix.tellsHealth) this.#give({ kind: 'health', health: this.strain.health });
  }

  #give(input: Input): void {
    const { nowMs, trace } = this.#world;
    if (this.#core === null || this.#backlog.keeps(input)) return;
    if (input.kind === 'snapshotInstalled') this.#install(input.slot);
    // A crash that was due in the middle of that.
    if (this.#core === null) return;
    const effects = this.#core.step(input, this.#localMs());
    trace.step(this.member, nowMs, input, effects);
    for (const effect of effects) {
      if (this.#crashAfterEffects !== null && this.#crashAfterEffects-- <= 0) return this.#crash();
      this.#obey(effect);
    }
    this.#startSync();
  }

  #obey(effect: Effect): void {
    const { checker, control } = this.#world;
    switch (effect.kind) {
      case 'persist':
        checker.onPersist(this.member, effect.record);
        if (effect.record.kind === 'decided') this.#decidedApart = effect.record.upTo;
        return this.disk.write(effect.sequence, control.persists(effect.record) ? effect.record : null);
      case 'send':
        if (effect.afterDurable <= this.#durable) return this.#send(effect);
        return this.#held.hold(effect);
      case 'deliver':
        return this.#deliver(effect);
      case 'readReady':
        return this.clients.onReadReady(effect.request, effect.readSlot, this.machine);
      case 'refuse':
        return this.clients.onRefused(effect.request, effect.reason);
      case 'readLog': {
        const { to, fromSlot, maxBytes } = effect;
        return this.#backlog.later(this.strain.diskMs, () => this.#readLog({ to, fromSlot, maxBytes }));
      }
      case 'fetchSnapshot':
        return this.replica.fetch(effect.from, effect.slot);
      case 'lost':
        return this.clients.onLost(effect.request);
      case 'event':
        if (effect.event.kind === 'handingOver') this.#world.count('handOver');
        return this.#world.tell(() => `${this.member}: ${JSON.stringify(effect.event)}`);
    }
  }

  /** A damaged entry that no snapshot covers ends the process: the next start tells what is damaged, and it is repaired. */
  #readLog({ to, fromSlot, maxBytes }: { to: MemberSlot; fromSlot: Slot; maxBytes: number }): void {
    const isTrimmed = fromSlot < this.disk.firstSlot;
    const entries = isTrimmed ? [] : this.disk.read(fromSlot, maxBytes);
    const newest = this.replica.snapshots.newest?.slot ?? 0;
    if (entries !== null || newest >= fromSlot) {
      const found = entries ?? [];
      return this.#give({ kind: 'logRead', to, fromSlot, entries: found, snapshotSlot: found.length > 0 ? 0 : newest });
    }
    this.#downForMs = RESTART_MS;
    this.#crash();
    if (this.#world.isCalm) this.#world.after(RESTART_MS, () => this.start());
  }

  #send({ to, message }: Pick<HeldMessage, 'to' | 'message'>): void {
    const { checker, network } = this.#world;
    checker.onSend(this.member, message);
    if (message.kind === 'prepare') checker.onProposer(message.ballot, this.member, this.#life);
    network.send(this.member, to, message);
  }

  #startSync(): void {
    if (this.#core === null || this.#syncing > 0 || this.disk.unsyncedCount === 0) return;
    this.#syncing = this.disk.unsyncedCount;
    this.#endSyncAfter(this.#random.gap(this.strain.diskMs));
  }

  #endSyncAfter(ms: number): void {
    const life = this.#life;
    const number = ++this.#syncNumber;
    this.#world.after(ms, () => {
      if (life === this.#life && this.isUp && number === this.#syncNumber) this.#onSynced();
    });
  }

  #onSynced(): void {
    const { checker } = this.#world;
    const { fullForMs } = this.strain;
    if (this.#syncFails) {
      this.#world.count('syncError');
      return this.#crash();
    }
    if (fullForMs > 0) {
      this.#world.count('diskFull');
      return this.#endSyncAfter(fullForMs);
    }
    const count = this.#syncing;
    this.#syncing = 0;
    for (const { sequence, record } of this.disk.sync(count)) {
      if (record !== null) checker.onDurable(this.member, record);
      this.#durable = sequence;
    }
    for (const message of this.#held.release(this.#durable)) this.#send(message);
    this.#give({ kind: 'durable', upTo: this.#durable });
    this.#startSync();
  }

  #deliver(effect: Extract<Effect, { kind: 'deliver' }>): void {
    this.#world.checker.onDeliver(this.member, effect.entry, this.decidedUpTo);
    this.#delivered.push(effect);
    if (this.#delivered.length === 1) this.#backlog.later(APPLY_MS, () => this.#apply());
  }

  /** Executes everything delivered so far: clients of this node get their answers. */
  #apply(): void {
    const { checker } = this.#world;
    const delivered = this.#delivered;
    this.#delivered = [];
    for (const { entry } of delivered) {
      const request = this.replica.apply(entry);
      if (request === null) continue;
      checker.onCarriedOut(request, entry.slot);
      this.clients.onApplied(request, entry.slot);
    }
    this.clients.answerReads(this.machine);
    this.#give({ kind: 'applied', upTo: this.machine.appliedUpTo });
  }

  /**
   * The machine skips to the snapshot in the moment in which the core does. The product executes what is delivered at once, so
   * nothing of it may be left: its clients would never hear of it.
   */
  #install(slot: Slot): void {
    const { decidedUpTo } = this;
    if (slot > decidedUpTo && this.#delivered.length > 0) this.#apply();
    this.replica.install(decidedUpTo);
    this.clients.answerReads(this.machine);
  }
}
