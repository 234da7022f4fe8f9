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
import type { Outbox } from './outbox.ts';
import type { Peers } from './peers.ts';
import type { ReplicaLog } from './replica-log.ts';
import type { PaxosRules } from './rules.ts';

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

export class Learner {
  #noticeBallot: Ballot = 0;
  #noticeUpTo: Slot = 0;
  #asked: { readonly fromSlot: Slot; readonly atMs: number } | null = null;
  #recordedUpTo: Slot;
  #decidedAtLastRound: Slot;
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
    const before = this.#parts.log.decidedUpTo;
    this.learn(from, message.entries);
    const { decidedUpTo } = this.#parts.log;
    if (decidedUpTo > before && decidedUpTo < message.decidedUpTo) this.ask(from);
  }

  /** Asks for the next decided entries, unless an earlier question may still be answered. */
  ask(member: MemberSlot): void {
    const { out, log, retryMs } = this.#parts;
    const fromSlot = log.decidedUpTo + 1;
    if (this.#asked !== null && out.nowMs - this.#asked.atMs < retryMs) return;
    this.#asked = { fromSlot, atMs: out.nowMs };
    out.send(member, { kind: 'catchUpRequest', fromSlot });
  }

  /** After an accept: when the next decided slot is not among what came, asking is faster than waiting for a resend. */
  askIfStuck(leader: MemberSlot): void {
    if (this.#parts.log.decidedUpTo < this.#noticeUpTo) this.ask(leader);
  }

  /** Once a heartbeat interval: asks the most advanced peer when nothing was decided here meanwhile. */
  onRound(): void {
    const { log, peers, out } = this.#parts;
    const isStill = log.decidedUpTo === this.#decidedAtLastRound;
    this.#decidedAtLastRound = log.decidedUpTo;
    const best = isStill ? peers.mostDecided(out.nowMs) : undefined;
    if (best !== undefined && best.decidedUpTo > log.decidedUpTo) this.ask(best.member);
  }

  /** Answers a peer's catch-up request from memory, or has the runtime read its log. */
  onCatchUpRequest(from: MemberSlot, fromSlot: Slot): void {
    const { log, out, maxBatchBytes } = this.#parts;
    if (fromSlot < log.startSlot && fromSlot <= log.decidedUpTo)
      return out.emit({ kind: 'readLog', to: from, fromSlot, maxBytes: maxBatchBytes });
    this.#sendEntries(from, fromSlot, log.page({ fromSlot, upToSlot: log.decidedUpTo, maxBytes: maxBatchBytes }));
  }

  onLogRead(to: MemberSlot, fromSlot: Slot, entries: readonly Entry[]): void {
    const decided = entries.filter((entry) => entry.slot <= this.#parts.log.decidedUpTo);
    this.#sendEntries(to, fromSlot, decided);
  }

  /** Records the decided slot; once in a while is enough, since it only shortens recovery. */
  record(): void {
    const { log, out } = this.#parts;
    if (log.decidedUpTo === this.#recordedUpTo) return;
    this.#recordedUpTo = log.decidedUpTo;
    out.persist({ kind: 'decided', upTo: log.decidedUpTo });
  }

  #sendEntries(to: MemberSlot, fromSlot: Slot, entries: readonly Entry[]): void {
    const { decidedUpTo } = this.#parts.log;
    this.#parts.out.send(to, { kind: 'catchUpEntries', fromSlot, entries, decidedUpTo, snapshotSlot: 0 });
  }

  #decide(entry: Entry): void {
    this.#parts.log.decide(entry.slot);
    this.#parts.out.emit({ kind: 'deliver', entry });
    this.#parts.onDecided(entry);
  }
}
