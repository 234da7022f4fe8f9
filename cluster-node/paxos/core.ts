/**
 * The Multi-Paxos core: a deterministic state machine with no input or output of its own.
 *
 * Every node is acceptor (`acceptor.ts`), learner (`learner.ts`) and potential proposer (`proposer.ts`): first a candidate with
 * one ballot (`candidacy.ts`, phase 1) and then, once a quorum has promised, the leader of that ballot (`leadership.ts`,
 * phase 2). Who tries when is `election.ts`; the few rules on which safety rests are `rules.ts` and `quorum.ts`. This file
 * only wires them: it takes an input, lets the part concerned act, and then settles what follows (a higher ballot deposes a
 * leader, more acceptances decide slots, a change of leader sends waiting requests again).
 */
import type { MemberSlot, Slot } from '../contract/ballot.ts';
import type { Configuration } from '../contract/configuration.ts';
import type { Accept, Entry, Heartbeat, HeartbeatReply, PeerMessage, RequestId } from '../contract/peer.ts';
import { Acceptor } from './acceptor.ts';
import { Election } from './election.ts';
import {
  type CoreOptions,
  type CoreStatus,
  DEFAULT_UNDECIDED_BYTES,
  type Effect,
  type Input,
  type RecoveredState,
} from './interface.ts';
import { Health } from './health.ts';
import { Jitter } from './jitter.ts';
import { Lag } from './lag.ts';
import { Learner } from './learner.ts';
import { LeaderLease, LeaseVow } from './lease.ts';
import { Membership } from './membership.ts';
import { Outbox } from './outbox.ts';
import { type Peer, Peers } from './peers.ts';
import { Proposer } from './proposer.ts';
import { ClientReads, ReadConfirmation } from './reads.ts';
import { ReplicaLog } from './replica-log.ts';
import { ClientRequests } from './requests.ts';
import { PAXOS_RULES, type PaxosRules } from './rules.ts';
import { statusOf } from './status.ts';

const CATCH_UP_RETRY_HEARTBEATS = 4;

export class PaxosCore {
  readonly #options: CoreOptions;
  readonly #membership: Membership;
  readonly #out: Outbox;
  readonly #log: ReplicaLog;
  readonly #vow: LeaseVow;
  readonly #lease: LeaderLease;
  readonly #health: Health;
  readonly #peers: Peers;
  readonly #acceptor: Acceptor;
  readonly #learner: Learner;
  readonly #election: Election;
  readonly #requests: ClientRequests;
  readonly #reads: ClientReads;
  readonly #confirmation: ReadConfirmation;
  readonly #proposer: Proposer;
  readonly #lag: Lag;
  #roundAtMs = Number.NEGATIVE_INFINITY;
  #tickedAtMs = Number.POSITIVE_INFINITY;
  /**
   * `recovered` is null for a node that has never run. `rules` are for the simulator's negative controls; leave them out.
   * Throws RangeError when the configuration's quorums need not intersect.
   */
  constructor(options: CoreOptions, recovered: RecoveredState | null, rules: PaxosRules = PAXOS_RULES) {
    const out = new Outbox(rules);
    this.#out = out;
    const { self, maxBatchBytes, maxUndecidedSlots } = options;
    const maxUndecidedBytes = options.maxUndecidedBytes ?? DEFAULT_UNDECIDED_BYTES;
    const promised = recovered?.promised ?? 0;
    this.#options = options;
    const membership = new Membership(self, options.configuration, rules);
    this.#membership = membership;
    const log = new ReplicaLog(recovered, options.memorySlots);
    this.#log = log;
    const peers = new Peers({ membership, rules, timeoutMs: options.electionTimeoutMs });
    this.#peers = peers;
    const lease = options.leaseReads ?? null;
    const vow = new LeaseVow({ out, rules, lease }, recovered !== null);
    this.#vow = vow;
    const { heartbeatMs } = options;
    this.#lease = new LeaderLease({ out, rules, lease, membership, peers, heartbeatMs });
    const bounds = { maxBatchBytes, maxUndecidedSlots, maxUndecidedBytes };
    this.#acceptor = new Acceptor({ out, log, rules, membership, vow, ...bounds }, promised);
    this.#health = new Health({ out, peers, membership, options });
    const jitter = new Jitter(options.seed ^ Math.imul(self, 0x9e3779b1));
    this.#election = new Election({ out, peers, options, jitter }, promised);
    this.#learner = new Learner({
      out,
      log,
      rules,
      acceptor: this.#acceptor,
      peers,
      maxBatchBytes,
      retryMs: CATCH_UP_RETRY_HEARTBEATS * options.heartbeatMs,
      onDecided: (entry) => this.#onDecided(entry),
    });
    this.#lag = new Lag({
      out,
      log,
      peers,
      membership,
      election: this.#election,
      obstacle: () => this.#learner.obstacle,
    });
    const next = (turn: number) => this.#election.route(this.#acceptor.promised, turn);
    const propose = (...what: Parameters<Proposer['propose']>) => this.#proposer.propose(...what);
    this.#requests = new ClientRequests({ out, options, route: { propose, next } });
    const register = (request: RequestId, replyTo: MemberSlot) => this.#proposer.registerRead(request, replyTo);
    this.#reads = new ClientReads({ out, options, route: { register, next } });
    this.#confirmation = new ReadConfirmation({
      rules,
      peers,
      get quorums() {
        return membership.quorums;
      },
      self,
      answer: (replyTo, reply) => (replyTo === self ? this.#reads.onReply(reply) : out.send(replyTo, reply)),
    });
    this.#proposer = new Proposer({
      out,
      log,
      rules,
      membership,
      options,
      acceptor: this.#acceptor,
      learner: this.#learner,
      peers,
      election: this.#election,
      confirmation: this.#confirmation,
      vow,
      lease: this.#lease,
      health: this.#health,
      onNewLeader: () => this.#onNewLeader(),
      onLeadershipLost: () => this.#requests.onLeadershipLost(),
    });
  }

  /** Takes one input at `nowMs` (monotonic) and returns what is to be done, in order. */
  step(input: Input, nowMs: number): Effect[] {
    this.#out.begin(nowMs);
    const recordBefore = this.#out.lastRecord;
    this.#take(input);
    this.#settle();
    if (this.#out.lastRecord > recordBefore) this.#learner.record();
    return this.#out.take();
  }

  status(nowMs: number): CoreStatus {
    return statusOf({
      nowMs,
      log: this.#log,
      peers: this.#peers,
      election: this.#election,
      promised: this.#acceptor.promised,
      configuration: this.#membership.configuration,
      role: this.#proposer.role,
      behind: this.#lag.text(),
      undecidedSlots: this.#proposer.leadership?.undecidedSlots ?? 0,
      pendingRequests: this.#requests.count + this.#reads.count,
      transferTarget: this.#proposer.transferTarget,
      hiddenSlot: this.#proposer.hiddenSlot,
    });
  }

  #take(input: Input): void {
    switch (input.kind) {
      case 'tick':
        return this.#onTick();
      case 'message': {
        if (input.from === this.#options.self) return;
        return this.#onMessage(this.#peers.meet(input.from, this.#out.nowMs), input.message);
      }
      case 'durable':
        this.#out.durableUpTo = Math.max(this.#out.durableUpTo, input.upTo);
        return this.#acceptor.onDurable(input.upTo);
      case 'applied':
        return this.#log.applied(input.upTo);
      case 'link':
        return this.#onLink(input.member, input.up);
      case 'propose':
        return this.#requests.add(input.request, input.value);
      case 'abandon':
        this.#requests.abandon(input.request);
        return this.#reads.abandon(input.request);
      case 'read':
        return this.#reads.add(input.request);
      case 'transfer':
        return this.#proposer.onTransferAsked(input.target);
      case 'logRead':
        return this.#learner.onLogRead(input);
      case 'health':
        this.#health.own = input.health;
        return;
      case 'reconfigure':
        return this.#proposer.onReconfigureAsked(input.change);
      case 'snapshotInstalled':
        return this.#onSnapshotInstalled(input.slot, input.configuration);
      case 'snapshotFailed':
        return this.#learner.onSnapshotFailed();
    }
  }

  #onMessage(peer: Peer, message: PeerMessage): void {
    const from = peer.member;
    switch (message.kind) {
      case 'prepare':
        if (message.ballot > this.#acceptor.promised && this.#acceptor.mayPromise(message))
          this.#election.yieldToCandidate();
        return this.#acceptor.onPrepare(from, message);
      case 'promise':
        return this.#proposer.onPromise(from, message);
      case 'accept':
        return this.#onAccept(from, message);
      case 'accepted':
        return this.#proposer.leadership?.onAccepted(from, message);
      case 'nack':
        return this.#proposer.onNack(from, message);
      case 'heartbeat':
        return this.#onHeartbeat(peer, message);
      case 'heartbeatReply':
        return this.#onHeartbeatReply(peer, message);
      case 'catchUpRequest':
        return this.#learner.onCatchUpRequest(from, message.fromSlot);
      case 'catchUpEntries':
        return this.#learner.onCatchUpEntries(from, message);
      case 'forward':
        return this.#requests.onForward(from, message);
      case 'forwardRefused':
        return this.#requests.onRefused(message);
      case 'readIndexRequest':
        return this.#reads.onRequest(from, message);
      case 'readIndexReply':
        return this.#reads.onReply(message);
      case 'transferLeadership':
        return this.#proposer.onTransferredTo(message.ballot);
    }
  }

  #onLink(member: MemberSlot, up: boolean): void {
    const peer = this.#peers.get(member);
    if (peer !== undefined && !up) this.#election.onLinkDown(peer);
  }

  #onSnapshotInstalled(slot: Slot, configuration: Configuration): void {
    if (!this.#learner.onSnapshotInstalled(slot)) return;
    if (configuration.configId > this.#membership.configId) this.#enter(configuration, slot);
    this.#proposer.endBySnapshot();
    this.#requests.onSkipped();
    // Only now, since the next stop entry is told by what it follows.
    this.#learner.advance();
  }

  #onTick(): void {
    const { heartbeatMs } = this.#options;
    const { nowMs } = this.#out;
    const lateMs = nowMs - this.#tickedAtMs - heartbeatMs;
    this.#tickedAtMs = nowMs;
    if (lateMs > 0) this.#excuse(lateMs);
    this.#lease.onTick();
    this.#proposer.onTick();
    if (nowMs - this.#roundAtMs < heartbeatMs) return;
    this.#roundAtMs = nowMs;
    this.#sendHeartbeats();
    this.#proposer.onRound();
    this.#learner.onRound();
    this.#lag.onRound();
    this.#learner.record();
    this.#requests.onRound();
    this.#reads.onRound();
  }

  /** This node itself stood still: that the others were not heard meanwhile tells nothing about them. */
  #excuse(lateMs: number): void {
    this.#election.excuse(lateMs);
    this.#peers.excuse(lateMs, this.#out.nowMs);
  }

  #onDecided(entry: Entry): void {
    this.#requests.onDecided(entry);
    const next = this.#membership.successorIn(entry.value);
    if (next !== null) this.#enter(next, entry.slot);
  }

  /** `configuration` is in force from the slot after `slot` on; `settle` ends a leadership or candidacy of the one before. */
  #enter(configuration: Configuration, slot: Slot): void {
    this.#membership.enter(configuration);
    this.#peers.onConfiguration();
    this.#out.event({ kind: 'configurationChanged', configuration, slot });
  }

  /** What follows from any input, in an order that lets a deposed leader do nothing more. */
  #settle(): void {
    this.#proposer.endDeposed();
    this.#election.sawBallot(this.#acceptor.promised);
    this.#acceptor.settle();
    this.#proposer.settle();
    this.#acknowledge();
    this.#confirmReads();
    if (this.#election.hasNewView || this.#confirmation.needsRound()) this.#sendHeartbeats();
  }

  #onAccept(from: MemberSlot, message: Accept): void {
    // What is decided first makes room for what comes.
    if (!this.#acceptor.hasRoomFor(message)) this.#learner.onNotice(message.ballot, message.decidedUpTo);
    if (!this.#acceptor.onAccept(from, message)) return;
    this.#proposer.endDeposed();
    this.#follow(from, message.ballot);
    this.#learner.onNotice(message.ballot, message.decidedUpTo);
    this.#learner.askIfStuck(from);
  }

  #onHeartbeat(peer: Peer, message: Heartbeat): void {
    const { promised } = this.#acceptor;
    this.#peers.onHeartbeat(peer, message, this.#out.nowMs);
    // A member of an earlier configuration may have promised whatever it likes: it counts for nothing any more.
    const isStranger = this.#peers.isStranger(peer);
    if (!isStranger) this.#proposer.onForeignPromise(message.promised);
    const mayLead = !isStranger || message.configId > this.#membership.configId;
    const { sequence, leaderBallot } = message;
    const leads = message.believedLeader === peer.member;
    if (leads) {
      if (mayLead && leaderBallot >= promised) this.#follow(peer.member, leaderBallot);
      this.#learner.onNotice(leaderBallot, message.decidedUpTo);
    } else if (this.#election.leader === peer.member && this.#election.forget()) this.#election.hasNewView = true;
    const { decidedUpTo } = this.#log;
    const confirms = leads && leaderBallot === promised;
    const leaseGrantedMs = leads ? this.#vow.grant(leaderBallot, promised) : 0;
    this.#out.send(peer.member, { kind: 'heartbeatReply', sequence, promised, decidedUpTo, confirms, leaseGrantedMs });
  }

  #onHeartbeatReply(peer: Peer, message: HeartbeatReply): void {
    this.#peers.onReply(peer, message, this.#out.nowMs);
    if (this.#peers.isStranger(peer)) return;
    this.#proposer.onForeignPromise(message.promised);
    // It missed phase 1; until it promises this ballot it counts neither for slots nor for reads.
    const { leadership } = this.#proposer;
    if (leadership !== null && message.promised < leadership.ballot) leadership.sendNotice(peer.member);
  }

  #follow(leader: MemberSlot, ballot: number): void {
    // A late message of a leader that was deposed by the one followed now.
    if (ballot < this.#election.leaderBallot) return;
    this.#proposer.endBelow(ballot);
    if (this.#election.follow(leader, ballot)) this.#onNewLeader();
    this.#election.succeeded();
  }

  #onNewLeader(): void {
    this.#election.hasNewView = true;
    this.#requests.onLeaderChange();
    this.#reads.onLeaderChange();
  }

  #acknowledge(): void {
    const { leader, leaderBallot } = this.#election;
    if (leader !== 0 && leader !== this.#options.self) this.#acceptor.acknowledge(leader, leaderBallot);
  }

  #sendHeartbeats(): void {
    const { nowMs } = this.#out;
    const election = this.#election;
    const isContent = election.isContent(this.#acceptor.promised);
    election.hasNewView = false;
    const heartbeat: Heartbeat = {
      kind: 'heartbeat',
      sequence: this.#peers.nextRound(nowMs),
      promised: this.#acceptor.promised,
      believedLeader: isContent ? election.leader : 0,
      leaderBallot: isContent ? election.leaderBallot : 0,
      quorumConnected: this.#peers.isQuorumConnected(nowMs),
      configId: this.#membership.configId,
      decidedUpTo: this.#log.decidedUpTo,
      appliedUpTo: this.#log.appliedUpTo,
      health: this.#health.own,
    };
    for (const peer of this.#peers.addressees(nowMs)) this.#out.send(peer.member, heartbeat);
    this.#confirmReads();
  }

  #confirmReads(): void {
    const { leadership } = this.#proposer;
    if (leadership !== null) this.#confirmation.confirm(leadership.ballot);
  }
}
