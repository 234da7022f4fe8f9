/**
 * A running node: the pure core (paxos/) between a disk (storage/), the other nodes (peer/), the replicated machine
 * (machine/) and clients (api/). Everything happens on one thread: whatever comes in becomes an input of the core, the core
 * answers with effects, and runtime/core-loop.ts obeys them. This file wires the parts and owns their order of birth and
 * death: the log is read and executed before the node speaks to anyone, and synced after it has fallen silent.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { AdminHandlers, AdminServer } from './api/admin.ts';
import { type ClientServer, createClientServer } from './api/client-server.ts';
import type { MemberSlot, Slot } from './contract/ballot.ts';
import type { MemberAddress } from './contract/node-config.ts';
import type { Hello } from './peer/codec.ts';
import { LinkFilter } from './peer/link-filter.ts';
import { Transport } from './peer/transport.ts';
import type { CoreEvent, Input } from './paxos/interface.ts';
import { adminHandlers } from './runtime/admin-handlers.ts';
import { Alarms } from './runtime/alarms.ts';
import { bootClock } from './runtime/boot-clock.ts';
import { ClientPort } from './runtime/client-port.ts';
import { CoreLoop } from './runtime/core-loop.ts';
import { createCore } from './runtime/create-core.ts';
import { Door } from './runtime/door.ts';
import { bestSuccessor, Handover } from './runtime/handover.ts';
import { HealthWatch } from './runtime/health-watch.ts';
import { explainListen } from './net/listen.ts';
import { Journal } from './runtime/journal.ts';
import type { KnownDisks } from './runtime/known-disks.ts';
import type { LoadedConfig } from './runtime/load-config.ts';
import type { Membership } from './runtime/membership.ts';
import { PendingCalls } from './runtime/pending.ts';
import { Reconfiguring } from './runtime/reconfiguring.ts';
import type { RecoveredNode } from './runtime/recover.ts';
import { type NodeMeters, nodeSample } from './runtime/sample.ts';
import type { Snapshots } from './runtime/snapshots.ts';
import { digestFrame } from './runtime/state-audit.ts';
import { StateKeeper } from './runtime/state-keeper.ts';
import { VERSION } from './runtime/version.ts';
import { damagesInWords } from './storage/log/damage.ts';
import type { EntryDamagedError } from './storage/errors.ts';
import type { SnapshotInfo } from './storage/snapshot-file.ts';
import type { Storage } from './storage/storage.ts';

/** Records in memory that wait for a slow or full disk; past it nothing that would add to them is taken in. */
const MAX_UNSYNCED_BYTES = 64 * 1024 * 1024;
const HANDOVER_ON_STOP_MS = 1000;
const CLIENT_GRACE_MS = 500;
/** The core wants at least five ticks a heartbeat. */
const TICKS_PER_HEARTBEAT = 5;
/** Well under a millisecond of work: what compactions leave behind goes without being felt. */
const SWEPT_VERSIONS_PER_TICK = 1000;
/** Removed members are let go of by and by. */
const REACH_AGAIN_MS = 60_000;
const BOOT_BITS = 48;

export interface NodeParts {
  readonly loaded: LoadedConfig;
  readonly storage: Storage;
  readonly recovered: RecoveredNode;
  readonly membership: Membership;
  readonly snapshots: Snapshots;
  readonly disks: KnownDisks;
  readonly hello: Hello;
  readonly meters: NodeMeters;
  /** Listens already. */
  readonly admin: AdminServer;
  readonly logger: Logger;
  /** This node's state is not the majority's and must be built again in a new life; snapshots above the slot are in doubt. */
  readonly onStateDiverged: (reason: string, trustedUpTo: Slot) => void;
  readonly onEntryDamaged: (error: EntryDamagedError) => void;
  readonly onTicked: () => void;
}

export class SynodNode {
  /** Names this life of the node. */
  readonly #boot = randomInt(1, 2 ** BOOT_BITS - 1);
  readonly #parts: NodeParts;
  readonly #self: MemberAddress;
  readonly #journal: Journal;
  readonly alarms: Alarms;
  readonly #filter: LinkFilter;
  readonly #transport: Transport;
  readonly #state: StateKeeper;
  readonly #pending: PendingCalls;
  readonly #door: Door;
  readonly #loop: CoreLoop;
  readonly #health: HealthWatch;
  readonly #handover: Handover;
  readonly #port: ClientPort;
  readonly #clients: ClientServer;
  readonly #reconfiguring: Reconfiguring;
  #ticks: NodeJS.Timeout | null = null;
  #isDiskFull = false;
  #lastDurableAtMs = 0;
  #reachedAtMs = 0;
  #isStopping = false;

  constructor(parts: NodeParts) {
    const { loaded, membership, logger } = parts;
    this.#parts = parts;
    this.#self = loaded.self;
    this.#journal = new Journal({ logger, nameOf: (member) => membership.nameOf(member) });
    this.alarms = new Alarms({
      onRaised: (text) => this.#journal.record({ kind: 'alarm', text }),
      onCleared: (text) => this.#journal.record({ kind: 'alarm', text: `over: ${text}` }),
    });
    this.#filter = new LinkFilter({
      self: this.#self.memberSlot,
      nowMs: () => performance.now(),
      onEnd: (faultId, reason) =>
        this.#journal.record({ kind: 'faultEnded', text: `fault ${faultId} ended: ${reason}` }),
    });
    this.#door = new Door({
      promised: parts.recovered.core.promised,
      nameOf: (member) => membership.nameOf(member),
      journal: this.#journal,
      alarms: this.alarms,
      isBacklogged: () => this.#isBacklogged(),
    });
    this.#transport = this.#createTransport();
    this.#state = this.#createState();
    this.#pending = new PendingCalls({
      abandon: (sequence) => this.#loop.submit({ kind: 'abandon', request: this.#port.requestId(sequence) }),
      startRead: (sequence) => this.#loop.submit({ kind: 'read', request: this.#port.requestId(sequence) }),
    });
    this.#loop = this.#createLoop();
    this.#health = new HealthWatch(this.#tickMs, (health) => this.#loop.submit({ kind: 'health', health }));
    this.#port = this.#createPort();
    const following = {
      self: this.#self.memberSlot,
      status: () => this.#loop.status(),
      configuration: () => membership.configuration,
      submit: (input: Input) => this.#loop.submit(input),
      onEvent: (listener: (event: CoreEvent) => void) => this.#journal.listen(listener),
      nameOf: (member: MemberSlot) => membership.nameOf(member),
    };
    this.#handover = new Handover(following);
    this.#reconfiguring = new Reconfiguring(following);
    this.#clients = createClientServer(this.#port, loaded.clientTls);
  }

  async open(): Promise<void> {
    const { recovered, storage, snapshots, logger } = this.#parts;
    const { address: host, clientPort, peerPort } = this.#self;
    await explainListen({ purpose: 'peer', host, port: peerPort }, this.#transport.open());
    await explainListen(
      { purpose: 'client', host, port: clientPort },
      this.#clients.listen({ host, port: clientPort }).then(() => undefined),
    );
    this.#ticks = setInterval(() => this.#onTick(), this.#tickMs);
    const { decidedUpTo } = recovered.core;
    logger.info({ ...storage.found, decidedUpTo }, 'read the log');
    for (const text of damagesInWords(storage.damages)) this.alarms.raise(text, text);
    if (snapshots.newest !== null) this.#state.noteSnapshot(snapshots.newest);
    this.#journal.record({ kind: 'started', text: `started ${VERSION} with ${decidedUpTo} decided slots` });
    this.#parts.admin.serve(this.#adminHandlers());
  }

  onDurable(upTo: number, tookMs: number): void {
    this.#lastDurableAtMs = performance.now();
    this.#parts.meters.fsync.record(tookMs);
    this.#health.onSync(tookMs);
    this.#loop.submit({ kind: 'durable', upTo });
  }

  /** Nothing becomes durable any more, so this node must not lead; it goes on by itself when there is room. */
  onDiskFull(isStalled: boolean, error: unknown): void {
    this.#isDiskFull = isStalled;
    const where = this.#parts.loaded.dataDir;
    if (isStalled) {
      this.#parts.logger.error({ err: error }, `no space left for the log in ${where}`);
      const text = `no space left for the log in ${where}: this node votes for nothing until there is room; free some space`;
      this.alarms.raise('diskFull', text);
    } else this.alarms.clear('diskFull', `there is room for the log in ${where} again`);
    this.#health.onDiskFull(isStalled, performance.now());
  }

  onSnapshotTaken(snapshot: SnapshotInfo): void {
    this.#state.noteSnapshot(snapshot);
  }

  isDisputed(slot: Slot): boolean {
    return this.#state.isDisputed(slot);
  }

  isOdd(member: MemberSlot): boolean {
    return this.#state.isOdd(member);
  }

  /** Hands leadership over if it has it, finishes what clients wait for, and closes everything. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    await this.#handOverToBest(HANDOVER_ON_STOP_MS);
    this.#port.isStopping = true;
    await this.#clients.close(CLIENT_GRACE_MS);
    await this.close();
  }

  /** Closes everything at once. */
  async close(): Promise<void> {
    const { snapshots, storage, disks, meters, admin } = this.#parts;
    this.#isStopping = this.#port.isStopping = true;
    if (this.#ticks) clearInterval(this.#ticks);
    this.#pending.stop();
    this.#loop.stop();
    await Promise.all([this.#clients.close(0), this.#transport.close(), snapshots.close(), disks.close()]);
    await storage.close();
    await admin.close();
    this.#filter.close();
    meters.close();
  }

  #adminHandlers(): AdminHandlers {
    const { loaded, membership } = this.#parts;
    return adminHandlers({
      clusterName: loaded.config.clusterName,
      boot: this.#boot,
      journal: this.#journal,
      filter: this.#filter,
      handover: this.#handover,
      membership,
      reconfiguring: this.#reconfiguring,
      sample: () => this.#sample(),
    });
  }

  get #tickMs(): number {
    return Math.max(1, this.#parts.loaded.config.heartbeatMs / TICKS_PER_HEARTBEAT);
  }

  #onTick(): void {
    const nowMs = performance.now();
    if (this.#parts.storage.unsyncedRecords === 0) this.#lastDurableAtMs = nowMs;
    this.#health.onTick(nowMs, nowMs - this.#lastDurableAtMs);
    this.#loop.submit({ kind: 'tick' });
    if (nowMs - this.#reachedAtMs > REACH_AGAIN_MS) this.#reach(nowMs);
    this.#state.machine.sweep(SWEPT_VERSIONS_PER_TICK);
  }

  #isBacklogged(): boolean {
    return this.#parts.storage.unsyncedBytes > MAX_UNSYNCED_BYTES;
  }

  #createTransport(): Transport {
    const { loaded, membership, snapshots, logger } = this.#parts;
    return new Transport({
      hello: this.#parts.hello,
      self: this.#self,
      peers: membership.reachable(performance.now()),
      tls: loaded.peerTls,
      filter: this.#filter,
      logger,
      flawOf: ({ memberSlot, incarnation }) => {
        // Whoever is no member yet may be one by mistake, and must not spoil the slot for the real one.
        const flaw = membership.slots.includes(memberSlot) ? this.#parts.disks.meet(memberSlot, incarnation) : null;
        if (flaw !== null) this.alarms.raise(`disk-${memberSlot}`, flaw);
        return flaw;
      },
      onMessage: (from, message) => {
        if (this.#door.admits(from, message)) this.#loop.submit({ kind: 'message', from, message });
      },
      onDigest: (from, { of, slot, digest }) => {
        if (membership.slots.includes(from)) this.#state.onPeerDigest(from, { kind: of, slot, digest });
      },
      onSnapshotConnection: (from, socket) => snapshots.serve(membership.nameOf(from), socket),
      onLink: (member, up) => {
        const text = `${up ? 'connected to' : 'lost the connection to'} ${membership.nameOf(member)}`;
        this.#journal.record({ kind: up ? 'peerUp' : 'peerDown', memberSlot: member, text });
        this.#loop.submit({ kind: 'link', member, up });
        if (up) for (const digest of this.#state.newestDigests()) this.#transport.send(member, digestFrame(digest));
      },
    });
  }

  #createState(): StateKeeper {
    const { recovered, membership, snapshots } = this.#parts;
    return new StateKeeper(recovered.machine, {
      self: this.#self.memberSlot,
      membership,
      takeSnapshot: (machine, configuration) => snapshots.take(machine, configuration),
      broadcast: (digest) => {
        for (const member of membership.slots) this.#transport.send(member, digestFrame(digest));
      },
      alarms: this.alarms,
      onDiverged: (text) => this.#onDiverged(text),
      onConfiguration: (configuration) => {
        const nowMs = performance.now();
        membership.change(configuration, nowMs);
        for (const member of this.#parts.disks.keep(membership.slots))
          this.alarms.clear(`disk-${member}`, `${membership.nameOf(member)} is a member no more`);
        this.#reach(nowMs);
      },
    });
  }

  #reach(nowMs: number): void {
    this.#reachedAtMs = nowMs;
    this.#transport.reach(this.#parts.membership.reachable(nowMs));
  }

  /** Nobody may read a state that is known to be wrong. */
  #onDiverged(text: string): void {
    this.#journal.record({ kind: 'alarm', text: `${text}; it stops and builds its state again` });
    this.#port.isStopping = true;
    this.#loop.stop();
    this.#parts.onStateDiverged(text, this.#state.agreedContentUpTo);
  }

  #createLoop(): CoreLoop {
    const { loaded, recovered, storage, snapshots } = this.#parts;
    const { self } = loaded;
    return new CoreLoop(createCore(loaded, recovered, this.#boot), {
      nowMs: loaded.config.leaseReads === null ? () => performance.now() : bootClock(),
      log: storage,
      apply: (slot, value) => this.#state.apply(slot, value),
      peers: this.#transport,
      onApplied: ({ request, result }) => {
        if (request.origin === self.memberSlot && request.boot === this.#boot)
          this.#pending.applied(request.sequence, result);
      },
      onAppliedUpTo: (slot) => this.#pending.appliedUpTo(slot),
      onReadTaken: () => this.#pending.readTaken(),
      onReadReady: ({ sequence }, readSlot) => {
        this.#pending.readReady(sequence, readSlot);
        this.#pending.appliedUpTo(this.#state.machine.appliedUpTo);
      },
      onRefused: ({ sequence }, reason) => this.#pending.refused(sequence, reason),
      onLost: ({ sequence }) => this.#pending.lost(sequence),
      onEvent: (event) => this.#journal.onCoreEvent(event),
      onLogUnreadable: ({ message }) =>
        this.alarms.raise('unreadable', `the log could not be read for a peer: ${message}`),
      onEntryDamaged: this.#parts.onEntryDamaged,
      snapshotSlot: () => snapshots.newestSlot,
      onFetchSnapshot: (from, slot) => void this.#fetchSnapshot(from, slot),
      onInstall: (slot) => {
        this.#state.install(slot);
        if (snapshots.newest?.slot === slot) this.#state.noteSnapshot(snapshots.newest);
        this.#pending.appliedUpTo(this.#state.machine.appliedUpTo);
      },
      onTicked: this.#parts.onTicked,
    });
  }

  async #fetchSnapshot(from: MemberSlot, minSlot: Slot): Promise<void> {
    const { snapshots, storage } = this.#parts;
    const state = await snapshots.fetch(from, minSlot);
    if (this.#isStopping) return;
    if (state === null) return this.#loop.submit({ kind: 'snapshotFailed', slot: minSlot });
    const slot = state.machine.appliedUpTo;
    await storage.installSnapshot(slot);
    this.#state.prepare(state);
    this.#loop.submit({ kind: 'snapshotInstalled', slot, configuration: state.configuration });
  }

  #createPort(): ClientPort {
    const { loaded, membership, storage, meters } = this.#parts;
    return new ClientPort({
      clusterId: loaded.config.clusterId,
      self: this.#self,
      boot: this.#boot,
      meters,
      pending: this.#pending,
      configuration: () => membership.configuration,
      state: this.#state,
      status: () => this.#loop.status(),
      submit: (input) => this.#loop.submit(input),
      dataBytes: () => storage.dataBytes,
      isBacklogged: () => this.#isBacklogged(),
      isDiskFull: () => this.#isDiskFull,
    });
  }

  #sample() {
    const { storage, meters, snapshots } = this.#parts;
    return nodeSample({
      self: this.#self,
      version: VERSION,
      core: this.#loop.status(),
      machine: this.#state.machine,
      storage,
      meters,
      snapshotSlot: snapshots.newestSlot,
      alarms: this.alarms.list(),
      pendingCalls: this.#pending.size,
      isConnected: (member) => this.#transport.isConnected(member),
      faults: this.#filter.list(),
    });
  }

  /** An operator's hand-over that is under way is followed to its end first. */
  async #handOverToBest(timeoutMs: number): Promise<void> {
    if (this.#handover.underWay) await Promise.race([this.#handover.underWay, sleep(timeoutMs)]);
    const status = this.#loop.status();
    const target = bestSuccessor(status, this.#parts.loaded.config.electionTimeoutMs);
    if (status.role === 'leader' && target !== undefined) await this.#handover.to(target, timeoutMs);
  }
}
