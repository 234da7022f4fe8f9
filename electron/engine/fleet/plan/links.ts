/**
 * The graph of directed links between voters, and the question that Paxos asks of it: who can exchange messages both ways
 * with a quorum? Such a node can lead (it needs answers, so a link counts only where both directions work); whoever talks
 * both ways with it works. Nothing more is needed: a quorum need not be fully connected, only its leader with each of it.
 */
import type { Link } from '../../../../cluster-node/contract/fault.ts';

/** Cut links as a set: `cuts(1, 2)` is true when what 1 sends to 2 is dropped. */
export class CutLinks {
  readonly #cut = new Set<string>();

  constructor(links: Iterable<Link> = []) {
    for (const link of links) this.#cut.add(key(link.from, link.to));
  }

  cuts(from: number, to: number): boolean {
    return this.#cut.has(key(from, to));
  }

  /** Requests and answers pass: neither direction is cut. */
  bothWays(one: number, other: number): boolean {
    return one === other || (!this.cuts(one, other) && !this.cuts(other, one));
  }

  get size(): number {
    return this.#cut.size;
  }
}

function key(from: number, to: number): string {
  return `${from}>${to}`;
}

/** Majority of `voters`. */
export function quorumSize(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/** Those of `alive` that exchange messages both ways with `memberSlot`, itself included when it is alive. */
export function reachOf(memberSlot: number, alive: readonly number[], cut: CutLinks): number[] {
  return alive.includes(memberSlot) ? alive.filter((other) => cut.bothWays(memberSlot, other)) : [];
}

/** Members of `alive` that could lead: each reaches a quorum both ways. */
export function quorumConnected(alive: readonly number[], cut: CutLinks, size: number): number[] {
  return alive.filter((one) => reachOf(one, alive, cut).length >= size);
}

export interface Outlook {
  /** Those that work: the largest set around one possible leader, or, without any, the largest set that still talks. */
  readonly working: readonly number[];
  /** Who could lead, ascending. Empty: nobody, writes stop. */
  readonly candidates: readonly number[];
  /** Who is expected to lead: the present leader while it can, or the only candidate. null: cannot be told. */
  readonly leader: number | null;
}

/** What the cluster comes to with these voters alive, these links cut and this leader so far (null: none or unknown). */
export function outlookOf(at: {
  alive: readonly number[];
  cut: CutLinks;
  size: number;
  leader: number | null;
}): Outlook {
  const candidates = quorumConnected(at.alive, at.cut, at.size);
  const stays = at.leader !== null && candidates.includes(at.leader);
  const leader = stays ? at.leader : candidates.length === 1 ? (candidates[0] ?? null) : null;
  const centres = leader !== null ? [leader] : candidates.length > 0 ? candidates : at.alive;
  const reaches = centres.map((centre) => reachOf(centre, at.alive, at.cut));
  const working = reaches.reduce<number[]>((most, reach) => (reach.length > most.length ? reach : most), []);
  return { working, candidates, leader };
}
