/**
 * Compares this node's state with the others' at agreed slots. Deterministic machines that executed the same slots are equal; one
 * that is not has a fault of memory, of the disk or of the program. The odd one out is whoever differs from more than half
 * of the members. This finds a node that is broken; it is no defence against nodes that lie on purpose.
 */
import type { MemberSlot, Slot } from '../contract/ballot.ts';
import type { DigestFrame } from '../peer/codec.ts';

/** `changes`: a running hash over every change. `content`: a hash over everything that the machine holds. */
export type DigestKind = 'changes' | 'content';

export interface StateDigest {
  readonly kind: DigestKind;
  readonly slot: Slot;
  /** Lower-case hex, at most 64 digits. */
  readonly digest: string;
}

export type AuditFinding =
  | { readonly kind: 'selfIsOdd'; readonly of: StateDigest; readonly majority: string }
  | { readonly kind: 'peerIsOdd'; readonly member: MemberSlot; readonly of: StateDigest; readonly majority: string }
  /** Members differ, and none of the digests is that of a majority. */
  | { readonly kind: 'split'; readonly of: Omit<StateDigest, 'digest'> }
  /** At a later slot the member that was odd is with the majority. */
  | { readonly kind: 'agreesAgain'; readonly member: MemberSlot; readonly of: Omit<StateDigest, 'digest'> }
  /** At a later slot there is a majority again. */
  | { readonly kind: 'splitIsOver'; readonly of: Omit<StateDigest, 'digest'> };

/** Agreed slots that are remembered of each kind: a node further behind than that is compared again once it has caught up. */
const SLOTS_KEPT = 64;

interface Comparison {
  readonly kind: DigestKind;
  readonly slot: Slot;
  readonly byMember: Map<MemberSlot, string>;
  /** Members that were reported as odd here; `self` too. A split is reported as member 0. */
  readonly reported: Set<MemberSlot>;
}

export class StateAudit {
  /** The highest slot at which this node's content was that of more than half of the voters. */
  agreedContentUpTo: Slot = 0;
  readonly #self: MemberSlot;
  /** Since which slot members are odd. */
  readonly #odd = new Map<MemberSlot, Slot>();
  #splitAt: Slot = 0;
  readonly #ownUpTo: Record<DigestKind, Slot> = { changes: 0, content: 0 };
  readonly #comparisons: Record<DigestKind, Map<Slot, Comparison>> = { changes: new Map(), content: new Map() };

  constructor(self: MemberSlot) {
    this.#self = self;
  }

  /** Notes a member's digest (`self` for this node's own), a learner's too; what follows for the first time is returned. */
  note(from: MemberSlot, of: StateDigest, voters: readonly MemberSlot[]): AuditFinding[] {
    const comparison = this.#comparison(of);
    if (comparison === null) return [];
    if (from === this.#self) this.#ownUpTo[of.kind] = Math.max(of.slot, this.#ownUpTo[of.kind]);
    comparison.byMember.set(from, of.digest);
    return this.#judge(comparison, voters);
  }

  /** Whether members told of different contents at this slot: then nobody should build on a snapshot of it. */
  isDisputed(slot: Slot): boolean {
    return new Set(this.#comparisons.content.get(slot)?.byMember.values()).size > 1;
  }

  isOdd(member: MemberSlot): boolean {
    return this.#odd.has(member);
  }

  /** Digests of this node for a member that just connected: the newest of each kind. */
  newest(): StateDigest[] {
    const kinds: DigestKind[] = ['changes', 'content'];
    return kinds.flatMap((kind) => {
      const own = [...this.#comparisons[kind].values()].findLast(({ byMember }) => byMember.has(this.#self));
      const digest = own?.byMember.get(this.#self);
      return own === undefined || digest === undefined ? [] : [{ kind, slot: own.slot, digest }];
    });
  }

  /** null for a slot that others are kept before. */
  #comparison({ kind, slot }: StateDigest): Comparison | null {
    const bySlot = this.#comparisons[kind];
    const known = bySlot.get(slot);
    if (known !== undefined) return known;
    if (bySlot.size >= SLOTS_KEPT) {
      const least = leastUseful([...bySlot.keys(), slot], this.#ownUpTo[kind]);
      if (least === slot) return null;
      bySlot.delete(least);
    }
    const comparison = { kind, slot, byMember: new Map(), reported: new Set<MemberSlot>() };
    bySlot.set(slot, comparison);
    return comparison;
  }

  #judge(comparison: Comparison, voters: readonly MemberSlot[]): AuditFinding[] {
    const { kind, slot, byMember, reported } = comparison;
    const voices = voters.filter((member) => byMember.has(member));
    const counts = new Map<string, number>();
    for (const member of voices) {
      const digest = byMember.get(member) as string;
      counts.set(digest, (counts.get(digest) ?? 0) + 1);
    }
    const [majority] = [...counts].find(([, count]) => count * 2 > voters.length) ?? [];
    if (majority === undefined) {
      const isSplit = counts.size > 1 && voices.length === voters.length && !reported.has(0);
      if (!isSplit) return [];
      reported.add(0);
      this.#splitAt = slot;
      return [{ kind: 'split', of: { kind, slot } }];
    }
    if (kind === 'content' && byMember.get(this.#self) === majority)
      this.agreedContentUpTo = Math.max(this.agreedContentUpTo, slot);
    return [...this.#whatIsOver(comparison, majority), ...this.#whoIsOdd(comparison, majority)];
  }

  #whoIsOdd({ kind, slot, byMember, reported }: Comparison, majority: string) {
    const odd = [...byMember.keys()].filter((member) => byMember.get(member) !== majority && !reported.has(member));
    return odd.map((member): AuditFinding => {
      reported.add(member);
      this.#odd.set(member, Math.max(slot, this.#odd.get(member) ?? 0));
      const of = { kind, slot, digest: byMember.get(member) as string };
      return member === this.#self ? { kind: 'selfIsOdd', of, majority } : { kind: 'peerIsOdd', member, of, majority };
    });
  }

  #whatIsOver({ kind, slot, byMember }: Comparison, majority: string): AuditFinding[] {
    const of = { kind, slot };
    const back = [...byMember.keys()].filter(
      (member) => byMember.get(member) === majority && (this.#odd.get(member) ?? slot) < slot,
    );
    for (const member of back) this.#odd.delete(member);
    const findings = back.map((member): AuditFinding => ({ kind: 'agreesAgain', member, of }));
    if (this.#splitAt === 0 || this.#splitAt >= slot) return findings;
    this.#splitAt = 0;
    return [...findings, { kind: 'splitIsOver', of }];
  }
}

/**
 * The oldest of those that this node has passed; while there is none, the one furthest ahead. So no claim of slots far away can
 * push out those that this node is about to reach.
 */
function leastUseful(slots: readonly Slot[], ownUpTo: Slot): Slot {
  const oldest = Math.min(...slots);
  return oldest < ownUpTo ? oldest : Math.max(...slots);
}

/** What was found, in a sentence. */
export function findingText(finding: AuditFinding, nameOf: (member: MemberSlot) => string): string {
  const { slot, kind } = finding.of;
  const what = kind === 'content' ? 'the whole state' : 'the changes so far';
  switch (finding.kind) {
    case 'split':
      return `at slot ${slot} members differ in ${what}, and none has a majority: find the one in doubt and replace it`;
    case 'peerIsOdd':
      return `${nameOf(finding.member)} differs from the majority in ${what} at slot ${slot}: it builds its state again by itself; replace it if it stays so`;
    case 'agreesAgain':
      return `${nameOf(finding.member)} agrees with the majority in ${what} at slot ${slot}`;
    case 'splitIsOver':
      return `at slot ${slot} a majority agrees in ${what}`;
    case 'selfIsOdd':
      return `this node differs from the majority in ${what} at slot ${slot} (${finding.of.digest}, not ${finding.majority})`;
  }
}

/** As it goes to the other members. */
export function digestFrame({ kind, slot, digest }: StateDigest): DigestFrame {
  return { kind: 'stateDigest', of: kind, slot, digest };
}
