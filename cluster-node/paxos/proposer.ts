/**
 * This node as a proposer: nothing at first, then perhaps a candidate with one ballot (`candidacy.ts`, phase 1), and once a
 * quorum has promised, the leader of that ballot (`leadership.ts`, phase 2), who may hand over (`transfer.ts`). Here is only
 * how one becomes the other and what ends each; whether it is time to try is `election.ts`. A leadership lasts one configuration
 * at most: who leads when a stop entry is decided goes on in the next configuration with a ballot and a phase 1 of its own.
 */
import type { Ballot, MemberSlot, Slot } from '../contract/ballot.ts';
import type { ConfigurationChange } from '../contract/configuration.ts';
import type { Nack, Promise, RequestId } from '../contract/peer.ts';
import type { Acceptor } from './acceptor.ts';
import { Candidacy } from './candidacy.ts';
import type { Election } from './election.ts';
import type { CoreOptions, CoreStatus } from './interface.ts';
import type { Health } from './health.ts';
import { Leadership } from './leadership.ts';
import type { Learner } from './learner.ts';
import type { LeaderLease, LeaseVow } from './lease.ts';
import type { Membership } from './membership.ts';
import type { Outbox } from './outbox.ts';
import type { Peers } from './peers.ts';
import type { ReadConfirmation } from './reads.ts';
import { planChange } from './reconfiguration.ts';
import type { ReplicaLog } from './replica-log.ts';
import type { PaxosRules } from './rules.ts';
import { Transfer } from './transfer.ts';

interface Parts {
  readonly out: Outbox;
  readonly log: ReplicaLog;
  readonly rules: PaxosRules;
  readonly membership: Membership;
  readonly options: CoreOptions;
  readonly acceptor: Acceptor;
  readonly learner: Learner;
  readonly peers: Peers;
  readonly election: Election;
  readonly confirmation: ReadConfirmation;
  readonly vow: LeaseVow;
  readonly lease: LeaderLease;
  readonly health: Health;
  readonly onNewLeader: () => void;
  readonly onLeadershipLost: () => void;
}

export class Proposer {
  leadership: Leadership | null = null;
  /** What an own attempt to lead came to nothing for lately: nobody shows what was accepted in this slot. */
  hiddenSlot: Slot | null = null;
  #candidacy: Candidacy | null = null;
  #transfer: Transfer | null = null;
  /** Asked for here, and its stop entry is not decided. */
  #change: ConfigurationChange | null = null;
  #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get role(): CoreStatus['role'] {
    return this.leadership !== null ? 'leader' : this.#candidacy !== null ? 'candidate' : 'follower';
  }

  get transferTarget(): MemberSlot {
    return this.#transfer?.target ?? 0;
  }

  onTick(): void {
    const { out, peers, options } = this.#parts;
    if (this.leadership !== null && !peers.canDecide(out.nowMs)) this.#stepDown('noQuorum');
    this.leadership?.onTick();
    const progressAtMs = this.#candidacy?.progressAtMs;
    if (progressAtMs !== undefined && out.nowMs - progressAtMs >= options.electionTimeoutMs) this.#giveUp();
    if (this.leadership === null && this.#candidacy === null) this.#considerCampaign();
  }

  /** Once a heartbeat interval. */
  onRound(): void {
    const candidacy = this.#candidacy;
    // Not one that asked or was answered in this very moment: promises may be long, and would be sent twice.
    if (candidacy !== null && candidacy.progressAtMs < this.#parts.out.nowMs) candidacy.sendPrepares();
    this.leadership?.resend();
    this.#considerHandOver();
  }

  /** A deposed leader or candidate, or one of an ended configuration, does nothing more. */
  endDeposed(): void {
    const { promised } = this.#parts.acceptor;
    if (this.leadership !== null && promised > this.leadership.ballot) this.#stepDown('higherBallot');
    this.endBelow(promised);
    this.#endReconfigured();
  }

  /** There is a leader or a promise of this ballot: a candidacy for a lower one is over. */
  endBelow(ballot: Ballot): void {
    if (this.#candidacy !== null && ballot > this.#candidacy.ballot) this.#candidacy = null;
  }

  /**
   * A snapshot skipped slots. A leader that lacks what others decided has been deposed without hearing of it, or is about to
   * be; a candidate asked about slots that are over. Both begin anew.
   */
  endBySnapshot(): void {
    this.#stepDown('higherBallot');
    this.#candidacy = null;
  }

  /** After everything that an input did directly: may a candidate lead, what is chosen, is a transfer through? */
  settle(): void {
    this.#tryToLead();
    this.leadership?.count();
    this.#endReconfigured();
    if (this.#transfer !== null && !this.#transfer.advance()) this.#transfer = null;
  }

  onPromise(from: MemberSlot, message: Promise): void {
    if (message.ballot !== this.#candidacy?.ballot) return;
    this.#candidacy.onPromise(from, message);
    this.#parts.learner.learn(
      from,
      message.entries.filter((entry) => entry.slot <= message.decidedUpTo),
    );
  }

  onNack(from: MemberSlot, message: Nack): void {
    const { election, membership, learner } = this.#parts;
    const { ballot, promised, configId } = message;
    // What a learner or a stranger has promised stands in no quorum's way.
    const isOutbid = membership.isVoter(from) && promised > ballot;
    if (isOutbid) election.sawBallot(promised);
    if (isOutbid && ballot === this.leadership?.ballot) this.#stepDown('higherBallot');
    const isLate = configId > membership.configId;
    if (ballot === this.#candidacy?.ballot && (isLate || isOutbid)) this.#giveUp();
    if (isLate) learner.ask(from);
  }

  /**
   * An acceptor bound to a higher ballot will never accept from this leader: make room for one it can accept from. A candidate
   * would be such a leader. While vows to an earlier one keep it waiting, the other one waits as well; so would they take
   * turns, if both went on: each led for a moment, deposed by the promise that the other got meanwhile.
   */
  onForeignPromise(promised: Ballot): void {
    this.#parts.election.sawBallot(promised);
    if (this.leadership !== null && promised > this.leadership.ballot) this.#stepDown('higherBallot');
    if (this.#candidacy !== null && promised > this.#candidacy.ballot) this.#giveUp();
  }

  /** The leader whose promised ballot this node has hands over to it. */
  onTransferredTo(ballot: Ballot): void {
    const { acceptor, membership, options, vow } = this.#parts;
    if (ballot !== acceptor.promised || this.leadership !== null || !membership.isVoter(options.self)) return;
    // What it may have vowed before a restart: the leader tells it again every heartbeat.
    if (vow.forbids(ballot)) return;
    this.#campaign('transfer', ballot);
  }

  onTransferAsked(target: MemberSlot): void {
    const { out, peers, options, membership, lease } = this.#parts;
    const { leadership } = this;
    const peer = peers.get(target);
    const refuse = (reason: string) => out.event({ kind: 'transferFailed', target, reason });
    if (leadership === null) return refuse('this node does not lead');
    if (this.#transfer !== null) return refuse('another transfer is under way');
    if (leadership.isStopping) return refuse('the members of the cluster are being changed');
    if (target === options.self || peer === undefined || !membership.isVoter(target))
      return refuse('the target is not another voter of the cluster');
    if (!peers.isConnected(peer, out.nowMs)) return refuse('the target is not connected');
    if (peer.health.isDiskFull) return refuse("the target's disk is full");
    const release = () => lease.release(leadership.ballot);
    this.#transfer = new Transfer({ out, options, leadership, release }, target);
  }

  onReconfigureAsked(change: ConfigurationChange): void {
    const { out, log, peers, membership, options, election } = this.#parts;
    const { leadership } = this;
    const refuse = (reason: string) => out.event({ kind: 'reconfigureRefused', change, reason });
    if (leadership === null) {
      const { leader } = election;
      return refuse(leader === 0 ? 'no leader is known here' : `${membership.nameOf(leader)} leads, not this node`);
    }
    if (this.#transfer !== null) return refuse('leadership is being handed over');
    if (leadership.isStopping) return refuse('another change is under way');
    if (log.decidedUpTo < leadership.recoveredUpTo)
      return refuse('this leader has not yet decided what those before it left: try again in a moment');
    const plan = planChange(membership.configuration, change, {
      leader: options.self,
      isPresent: (member) => peers.isPresent(member, out.nowMs),
      decidedUpTo: log.decidedUpTo,
      durableUpTo: (member) => leadership.durableUpTo(member),
    });
    if (plan.kind === 'refused') return refuse(plan.reason);
    this.#change = change;
    leadership.stop(plan.configuration);
  }

  propose(value: Uint8Array, digest: number, origin: MemberSlot): 'proposed' | 'busy' | 'notLeader' {
    if (this.leadership === null) return 'notLeader';
    return this.leadership.propose(value, digest, origin) ? 'proposed' : 'busy';
  }

  registerRead(request: RequestId, replyTo: MemberSlot): boolean {
    const { rules, log, lease, confirmation, options } = this.#parts;
    if (this.leadership === null || !rules.mayAnswerReads(this.leadership.tookOverStop)) return false;
    const readSlot = rules.readSlot(log.decidedUpTo, this.leadership.recoveredUpTo);
    if (lease.holds(this.leadership.ballot)) {
      // No heartbeat takes it there.
      if (replyTo !== options.self) this.leadership.sendNotice(replyTo);
      confirmation.answer(request, replyTo, readSlot);
    } else confirmation.add(request, replyTo, readSlot);
    return true;
  }

  #considerCampaign(): void {
    const { election, acceptor, peers, log, membership, vow, health } = this.#parts;
    if (election.isContent(acceptor.promised)) return;
    if (election.forget()) election.hasNewView = true;
    if (!membership.isVoter(membership.self) || vow.forbids(0)) return;
    const isBehind = log.lostSlots > 0 || peers.all.some((peer) => peer.decidedUpTo > log.decidedUpTo);
    if (election.isDue({ isBehind, isImpaired: health.isImpaired() })) this.#campaign('noLeader', 0);
  }

  /** `leaseReleased`: the ballot whose leader handed over to this node; 0 otherwise. */
  #campaign(reason: 'noLeader' | 'transfer' | 'reconfigured', leaseReleased: Ballot): void {
    const { out, log, rules, membership, election, acceptor, options } = this.#parts;
    const ballot = rules.nextBallot(Math.max(election.highestSeen, acceptor.promised), options.self);
    acceptor.raise(ballot);
    election.sawBallot(ballot);
    election.forget();
    election.hasNewView = true;
    out.event({ kind: 'electionStarted', ballot, reason });
    this.#candidacy = new Candidacy({ out, log, rules, membership }, ballot, leaseReleased);
    this.#candidacy.sendPrepares();
  }

  #considerHandOver(): void {
    if (this.leadership === null || this.#transfer !== null || this.leadership.isStopping) return;
    const handOver = this.#parts.health.onLeaderRound();
    if (handOver === null) return;
    this.#parts.out.event({ kind: 'handingOver', ...handOver });
    this.onTransferAsked(handOver.target);
  }

  #giveUp(): void {
    const { election } = this.#parts;
    const ahead = this.#candidacy?.aheadOfUs() ?? null;
    this.#candidacy = null;
    if (ahead === null) election.failed();
    else election.failedBehind();
  }

  #tryToLead(): void {
    const { out, log, rules, learner, election, membership, options, acceptor, peers } = this.#parts;
    const candidacy = this.#candidacy;
    if (candidacy === null || !candidacy.hasQuorum()) return;
    const ahead = candidacy.aheadOfUs();
    if (ahead !== null) return learner.ask(ahead);
    this.hiddenSlot = candidacy.hiddenSlot();
    if (this.hiddenSlot !== null) return;
    const { ballot } = candidacy;
    const proposals = candidacy.proposals();
    this.#candidacy = null;
    out.event({ kind: 'becameLeader', ballot, fromSlot: log.decidedUpTo + 1 });
    const parts = { out, log, rules, acceptor, learner, peers, membership, options };
    this.leadership = new Leadership(parts, ballot, proposals);
    election.succeeded();
    this.leadership.sendNotice();
    election.follow(options.self, ballot);
    this.#parts.onNewLeader();
  }

  /** A stop entry was decided here. Whoever led up to it knows best that nobody leads after it. */
  #endReconfigured(): void {
    const { membership, election, lease, options } = this.#parts;
    const { configId } = membership;
    if (this.#candidacy !== null && this.#candidacy.configId !== configId) this.#candidacy = null;
    if (this.leadership === null || this.leadership.configId === configId) return;
    const { ballot } = this.leadership;
    lease.release(ballot);
    this.#change = null;
    this.#stepDown('reconfigured');
    if (!membership.isVoter(options.self)) return;
    this.#campaign('reconfigured', ballot);
    // Until the prepare reaches the others they are content: told any earlier, they would stand for election themselves.
    election.hasNewView = false;
  }

  #stepDown(reason: 'noQuorum' | 'higherBallot' | 'reconfigured'): void {
    const { out, election, confirmation, options } = this.#parts;
    const { leadership } = this;
    if (leadership === null) return;
    this.leadership = null;
    const isHandedOver = this.#transfer !== null && reason === 'higherBallot';
    this.#transfer = null;
    out.event({ kind: 'steppedDown', ballot: leadership.ballot, reason: isHandedOver ? 'transfer' : reason });
    if (this.#change !== null) {
      const why = 'leadership was lost before the change was decided; it may still come into force';
      out.event({ kind: 'reconfigureRefused', change: this.#change, reason: why });
    }
    this.#change = null;
    confirmation.fail();
    this.#parts.onLeadershipLost();
    if (election.leader === options.self) election.forget();
    if (!isHandedOver && reason !== 'reconfigured') election.failed();
    election.hasNewView = true;
  }
}
