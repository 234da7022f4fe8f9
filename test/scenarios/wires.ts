/** Who can reach whom, and what waits on the way. Delivery itself is the cluster's. */
import type { MemberSlot } from '../../cluster-node/contract/ballot.ts';
import type { PeerMessage } from '../../cluster-node/contract/peer.ts';
import { isHeartbeat } from './narration.ts';

export interface Parcel {
  readonly from: MemberSlot;
  readonly to: MemberSlot;
  readonly message: PeerMessage;
}

export type Fate = 'arrives' | 'waits' | 'lost';

export class Wires {
  /** In the order in which they were sent. */
  #waiting: (Parcel & { readonly words: string })[] = [];
  /** Links like "1->2". */
  #cut = new Set<string>();
  #held = new Set<string>();
  /** What was lost on a link since it was healed last. */
  #lost = new Set<string>();
  #isAllHeld = false;

  fateOf({ from, to, message }: Parcel): Fate {
    const link = `${from}->${to}`;
    if (this.#cut.has(link)) return 'lost';
    return !isHeartbeat(message) && (this.#isAllHeld || this.#held.has(link)) ? 'waits' : 'arrives';
  }

  isCut(from: MemberSlot, to: MemberSlot): boolean {
    return this.#cut.has(`${from}->${to}`);
  }

  hold(link: string): void {
    if (link === 'all') this.#isAllHeld = true;
    else this.#held.add(link);
  }

  release(): void {
    this.#isAllHeld = false;
    this.#held.clear();
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Keeps a message until it is asked for; a repeat of one that waits already is dropped. Returns whether it was kept. */
  keep(parcel: Parcel, words: string): boolean {
    const { from, to } = parcel;
    if (this.#waiting.some((other) => other.from === from && other.to === to && other.words === words)) return false;
    this.#waiting.push({ ...parcel, words });
    return true;
  }

  /** Whether this is lost for the first time: what is sent again and again to nobody is told once. */
  lose({ from, to }: Parcel, words: string): boolean {
    const before = this.#lost.size;
    this.#lost.add(`${from}->${to} ${words}`);
    return this.#lost.size > before;
  }

  /** Removes and returns what waits on one link ("1->2"), or everywhere ("all"). */
  take(link: string): Parcel[] {
    const isMeant = ({ from, to }: Parcel) => link === 'all' || link === `${from}->${to}`;
    const taken = this.#waiting.filter(isMeant);
    this.#waiting = this.#waiting.filter((parcel) => !isMeant(parcel));
    return taken;
  }

  drop(link: string): void {
    this.take(link);
  }

  cut(links: readonly string[]): void {
    for (const link of links) this.#cut.add(link);
  }

  /** null: all of them. */
  heal(links: readonly string[] | null): void {
    this.#lost.clear();
    if (links === null) this.#cut.clear();
    else for (const link of links) this.#cut.delete(link);
  }
}
