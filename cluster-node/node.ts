/**
 * A running node: the pure core (paxos/) between a disk (storage/), the other nodes (peer/), the replicated machine
 * (machine/) and clients (api/). Everything happens on one thread: whatever comes in becomes an input of the core, the core
 * answers with effects, and runtime/core-loop.ts obeys them. This file wires the parts and owns their order of birth and
 * death: the log is read and executed before the node speaks to anyone, and synced after it has fallen silent.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { AdminCallError, type AdminHandlers, type AdminServer, createAdminServer } from './api/admin.ts';
import { type ClientServer, createClientServer } from './api/client-server.ts';
import { type NodePort, NodeUnavailableError } from './api/port.ts';
import type { NodeEvent } from './contract/admin.ts';
import type { MemberSlot } from './contract/ballot.ts';
import { firstConfiguration } from './contract/configuration.ts';
import type { PeerMessage, RequestId } from './contract/peer.ts';
import { encodeCommand, type Operation } from './machine/command.ts';
import { KeyValueMachine, type OperationResult } from './machine/machine.ts';
import { LinkFilter } from './peer/link-filter.ts';
import { Transport } from './peer/transport.ts';
import { PaxosCore } from './paxos/core.ts';
import type { CoreEvent } from './paxos/interface.ts';
import { CoreLoop } from './runtime/core-loop.ts';
import { EventRing } from './runtime/event-ring.ts';
import { nodeEventOf } from './runtime/event-text.ts';
import { flawOf } from './runtime/forwarded.ts';
import { bestSuccessor, Handover } from './runtime/handover.ts';
import { explainListen } from './runtime/listen.ts';
import type { LoadedConfig } from './runtime/load-config.ts';
import { PendingCalls } from './runtime/pending.ts';
import { NodeMeters, nodeSample } from './runtime/sample.ts';
import { VERSION } from './runtime/version.ts';
import { damagesInWords } from './storage/log/damage.ts';
import { openStorage, type Storage } from './storage/storage.ts';

const MAX_UNDECIDED_SLOTS = 4096;
const MAX_BATCH_BYTES = 1024 * 1024;
const REPLAY_BYTES = 1024 * 1024;
/** Requests of clients that wait at this node; past it they are told to try later. */
const MAX_PENDING_CALLS = 20_000;
/** Records in memory that wait for a slow or full disk; past it nothing that would add to them is taken in. */
const MAX_UNSYNCED_BYTES = 64 * 1024 * 1024;
const HANDOVER_ON_STOP_MS = 1000;
const CLIENT_GRACE_MS = 500;
/** The core wants at least five ticks a heartbeat. */
const TICKS_PER_HEARTBEAT = 5;
/** Well under a millisecond of work: what compactions leave behind goes without being felt. */
const SWEPT_VERSIONS_PER_TICK = 1000;
const BOOT_BITS = 48;

export interface NodeSurroundings {
  readonly logger: Logger;
  /** The process must end now: the disk failed. */
  readonly onDiskFailed: (error: unknown) => void;
}

/** Starts a node. Throws ListenError, the errors of storage/errors.ts, or the system's; then nothing is left open. */
export async function startNode(loaded: LoadedConfig, surroundings: NodeSurroundings): Promise<SynodNode> {
  const { config, self, dataDir, birthPath } = loaded;
  let node: SynodNode | null = null;
  const meters = new NodeMeters();
  const storage = await openStorage({
    dataDir,
    birthPath,
    identity: { clusterId: config.clusterId, nodeId: config.nodeId, memberSlot: self.memberSlot },
    events: {
      onDurable: (upTo, tookMs) => node?.onDurable(upTo, tookMs),
      onStalled: (isStalled, error) => node?.onDiskFull(isStalled, error),
      onFatal: surroundings.onDiskFailed,
    },
  });
  try {
    const machine = new KeyValueMachine();
    await replay(storage, machine);
    node = new SynodNode({ loaded, storage, machine, meters, logger: surroundings.logger });
    await node.open();
    return node;
  } catch (error) {
    await (node ? node.close() : storage.close());
    throw error;
  }
}

/** Executes everything that the log calls decided. */
async function replay(storage: Storage, machine: KeyValueMachine): Promise<void> {
  while (machine.appliedUpTo < storage.recovered.decidedUpTo)
    for (const entry of await storage.readEntries(machine.appliedUpTo + 1, REPLAY_BYTES))
      machine.apply(entry.slot, entry.value);
}

export class SynodNode implements NodePort {
  readonly clusterId: string;
  readonly self;
  readonly members;
  readonly machine: KeyValueMachine;
  /** Names this life of the node. */
  readonly boot = randomInt(1, 2 ** BOOT_BITS - 1);
  readonly #loaded: LoadedConfig;
  readonly #storage: Storage;
  readonly #meters: NodeMeters;
  readonly #logger: Logger;
  readonly #loop: CoreLoop;
  readonly #pending: PendingCalls;
  readonly #handover: Handover;
  readonly #filter: LinkFilter;
  readonly #transport: Transport;
  readonly #clients: ClientServer;
  readonly #admin: AdminServer;
  readonly #events = new EventRing();
  readonly #listeners = new Set<(event: CoreEvent) => void>();
  #ticks: NodeJS.Timeout | null = null;
  #isDiskFull = false;
  #isStopping = false;

  constructor(parts: {
    loaded: LoadedConfig;
    storage: Storage;
    machine: KeyValueMachine;
    meters: NodeMeters;
    logger: Logger;
  }) {
    const { loaded, storage, machine } = parts;
    this.clusterId = loaded.config.clusterId;
    this.self = loaded.self;
    this.members = loaded.config.members;
    this.machine = machine;
    this.#loaded = loaded;
    this.#storage = storage;
    this.#meters = parts.meters;
    this.#logger = parts.logger;
    this.#filter = new LinkFilter({
      self: this.self.memberSlot,
      nowMs: () => performance.now(),
      onEnd: (faultId, reason) => this.#record({ kind: 'faultEnded', text: `fault ${faultId} ended: ${reason}` }),
    });
    this.#transport = this.#createTransport();
    this.#pending = new PendingCalls({
      abandon: (sequence) => this.#loop.submit({ kind: 'abandon', request: this.#requestId(sequence) }),
      startRead: (sequence) => this.#loop.submit({ kind: 'read', request: this.#requestId(sequence) }),
    });
    this.#loop = this.#createLoop();
    this.#handover = this.#createHandover();
    this.#clients = createClientServer(this, loaded.clientTls);
    this.#admin = createAdminServer({
      socketPath: loaded.adminSocket,
      handlers: this.#adminHandlers(),
      onFailure: (call, error) => this.#logger.error({ call, err: error }, 'an admin call failed'),
    });
  }

  async open(): Promise<void> {
    const { address: host, clientPort, peerPort } = this.self;
    await explainListen({ purpose: 'peer', host, port: peerPort }, this.#transport.open());
    await explainListen(
      { purpose: 'client', host, port: clientPort },
      this.#clients.listen({ host, port: clientPort }).then(() => undefined),
    );
    const intervalMs = Math.max(1, this.#loaded.config.heartbeatMs / TICKS_PER_HEARTBEAT);
    this.#ticks = setInterval(() => {
      this.#loop.submit({ kind: 'tick' });
      this.machine.sweep(SWEPT_VERSIONS_PER_TICK);
    }, intervalMs);
    const { decidedUpTo } = this.#storage.recovered;
    this.#logger.info(this.#storage.found, 'read the log');
    for (const text of damagesInWords(this.#storage.damages)) this.#record({ kind: 'alarm', text });
    this.#record({ kind: 'started', text: `started ${VERSION} with ${decidedUpTo} decided slots` });
    await this.#admin.listen();
  }

  propose(operation: Operation, timeoutMs: number): Promise<OperationResult> {
    const refusal = this.#refusal();
    if (refusal) return Promise.reject(refusal);
    if (this.#isDiskFull && this.#loop.status().role === 'leader')
      return Promise.reject(new NodeUnavailableError('busy', false));
    const { sequence, acknowledgedBelow } = this.#pending.next();
    const request = this.#requestId(sequence);
    const value = encodeCommand({ request, acknowledgedBelow }, operation);
    const result = this.#pending.proposal(sequence, timeoutMs);
    this.#loop.submit({ kind: 'propose', request, value });
    return result;
  }

  readBarrier(timeoutMs: number): Promise<void> {
    const refusal = this.#refusal();
    return refusal ? Promise.reject(refusal) : this.#pending.read(timeoutMs);
  }

  status() {
    const { believedLeader, leaderBallot, decidedUpTo, appliedUpTo } = this.#loop.status();
    const { dataBytes } = this.#storage;
    return { believedLeader, leaderBallot, decidedUpTo, appliedUpTo, dataBytes, version: VERSION };
  }

  observe(kind: 'write' | 'read', latencyMs: number): void {
    this.#meters.observe(kind, latencyMs);
  }

  onDurable(upTo: number, tookMs: number): void {
    this.#meters.fsync.record(tookMs);
    this.#loop.submit({ kind: 'durable', upTo });
  }

  /** Nothing becomes durable any more, so this node must not lead; it goes on by itself when there is room. */
  onDiskFull(isStalled: boolean, error: unknown): void {
    this.#isDiskFull = isStalled;
    const where = this.#loaded.dataDir;
    const text = isStalled
      ? `no space left for the log in ${where}: this node votes for nothing until there is room; free some space`
      : `there is room for the log in ${where} again`;
    this.#logger[isStalled ? 'error' : 'info']({ err: error ?? undefined }, text);
    this.#record({ kind: 'alarm', text });
    if (isStalled) void this.#leaveWhileDiskIsFull();
  }

  /** Hands leadership over if it has it, finishes what clients wait for, and closes everything. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    await this.#handOverToBest(HANDOVER_ON_STOP_MS);
    this.#isStopping = true;
    await this.#clients.close(CLIENT_GRACE_MS);
    await this.close();
  }

  /** Closes everything at once. */
  async close(): Promise<void> {
    this.#isStopping = true;
    if (this.#ticks) clearInterval(this.#ticks);
    this.#pending.stop();
    this.#loop.stop();
    await Promise.all([this.#clients.close(0), this.#transport.close()]);
    await this.#storage.close();
    await this.#admin.close();
    this.#filter.close();
    this.#meters.close();
  }

  #refusal(): NodeUnavailableError | null {
    if (this.#isStopping) return new NodeUnavailableError('stopping', false);
    const isBusy = this.#pending.size >= MAX_PENDING_CALLS || this.#isBacklogged();
    return isBusy ? new NodeUnavailableError('busy', false) : null;
  }

  #isBacklogged(): boolean {
    return this.#storage.unsyncedBytes > MAX_UNSYNCED_BYTES;
  }

  /** Messages that make this node write are lost while its disk is far behind; their senders send again. */
  #onMessage(from: MemberSlot, message: PeerMessage): void {
    const { kind } = message;
    const flaw = kind === 'forward' ? flawOf(message) : null;
    if (flaw !== null) {
      this.#record({ kind: 'alarm', text: `dropped a request forwarded by ${this.#nameOf(from)}: ${flaw}` });
      return;
    }
    const makesRecords = kind === 'accept' || kind === 'catchUpEntries' || kind === 'promise' || kind === 'forward';
    if (!makesRecords || !this.#isBacklogged()) this.#loop.submit({ kind: 'message', from, message });
  }

  #createTransport(): Transport {
    const { config, peers, peerTls } = this.#loaded;
    return new Transport({
      clusterId: config.clusterId,
      self: this.self,
      peers,
      tls: peerTls,
      filter: this.#filter,
      logger: this.#logger,
      onMessage: (from, message) => this.#onMessage(from, message),
      onLink: (member, up) => {
        const text = `${up ? 'connected to' : 'lost the connection to'} ${this.#nameOf(member)}`;
        this.#record({ kind: up ? 'peerUp' : 'peerDown', memberSlot: member, text });
        this.#loop.submit({ kind: 'link', member, up });
      },
    });
  }

  #createLoop(): CoreLoop {
    const { config, self } = this.#loaded;
    const core = new PaxosCore(
      {
        self: self.memberSlot,
        configuration: firstConfiguration(config.members),
        heartbeatMs: config.heartbeatMs,
        electionTimeoutMs: config.electionTimeoutMs,
        seed: this.boot % 2 ** 32,
        maxUndecidedSlots: MAX_UNDECIDED_SLOTS,
        maxBatchBytes: MAX_BATCH_BYTES,
      },
      this.#storage.recovered,
    );
    return new CoreLoop(core, {
      nowMs: () => performance.now(),
      log: this.#storage,
      apply: (slot, value) => this.machine.apply(slot, value),
      send: (to, message) => this.#transport.send(to, message),
      onApplied: ({ request, result }) => {
        if (request.origin === self.memberSlot && request.boot === this.boot)
          this.#pending.applied(request.sequence, result);
      },
      onAppliedUpTo: (slot) => this.#pending.appliedUpTo(slot),
      onReadReady: ({ sequence }, readSlot) => {
        this.#pending.readReady(sequence, readSlot);
        this.#pending.appliedUpTo(this.machine.appliedUpTo);
      },
      onRefused: ({ sequence }, reason) => this.#pending.refused(sequence, reason),
      onEvent: (event) => this.#onCoreEvent(event),
      onLogUnreadable: (error) => {
        this.#logger.error({ err: error }, 'the log could not be read for a peer');
        this.#record({ kind: 'alarm', text: `the log could not be read for a peer: ${(error as Error).message}` });
      },
    });
  }

  #onCoreEvent(event: CoreEvent): void {
    this.#record(nodeEventOf(event, (member) => this.#nameOf(member)));
    for (const listener of this.#listeners) listener(event);
  }

  #record(event: Pick<NodeEvent, 'kind' | 'text'> & Partial<Pick<NodeEvent, 'ballot' | 'memberSlot'>>): void {
    const { sequence, kind, ballot, memberSlot, text } = this.#events.add({ ballot: null, memberSlot: null, ...event });
    this.#logger.info({ event: kind, sequence, ballot, memberSlot }, text);
  }

  #adminHandlers(): AdminHandlers {
    return {
      sample: () => this.#sample(),
      events: ({ boot, afterSequence }) => ({
        boot: this.boot,
        events: this.#events.after(boot === this.boot ? afterSequence : 0),
      }),
      transferLeadership: ({ target, timeoutMs }) => {
        if (!this.members.some((member) => member.memberSlot === target))
          throw new AdminCallError({ kind: 'notFound', message: `there is no member ${target} in ${this.clusterId}` });
        return this.#handover.to(target, timeoutMs);
      },
      injectFault: (lease) => {
        const active = this.#filter.inject(lease);
        const links = lease.fault.links.map(({ from, to }) => `${this.#nameOf(from)}→${this.#nameOf(to)}`).join(' ');
        const text = `fault ${lease.faultId} for ${lease.ttlMs} ms: messages vanish on ${links}`;
        this.#record({ kind: 'faultInjected', text });
        return active;
      },
      healFault: ({ faultId }) => ({ healed: this.#filter.heal(faultId) }),
      listFaults: () => ({ faults: this.#filter.list() }),
    };
  }

  #sample() {
    return nodeSample({
      self: this.self,
      version: VERSION,
      core: this.#loop.status(),
      machine: this.machine,
      storage: this.#storage,
      meters: this.#meters,
      pendingCalls: this.#pending.size,
      isConnected: (member) => this.#transport.isConnected(member),
      faults: this.#filter.list(),
    });
  }

  #createHandover(): Handover {
    return new Handover({
      self: this.self.memberSlot,
      status: () => this.#loop.status(),
      submit: (input) => this.#loop.submit(input),
      onEvent: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
      nameOf: (member) => this.#nameOf(member),
    });
  }

  /** An operator's hand-over that is under way is followed to its end first. */
  async #handOverToBest(timeoutMs: number): Promise<void> {
    if (this.#handover.underWay) await Promise.race([this.#handover.underWay, sleep(timeoutMs)]);
    const status = this.#loop.status();
    const target = bestSuccessor(status, this.#loaded.config.electionTimeoutMs);
    if (status.role === 'leader' && target !== undefined) await this.#handover.to(target, timeoutMs);
  }

  async #leaveWhileDiskIsFull(): Promise<void> {
    if (!this.#isDiskFull || this.#isStopping) return;
    await this.#handOverToBest(HANDOVER_ON_STOP_MS);
    setTimeout(() => void this.#leaveWhileDiskIsFull(), HANDOVER_ON_STOP_MS).unref();
  }

  #requestId(sequence: number): RequestId {
    return { origin: this.self.memberSlot, boot: this.boot, sequence };
  }

  #nameOf(member: MemberSlot): string {
    return this.members.find((candidate) => candidate.memberSlot === member)?.name ?? `member ${member}`;
  }
}
