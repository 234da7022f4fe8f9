/**
 * The learner: turns "chosen" into "decided", delivers in slot order, and fetches what it missed from any peer.
 *
 * A leader's notice "decided up to d under ballot b" proves a slot only if the value here was accepted under that very
 * ballot (one value per ballot and slot); anything else is fetched, one page at a time, so that a node far behind neither
 * floods its peers nor is flooded.
 */
import type { Ballot, MemberSlot, Slot } from '../contract/ballot.ts';
import type { CatchUpEntries, Entry } from '../contract/peer.ts';
import type { Acceptor } from './acceptor.ts';
import type { Input } from './interface.ts';
import type { Outbox } from './outbox.ts';
import type { Peer, Peers } from './peers.ts';
import type { ReplicaLog } from './replica-log.ts';
import type { PaxosRules } from './rules.ts';

/** A snapshot is given up after this many times the patience for a page; the runtime tells of a failure much earlier. */
const SNAPSHOT_PATIENCE_RETRIES = 600;

type LogRead = Extract<Input, { kind: 'logRead' }>;

interface Parts {
  readonly out: Outbox;
  readonly log: ReplicaLog;
  readonly rules: PaxosRules;
  readonly acceptor: Acceptor;
  readonly peers: Peers;
  readonly maxBatchBytes: number;
  /** An unanswered catch-up request is sent again, perhaps elsewhere, after this many milliseconds. */
  readonly retryMs: number;
  readonly onDecided: (entry: Entry) => void;
}

interface Question {
  readonly member: MemberSlot;
  readonly fromSlot: Slot;
  readonly atMs: number;
}

export class Learner {
  #noticeBallot: Ballot = 0;
  #noticeUpTo: Slot = 0;
  #asked: Question | null = null;
  /** The last one that brought nothing. Asked again at once it would go to and fro as fast as the network does. */
  #barren: Question | null = null;
  #recordedUpTo: Slot;
  #decidedAtLastRound: Slot;
  /** A snapshot is being fetched: nothing below it will come in any other way. */
  #fetch: { readonly from: MemberSlot; readonly slot: Slot; readonly atMs: number } | null = null;
  /** The last peer that did not give what it was asked for; another one is preferred. */
  #failedFrom: MemberSlot = 0;
  /** Peers for which the runtime reads its log, and since when. */
  #reading = new Map<MemberSlot, number>();
  #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#recordedUpTo = parts.log.decidedUpTo;
    this.#decidedAtLastRound = parts.log.decidedUpTo;
  }

  /** The leader of `ballot` says that everything up to `upTo` is decided. */
  onNotice(ballot: Ballot, upTo: Slot): void {
    if (ballot < this.#noticeBallot) return;
    this.#noticeUpTo = ballot > this.#noticeBallot ? upTo : Math.max(this.#noticeUpTo, upTo);
    this.#noticeBallot = ballot;
    this.advance();
  }

  /** Decides what the last notice proves about the values here. */
  advance(): void {
    const { log, rules } = this.#parts;
    while (log.decidedUpTo < this.#noticeUpTo) {
      const next = log.get(log.decidedUpTo + 1);
      if (next === undefined || !rules.noticeProves(this.#noticeBallot, next)) return;
      this.#decide(next);
    }
  }

  /** The leader counted a quorum for everything up to `upTo`; all of it is here. */
  decideUpTo(upTo: Slot): void {
    const { log } = this.#parts;
    while (log.decidedUpTo < upTo) {
      const next = log.get(log.decidedUpTo + 1);
      if (next === undefined)
        throw new Error(`slot ${log.decidedUpTo + 1} was chosen under this leader but is missing`);
      this.#decide(next);
    }
  }

  /** Learns consecutive decided entries; skips known ones, stops at a hole or at a value that does not check. */
  learn(from: MemberSlot, entries: readonly Entry[]): void {
    const { log, out, acceptor, rules } = this.#parts;
    for (const entry of entries) {
      if (entry.slot <= log.decidedUpTo) continue;
      if (entry.slot !== log.decidedUpTo + 1) break;
      if (!rules.isIntact(entry)) {
        out.event({ kind: 'digestMismatch', from, slot: entry.slot });
        break;
      }
      acceptor.keepChosen(entry);
      this.#decide(log.get(entry.slot) ?? entry);
    }
    this.advance();
  }

  onCatchUpEntries(from: MemberSlot, message: CatchUpEntries): void {
    if (this.#asked?.fromSlot === message.fromSlot) this.#asked = null;
    const { log } = this.#parts;
    const before = log.decidedUpTo;
    const needsSnapshot = message.entries.length === 0 && message.snapshotSlot > before;
    if (needsSnapshot && message.fromSlot === before + 1) return this.#fetchSnapshot(from, message.snapshotSlot);
    this.learn(from, message.entries);
    const { fromSlot } = message;
    if (log.decidedUpTo === before) this.#barren = { member: from, fromSlot, atMs: this.#parts.out.nowMs };
    if (log.decidedUpTo >= message.decidedUpTo) return;
    if (log.decidedUpTo > before) this.ask(from);
    // It has decided the next slot and did not give it: its copy is damaged, or its disk fails. One intact copy is enough.
    else if (message.fromSlot === before + 1) this.#failedFrom = from;
  }

  /** Asks for the next decided entries, unless an earlier question, or a snapshot, may still bring them. */
  ask(member: MemberSlot): void {
    const { out, log, retryMs } = this.#parts;
    const fromSlot = log.decidedUpTo + 1;
    const isRecent = (question: Question | null) => question !== null && out.nowMs - question.atMs < retryMs;
    if (this.#isFetching() || isRecent(this.#asked)) return;
    const { member: barren = 0, fromSlot: barrenFrom = 0 } = this.#barren ?? {};
    if (member === barren && fromSlot === barrenFrom && isRecent(this.#barren)) return;
    if (this.#asked !== null) this.#failedFrom = this.#asked.member;
    this.#asked = { member, fromSlot, atMs: out.nowMs };
    out.send(member, { kind: 'catchUpRequest', fromSlot });
  }

  onSnapshotFailed(): void {
    this.#failedFrom = this.#fetch?.from ?? 0;
    this.#fetch = null;
  }

  /** The machine stands at this slot, from a snapshot. Returns whether that is news. */
  onSnapshotInstalled(slot: Slot): boolean {
    const { log, rules } = this.#parts;
    this.#fetch = null;
    this.#failedFrom = 0;
    if (!rules.mayInstall(slot, log.decidedUpTo)) return false;
    log.skipTo(slot);
    this.#asked = null;
    return true;
  }

  /** What catching up waits for, in words, when that is more than the answer of a peer; else null. */
  get obstacle(): string | null {
    if (this.#fetch === null) return null;
    const { slot, from, atMs } = this.#fetch;
    const seconds = Math.round((this.#parts.out.nowMs - atMs) / 1000);
    return `no log reaches back that far, so the snapshot at slot ${slot} is fetched from member ${from}, for ${seconds} s now`;
  }

  /** After an accept: when the next decided slot is not among what came, asking is faster than waiting for a resend. */
  askIfStuck(leader: MemberSlot): void {
    if (this.#parts.log.decidedUpTo < this.#noticeUpTo) this.ask(leader);
  }

  /** Once a heartbeat interval: asks the most advanced peer when nothing was decided here meanwhile. */
  onRound(): void {
    const { log } = this.#parts;
    const isStill = log.decidedUpTo === this.#decidedAtLastRound;
    this.#decidedAtLastRound = log.decidedUpTo;
    const source = isStill ? this.#source() : undefined;
    if (source !== undefined) this.ask(source.member);
  }

  /** Answers a peer's catch-up request from memory, or has the runtime read its log: one page at a time for each peer. */
  onCatchUpRequest(from: MemberSlot, fromSlot: Slot): void {
    const { log, out, maxBatchBytes, retryMs } = this.#parts;
    if (fromSlot >= log.startSlot || fromSlot > log.decidedUpTo) {
      const entries = log.page({ fromSlot, upToSlot: log.decidedUpTo, maxBytes: maxBatchBytes });
      return this.#sendEntries(from, fromSlot, { entries, snapshotSlot: 0 });
    }
    if (out.nowMs - (this.#reading.get(from) ?? Number.NEGATIVE_INFINITY) < retryMs) return;
    this.#reading.set(from, out.nowMs);
    out.emit({ kind: 'readLog', to: from, fromSlot, maxBytes: maxBatchBytes });
  }

  /** What the runtime's log has, which is preferred, or else the slot of its snapshot. */
  onLogRead({ to, fromSlot, entries, snapshotSlot }: LogRead): void {
    this.#reading.delete(to);
    const decided = entries.filter((entry) => entry.slot <= this.#parts.log.decidedUpTo);
    this.#sendEntries(to, fromSlot, { entries: decided, snapshotSlot: decided.length > 0 ? 0 : snapshotSlot });
  }

  /** Records the decided slot; once in a while is enough, since it only shortens recovery. */
  record(): void {
    const { log, out } = this.#parts;
    if (log.decidedUpTo === this.#recordedUpTo) return;
    this.#recordedUpTo = log.decidedUpTo;
    out.persist({ kind: 'decided', upTo: log.decidedUpTo });
  }

  #sendEntries(to: MemberSlot, fromSlot: Slot, found: Pick<CatchUpEntries, 'entries' | 'snapshotSlot'>): void {
    const { decidedUpTo } = this.#parts.log;
    this.#parts.out.send(to, { kind: 'catchUpEntries', fromSlot, ...found, decidedUpTo });
  }

  #fetchSnapshot(from: MemberSlot, slot: Slot): void {
    const { out } = this.#parts;
    if (this.#isFetching()) return;
    this.#fetch = { from, slot, atMs: out.nowMs };
    out.emit({ kind: 'fetchSnapshot', from, slot });
  }

  #isFetching(): boolean {
    const { out, retryMs } = this.#parts;
    return this.#fetch !== null && out.nowMs - this.#fetch.atMs < SNAPSHOT_PATIENCE_RETRIES * retryMs;
  }

  /** The most advanced peer, if it knows more than this node; not the one that just failed if there is another. */
  #source(): Peer | undefined {
    const { log, peers, out } = this.#parts;
    const best = peers.mostDecided(out.nowMs);
    if (best === undefined || best.decidedUpTo <= log.decidedUpTo) return undefined;
    if (best.member !== this.#failedFrom) return best;
    const isOther = (peer: Peer) => peer !== best && peer.decidedUpTo > log.decidedUpTo;
    return peers.all.find((peer) => isOther(peer) && peers.isConnected(peer, out.nowMs)) ?? best;
  }

  #decide(entry: Entry): void {
    this.#parts.log.decide(entry.slot);
    this.#parts.out.emit({ kind: 'deliver', entry });
    this.#parts.onDecided(entry);
  }
}
