/**
 * One simulated node: the real core under a runtime that obeys its effects as the product's does, on a simulated disk, with a
 * state machine that only remembers what it applied, and with clients that send requests to this node.
 */
import type { MemberSlot, Slot } from '../../cluster-node/contract/ballot.ts';
import { firstConfiguration } from '../../cluster-node/contract/configuration.ts';
import type { Entry, PeerMessage, RequestId } from '../../cluster-node/contract/peer.ts';
import { PaxosCore } from '../../cluster-node/paxos/core.ts';
import { exampleMember } from '../../cluster-node/paxos/member-example.ts';
import type { CoreOptions, CoreStatus, Effect, Input } from '../../cluster-node/paxos/interface.ts';
import { Disk } from './disk.ts';
import type { Receiver, World } from './world.ts';

const HEARTBEAT_MS = 50;
export const ELECTION_TIMEOUT_MS = 500;
const TICK_MS = 10;
/** Clients give up after this long in the safety phase. */
const CLIENT_TIMEOUT_MS = 3000;

interface Waiting {
  readonly request: RequestId;
  readonly value: Uint8Array | null;
  readonly visibleAtInvocation: Slot;
  readonly bornAtMs: number;
  /** Set once a read may be answered at that applied slot. */
  readSlot: Slot | null;
}

export class SimulatedNode implements Receiver {
  readonly member: MemberSlot;
  readonly disk = new Disk();
  readonly waiting = new Map<number, Waiting>();
  acknowledged = 0;
  readsAnswered = 0;
  /** Requests of the liveness phase that were given back for want of a leader. */
  refusedInCalm = 0;
  /** After so many more effects the node crashes, perhaps in the middle of a step; null: not planned. */
  crashAfterEffects: number | null = null;
  #world: World;
  #core: PaxosCore | null = null;
  #life = 0;
  #sequence = 0;
  #delivered: Slot = 0;
  /** Slots delivered here that hold a request of this life of this node. */
  #ownDelivered: { readonly sequence: number; readonly slot: Slot }[] = [];
  #applied: Slot = 0;
  #durable = 0;
  #isSyncing = false;
  #pausedUntilMs = 0;
  #clockOffsetMs = 0;
  #held: Extract<Effect, { kind: 'send' }>[] = [];

  constructor(world: World, member: MemberSlot) {
    this.#world = world;
    this.member = member;
    world.receivers.set(member, this);
  }

  get isUp(): boolean {
    return this.#core !== null;
  }

  start(): void {
    const { random, checker, control, mix, members } = this.#world;
    const isFirst = this.#life === 0;
    const recovered = control.recovered(this.disk.recover());
    this.#life += 1;
    this.#sequence = 0;
    this.#durable = 0;
    this.#clockOffsetMs = random.between(0, 1e6);
    checker.onRestart(this.member, this.disk);
    for (let slot = 1; slot <= recovered.decidedUpTo; slot++)
      checker.onReplay(this.member, this.disk.accepted.get(slot), slot);
    this.#delivered = this.#applied = recovered.decidedUpTo;
    const options: CoreOptions = {
      self: this.member,
      configuration: firstConfiguration(members.map(exampleMember)),
      heartbeatMs: HEARTBEAT_MS,
      electionTimeoutMs: ELECTION_TIMEOUT_MS,
      seed: random.integer(0, 0x7fffffff),
      maxUndecidedSlots: mix.maxUndecidedSlots,
      maxBatchBytes: mix.maxBatchBytes,
      memorySlots: mix.memorySlots,
    };
    this.#core = new PaxosCore(options, isFirst ? null : recovered, control.rules);
    this.#tick(this.#life);
  }

  crash(): void {
    const { random, checker } = this.#world;
    for (const { record } of this.disk.crash(random)) checker.onDurable(this.member, record);
    this.#core = null;
    this.#held = [];
    this.#isSyncing = false;
    this.#pausedUntilMs = 0;
    this.crashAfterEffects = null;
    this.waiting.clear();
    this.#ownDelivered = [];
  }

  /** The process stands still; what comes meanwhile is taken afterwards. */
  pause(ms: number): void {
    this.#pausedUntilMs = this.#world.nowMs + ms;
  }

  receive(from: MemberSlot, message: PeerMessage): void {
    this.#give({ kind: 'message', from, message });
  }

  hintLink(member: MemberSlot, up: boolean): void {
    this.#give({ kind: 'link', member, up });
  }

  transfer(target: MemberSlot): void {
    this.#give({ kind: 'transfer', target });
  }

  /** A client sends a value to this node. */
  propose(): void {
    const request = this.#nextRequest();
    const { random, mix } = this.#world;
    const value = new Uint8Array(12 + random.integer(0, mix.maxValueBytes));
    new DataView(value.buffer).setUint32(0, this.member);
    new DataView(value.buffer).setUint32(4, this.#life);
    new DataView(value.buffer).setUint32(8, request.sequence);
    this.#wait(request, value);
    this.#give({ kind: 'propose', request, value });
  }

  read(): void {
    const request = this.#nextRequest();
    this.#wait(request, null);
    this.#give({ kind: 'read', request });
  }

  status(): CoreStatus | null {
    return this.#core?.status(this.#world.nowMs + this.#clockOffsetMs) ?? null;
  }

  #nextRequest(): RequestId {
    this.#sequence += 1;
    return { origin: this.member, boot: this.#life, sequence: this.#sequence };
  }

  #wait(request: RequestId, value: Uint8Array | null): void {
    if (!this.isUp) return;
    const { checker, nowMs } = this.#world;
    const visibleAtInvocation = checker.visibleUpTo;
    this.waiting.set(request.sequence, { request, value, visibleAtInvocation, bornAtMs: nowMs, readSlot: null });
  }

  #tick(life: number): void {
    if (life !== this.#life || !this.isUp) return;
    this.#give({ kind: 'tick' });
    if (!this.#world.isCalm) this.#giveUpOldRequests();
    this.#world.after(TICK_MS, () => this.#tick(life));
  }

  #giveUpOldRequests(): void {
    for (const { request, bornAtMs } of this.waiting.values()) {
      if (this.#world.nowMs - bornAtMs < CLIENT_TIMEOUT_MS) return;
      this.waiting.delete(request.sequence);
      this.#give({ kind: 'abandon', request });
    }
  }

  #give(input: Input): void {
    const { nowMs, trace } = this.#world;
    if (this.#core === null) return;
    if (nowMs < this.#pausedUntilMs) {
      const life = this.#life;
      const resume = () => life === this.#life && this.#give(input);
      return this.#world.after(this.#pausedUntilMs - nowMs, resume);
    }
    const effects = this.#core.step(input, nowMs + this.#clockOffsetMs);
    trace.step(this.member, nowMs, input, effects);
    for (const effect of effects) {
      if (this.crashAfterEffects !== null && this.crashAfterEffects-- <= 0) return this.crash();
      this.#obey(effect);
    }
    this.#startSync();
  }

  #obey(effect: Effect): void {
    const { checker, control } = this.#world;
    switch (effect.kind) {
      case 'persist':
        checker.onPersist(this.member, effect.record);
        return this.disk.write(effect.sequence, effect.record);
      case 'send':
        if (effect.afterDurable <= this.#durable || control.sendsEarly) return this.#send(effect);
        this.#held.push(effect);
        return;
      case 'deliver':
        return this.#deliver(effect.entry);
      case 'readReady':
        return this.#onReadReady(effect.request, effect.readSlot);
      case 'refuse':
        return this.#onRefused(effect);
      case 'readLog': {
        const { to, fromSlot, maxBytes } = effect;
        const give = () =>
          this.#give({ kind: 'logRead', to, fromSlot, entries: this.disk.read(fromSlot, maxBytes), snapshotSlot: 0 });
        return this.#later(this.#world.mix.syncMsMean, give);
      }
      case 'event':
        return this.#world.trace.tell(
          () => `${this.#world.nowMs.toFixed(1)} ${this.member}: ${JSON.stringify(effect.event)}`,
        );
    }
  }

  #send(effect: Extract<Effect, { kind: 'send' }>): void {
    const { checker } = this.#world;
    checker.onSend(this.member, effect.message, this.disk);
    if (effect.message.kind === 'prepare') checker.onProposer(effect.message.ballot, this.member, this.#life);
    this.#world.send(this.member, effect.to, effect.message);
  }

  #startSync(): void {
    if (this.#core === null || this.#isSyncing || !this.disk.hasUnsynced) return;
    this.#isSyncing = true;
    const count = this.disk.writtenCount;
    this.#later(this.#world.mix.syncMsMean, () => this.#onSynced(count));
  }

  #onSynced(count: number): void {
    this.#isSyncing = false;
    for (const { sequence, record } of this.disk.sync(count)) {
      this.#world.checker.onDurable(this.member, record);
      this.#durable = sequence;
    }
    const held = this.#held;
    this.#held = [];
    for (const effect of held) {
      if (effect.afterDurable <= this.#durable) this.#send(effect);
      else this.#held.push(effect);
    }
    this.#give({ kind: 'durable', upTo: this.#durable });
    this.#startSync();
  }

  #deliver(entry: Entry): void {
    this.#world.checker.onDeliver(this.member, entry, this.#delivered);
    this.#delivered = entry.slot;
    this.#noteOwn(entry);
    this.#later(0.5, () => this.#apply());
  }

  #noteOwn({ value, slot }: Entry): void {
    if (value.length === 0) return;
    const header = new DataView(value.buffer, value.byteOffset);
    if (header.getUint32(0) !== this.member || header.getUint32(4) !== this.#life) return;
    this.#ownDelivered.push({ sequence: header.getUint32(8), slot });
  }

  /** Executes everything delivered so far: clients of this node get their answers. */
  #apply(): void {
    if (this.#applied === this.#delivered) return;
    this.#applied = this.#delivered;
    for (const { sequence, slot } of this.#ownDelivered.splice(0)) {
      if (!this.waiting.delete(sequence)) continue;
      this.acknowledged += 1;
      this.#world.checker.onVisible(slot);
    }
    for (const waiting of this.waiting.values())
      if (waiting.readSlot !== null) this.#answerRead(waiting, waiting.readSlot);
    this.#give({ kind: 'applied', upTo: this.#applied });
  }

  #onReadReady(request: RequestId, readSlot: Slot): void {
    const waiting = this.waiting.get(request.sequence);
    if (waiting === undefined || request.boot !== this.#life) return;
    this.#world.checker.onRead(this.member, readSlot, waiting.visibleAtInvocation);
    waiting.readSlot = readSlot;
    this.#answerRead(waiting, readSlot);
  }

  #answerRead(waiting: Waiting, readSlot: Slot): void {
    if (this.#applied < readSlot) return;
    this.waiting.delete(waiting.request.sequence);
    this.readsAnswered += 1;
    this.#world.checker.onVisible(this.#applied);
  }

  #onRefused(effect: Extract<Effect, { kind: 'refuse' }>): void {
    const waiting = this.waiting.get(effect.request.sequence);
    this.waiting.delete(effect.request.sequence);
    if (waiting?.value) this.#world.checker.onRefused(waiting.value);
    if (effect.reason === 'noLeader' && waiting !== undefined && waiting.bornAtMs >= this.#world.calmSinceMs)
      this.refusedInCalm += 1;
  }

  #later(meanMs: number, run: () => void): void {
    const life = this.#life;
    this.#world.after(this.#world.random.gap(this.#world.isCalm ? Math.min(meanMs, 1) : meanMs), () => {
      if (life === this.#life && this.isUp) run();
    });
  }
}
