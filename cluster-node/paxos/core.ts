/**
 * The Multi-Paxos core: a deterministic state machine with no input or output of its own.
 *
 * Every node is acceptor (`acceptor.ts`), learner (`learner.ts`) and potential proposer. A proposer is first a candidate with
 * one ballot (`candidacy.ts`, phase 1) and then, once a quorum has promised, the leader of that ballot (`leadership.ts`,
 * phase 2). Who tries when is `election.ts`; the few rules on which safety rests are `rules.ts` and `quorum.ts`. This file
 * only wires them: it takes an input, lets the part concerned act, and then settles what follows (a higher ballot deposes a
 * leader, more acceptances decide slots, a change of leader sends waiting requests again).
 */
import { type MemberSlot, nextBallot } from '../contract/ballot.ts';
import type { Accept, Heartbeat, HeartbeatReply, Nack, PeerMessage, RequestId } from '../contract/peer.ts';
import { Acceptor } from './acceptor.ts';
import { Candidacy } from './candidacy.ts';
import { Election } from './election.ts';
import type { CoreOptions, CoreStatus, Effect, Input, RecoveredState } from './interface.ts';
import { Jitter } from './jitter.ts';
import { Leadership } from './leadership.ts';
import { Learner } from './learner.ts';
import { Outbox } from './outbox.ts';
import { type Peer, Peers } from './peers.ts';
import type { QuorumSystem } from './quorum.ts';
import { ClientReads, ReadConfirmation } from './reads.ts';
import { ReplicaLog } from './replica-log.ts';
import { ClientRequests } from './requests.ts';
import { PAXOS_RULES, type PaxosRules } from './rules.ts';
import { statusOf } from './status.ts';
import { Transfer } from './transfer.ts';

const CATCH_UP_RETRY_HEARTBEATS = 4;

export class PaxosCore {
  readonly #options: CoreOptions;
  readonly #rules: PaxosRules;
  readonly #quorums: QuorumSystem;
  readonly #out = new Outbox();
  readonly #log: ReplicaLog;
  readonly #peers: Peers;
  readonly #acceptor: Acceptor;
  readonly #learner: Learner;
  readonly #election: Election;
  readonly #requests: ClientRequests;
  readonly #reads: ClientReads;
  readonly #confirmation: ReadConfirmation;
  #candidacy: Candidacy | null = null;
  #leadership: Leadership | null = null;
  #transfer: Transfer | null = null;
  #roundAtMs = Number.NEGATIVE_INFINITY;
  /** This node's view of the leader changed: tell everyone now rather than with the next heartbeat. */
  #hasNewView = false;

  /**
   * `recovered` is null for a node that has never run. `rules` are for the simulator's negative controls; leave them out.
   * Throws RangeError when `self` is not among `members`.
   */
  constructor(options: CoreOptions, recovered: RecoveredState | null, rules: PaxosRules = PAXOS_RULES) {
    if (!options.members.includes(options.self)) throw new RangeError(`member ${options.self} is not in the cluster`);
    const out = this.#out;
    const { self, maxBatchBytes } = options;
    const promised = recovered?.promised ?? 0;
    this.#options = options;
    this.#rules = rules;
    this.#quorums = rules.quorums(options.members);
    const quorums = this.#quorums;
    const log = new ReplicaLog(recovered?.decidedUpTo ?? 0, recovered?.accepted ?? [], options.memorySlots);
    this.#log = log;
    const peers = new Peers(self, quorums, options.electionTimeoutMs);
    this.#peers = peers;
    this.#acceptor = new Acceptor({ out, log, rules, maxBatchBytes }, promised);
    const jitter = new Jitter(options.seed ^ Math.imul(self, 0x9e3779b1));
    this.#election = new Election({ out, peers, options, jitter }, promised);
    this.#learner = new Learner({
      out,
      log,
      acceptor: this.#acceptor,
      peers,
      maxBatchBytes,
      retryMs: CATCH_UP_RETRY_HEARTBEATS * options.heartbeatMs,
      onDecided: (entry) => this.#requests.onDecided(entry),
    });
    const next = () => this.#election.route(this.#acceptor.promised);
    const propose = (value: Uint8Array, digest: number) => this.#propose(value, digest);
    this.#requests = new ClientRequests({ out, options, route: { propose, next } });
    const register = (request: RequestId, replyTo: MemberSlot) => this.#registerRead(request, replyTo);
    this.#reads = new ClientReads({ out, options, route: { register, next } });
    this.#confirmation = new ReadConfirmation({
      peers,
      quorums,
      self,
      answer: (replyTo, reply) => (replyTo === self ? this.#reads.onReply(reply) : out.send(replyTo, reply)),
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
      role: this.#leadership !== null ? 'leader' : this.#candidacy !== null ? 'candidate' : 'follower',
      undecidedSlots: this.#leadership?.undecidedSlots ?? 0,
      pendingRequests: this.#requests.count + this.#reads.count,
      transferTarget: this.#transfer?.target ?? 0,
    });
  }

  #take(input: Input): void {
    switch (input.kind) {
      case 'tick':
        return this.#onTick();
      case 'message': {
        const peer = this.#peers.get(input.from);
        return peer === undefined ? undefined : this.#onMessage(peer, input.message);
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
        return this.#onTransferAsked(input.target);
      case 'logRead':
        return this.#learner.onLogRead(input.to, input.fromSlot, input.entries);
    }
  }

  #onMessage(peer: Peer, message: PeerMessage): void {
    const from = peer.member;
    peer.heardAtMs = this.#out.nowMs;
    switch (message.kind) {
      case 'prepare':
        if (message.ballot > this.#acceptor.promised) this.#election.yieldToCandidate();
        return this.#acceptor.onPrepare(from, message);
      case 'promise':
        return this.#onPromise(from, message);
      case 'accept':
        return this.#onAccept(from, message);
      case 'accepted':
        return this.#leadership?.onAccepted(from, message);
      case 'nack':
        return this.#onNack(message);
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
        if (message.ballot === this.#acceptor.promised && this.#leadership === null) this.#campaign('transfer');
        return;
    }
  }

  #onLink(member: MemberSlot, up: boolean): void {
    const peer = this.#peers.get(member);
    if (peer !== undefined && !up) this.#election.onLinkDown(peer);
  }

  #onTick(): void {
    const { heartbeatMs, electionTimeoutMs } = this.#options;
    const { nowMs } = this.#out;
    if (this.#leadership !== null && !this.#peers.isQuorumConnected(nowMs)) this.#stepDown('noQuorum');
    if (this.#candidacy !== null && nowMs - this.#candidacy.progressAtMs >= electionTimeoutMs) this.#giveUp();
    if (this.#leadership === null && this.#candidacy === null) this.#considerCampaign();
    if (nowMs - this.#roundAtMs < heartbeatMs) return;
    this.#roundAtMs = nowMs;
    this.#sendHeartbeats();
    this.#candidacy?.sendPrepares();
    this.#leadership?.resend();
    this.#learner.onRound();
    this.#learner.record();
    this.#requests.onRound();
    this.#reads.onRound();
  }

  /** What follows from any input, in an order that lets a deposed leader do nothing more. */
  #settle(): void {
    this.#endDeposed();
    this.#election.sawBallot(this.#acceptor.promised);
    this.#acceptor.settle();
    this.#tryToLead();
    this.#leadership?.count();
    this.#acknowledge();
    if (this.#transfer !== null && !this.#transfer.advance()) this.#transfer = null;
    if (this.#leadership !== null) this.#confirmation.confirm(this.#leadership.ballot);
    if (this.#hasNewView || this.#confirmation.needsRound()) this.#sendHeartbeats();
  }

  #endDeposed(): void {
    const { promised } = this.#acceptor;
    if (this.#leadership !== null && promised > this.#leadership.ballot) this.#stepDown('higherBallot');
    if (this.#candidacy !== null && promised > this.#candidacy.ballot) this.#candidacy = null;
  }

  #considerCampaign(): void {
    const { decidedUpTo } = this.#log;
    if (this.#election.isContent(this.#acceptor.promised)) return;
    if (this.#election.forget()) this.#hasNewView = true;
    const isBehind = this.#peers.all.some((peer) => peer.decidedUpTo > decidedUpTo);
    if (this.#election.isDue(isBehind)) this.#campaign('noLeader');
  }

  #campaign(reason: 'noLeader' | 'transfer'): void {
    const { self } = this.#options;
    const ballot = nextBallot(Math.max(this.#election.highestSeen, this.#acceptor.promised), self);
    this.#acceptor.raise(ballot);
    this.#election.sawBallot(ballot);
    this.#election.forget();
    this.#hasNewView = true;
    this.#out.event({ kind: 'electionStarted', ballot, reason });
    const parts = { out: this.#out, log: this.#log, rules: this.#rules, quorums: this.#quorums, self };
    this.#candidacy = new Candidacy(parts, ballot);
    this.#candidacy.sendPrepares();
  }

  #giveUp(): void {
    this.#candidacy = null;
    this.#election.failed();
  }

  #onPromise(from: MemberSlot, message: PeerMessage & { kind: 'promise' }): void {
    if (message.ballot !== this.#candidacy?.ballot) return;
    this.#candidacy.onPromise(from, message);
    this.#learner.learn(
      from,
      message.entries.filter((entry) => entry.slot <= message.decidedUpTo),
    );
  }

  #tryToLead(): void {
    const candidacy = this.#candidacy;
    if (candidacy === null || !candidacy.hasQuorum()) return;
    const ahead = candidacy.aheadOfUs();
    if (ahead !== null) return this.#learner.ask(ahead);
    const { ballot } = candidacy;
    const { self } = this.#options;
    const proposals = candidacy.proposals();
    this.#candidacy = null;
    this.#out.event({ kind: 'becameLeader', ballot, fromSlot: this.#log.decidedUpTo + 1 });
    const parts = {
      out: this.#out,
      log: this.#log,
      acceptor: this.#acceptor,
      learner: this.#learner,
      peers: this.#peers,
      quorums: this.#quorums,
      options: this.#options,
    };
    this.#leadership = new Leadership(parts, ballot, proposals);
    this.#election.succeeded();
    this.#leadership.sendNotice();
    this.#election.follow(self, ballot);
    this.#onNewLeader();
  }

  #stepDown(reason: 'noQuorum' | 'higherBallot'): void {
    const leadership = this.#leadership;
    if (leadership === null) return;
    this.#leadership = null;
    const isHandedOver = this.#transfer !== null && reason === 'higherBallot';
    this.#transfer = null;
    this.#out.event({ kind: 'steppedDown', ballot: leadership.ballot, reason: isHandedOver ? 'transfer' : reason });
    this.#confirmation.fail();
    this.#requests.onLeadershipLost();
    if (this.#election.leader === this.#options.self) this.#election.forget();
    if (!isHandedOver) this.#election.failed();
    this.#hasNewView = true;
  }

  #onAccept(from: MemberSlot, message: Accept): void {
    if (!this.#acceptor.onAccept(from, message)) return;
    this.#endDeposed();
    this.#follow(from, message.ballot);
    this.#learner.onNotice(message.ballot, message.decidedUpTo);
    this.#learner.askIfStuck(from);
  }

  #onNack(message: Nack): void {
    this.#election.sawBallot(message.promised);
    if (message.ballot === this.#leadership?.ballot && message.promised > message.ballot)
      this.#stepDown('higherBallot');
    if (message.ballot === this.#candidacy?.ballot && message.promised > message.ballot) this.#giveUp();
  }

  #onHeartbeat(peer: Peer, message: Heartbeat): void {
    const { promised } = this.#acceptor;
    this.#peers.onHeartbeat(peer, message, this.#out.nowMs);
    this.#onForeignPromise(message.promised);
    const { sequence, leaderBallot } = message;
    if (message.believedLeader === peer.member) {
      if (leaderBallot >= promised) this.#follow(peer.member, leaderBallot);
      this.#learner.onNotice(leaderBallot, message.decidedUpTo);
    } else if (this.#election.leader === peer.member && this.#election.forget()) this.#hasNewView = true;
    const { decidedUpTo } = this.#log;
    this.#out.send(peer.member, { kind: 'heartbeatReply', sequence, promised, decidedUpTo });
  }

  #onHeartbeatReply(peer: Peer, message: HeartbeatReply): void {
    this.#peers.onReply(peer, message, this.#out.nowMs);
    this.#onForeignPromise(message.promised);
    // It missed phase 1; until it promises this ballot it counts neither for slots nor for reads.
    if (this.#leadership !== null && message.promised < this.#leadership.ballot)
      this.#leadership.sendNotice(peer.member);
  }

  /** An acceptor bound to a higher ballot will never accept from this leader: make room for one it can accept from. */
  #onForeignPromise(promised: number): void {
    this.#election.sawBallot(promised);
    if (this.#leadership !== null && promised > this.#leadership.ballot) this.#stepDown('higherBallot');
  }

  #follow(leader: MemberSlot, ballot: number): void {
    if (this.#candidacy !== null && ballot > this.#candidacy.ballot) this.#candidacy = null;
    if (this.#election.follow(leader, ballot)) this.#onNewLeader();
    this.#election.succeeded();
  }

  #onNewLeader(): void {
    this.#hasNewView = true;
    this.#requests.onLeaderChange();
    this.#reads.onLeaderChange();
  }

  #acknowledge(): void {
    const { leader, leaderBallot } = this.#election;
    if (leader !== 0 && leader !== this.#options.self) this.#acceptor.acknowledge(leader, leaderBallot);
  }

  #propose(value: Uint8Array, digest: number): 'proposed' | 'busy' | 'notLeader' {
    if (this.#leadership === null) return 'notLeader';
    return this.#leadership.propose(value, digest) ? 'proposed' : 'busy';
  }

  #registerRead(request: RequestId, replyTo: MemberSlot): boolean {
    if (this.#leadership === null) return false;
    const readSlot = Math.max(this.#log.decidedUpTo, this.#leadership.recoveredUpTo);
    this.#confirmation.add(request, replyTo, readSlot);
    return true;
  }

  #onTransferAsked(target: MemberSlot): void {
    const leadership = this.#leadership;
    const peer = this.#peers.get(target);
    const refuse = (reason: string) => this.#out.event({ kind: 'transferFailed', target, reason });
    if (leadership === null) return refuse('this node does not lead');
    if (this.#transfer !== null) return refuse('another transfer is under way');
    if (peer === undefined) return refuse('the target is not another member of the cluster');
    if (!this.#peers.isConnected(peer, this.#out.nowMs)) return refuse('the target is not connected');
    this.#transfer = new Transfer({ out: this.#out, options: this.#options, leadership }, target);
  }

  #sendHeartbeats(): void {
    const { nowMs } = this.#out;
    const election = this.#election;
    const isContent = election.isContent(this.#acceptor.promised);
    this.#hasNewView = false;
    const heartbeat: Heartbeat = {
      kind: 'heartbeat',
      sequence: this.#peers.nextRound(nowMs),
      promised: this.#acceptor.promised,
      believedLeader: isContent ? election.leader : 0,
      leaderBallot: isContent ? election.leaderBallot : 0,
      quorumConnected: this.#peers.isQuorumConnected(nowMs),
      decidedUpTo: this.#log.decidedUpTo,
      appliedUpTo: this.#log.appliedUpTo,
    };
    for (const peer of this.#peers.all) this.#out.send(peer.member, heartbeat);
    if (this.#leadership !== null) this.#confirmation.confirm(this.#leadership.ballot);
  }
}
