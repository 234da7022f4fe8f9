/**
 * Who the members are, as far as this node knows: the configuration in force, and under which name and address everyone can be
 * reached that it was told of. Nothing here decides anything; configurations come from the log.
 */
import type { MemberSlot } from '../contract/ballot.ts';
import { type Configuration, type Member, votersOf } from '../contract/configuration.ts';
import type { MemberAddress } from '../contract/node-config.ts';

/** For so long a removed member is still spoken to: it may not know yet that it was removed. */
const REMOVED_GRACE_MS = 10 * 60 * 1000;

export class Membership {
  #configuration: Configuration;
  readonly #known = new Map<MemberSlot, MemberAddress>();
  /** When members were removed, monotonic milliseconds. */
  readonly #removedAtMs = new Map<MemberSlot, number>();

  /** `contacts`: addresses from the configuration file, for a node whose own knowledge of the cluster is old. */
  constructor(configuration: Configuration, contacts: readonly MemberAddress[]) {
    this.#configuration = configuration;
    for (const address of [...contacts, ...configuration.members]) this.#known.set(address.memberSlot, address);
  }

  get configuration(): Configuration {
    return this.#configuration;
  }

  /** By member slot, ascending. */
  get members(): readonly Member[] {
    return this.#configuration.members;
  }

  get voters(): readonly MemberSlot[] {
    return votersOf(this.#configuration);
  }

  get slots(): readonly MemberSlot[] {
    return this.members.map(({ memberSlot }) => memberSlot);
  }

  change(configuration: Configuration, nowMs: number): void {
    this.#configuration = configuration;
    for (const address of configuration.members) {
      // A node that was removed may come back under a new member slot; the old one is nobody's any more.
      for (const [slot, known] of this.#known)
        if (known.nodeId === address.nodeId && slot !== address.memberSlot) this.#known.delete(slot);
      this.#known.set(address.memberSlot, address);
    }
    for (const slot of this.#known.keys())
      if (this.slots.includes(slot)) this.#removedAtMs.delete(slot);
      else if (!this.#removedAtMs.has(slot)) this.#removedAtMs.set(slot, nowMs);
  }

  /** Everyone to keep a connection to: members, contacts, and for a while whoever was removed. */
  reachable(nowMs: number): readonly MemberAddress[] {
    return [...this.#known.values()].filter(({ memberSlot }) => {
      const removedAtMs = this.#removedAtMs.get(memberSlot);
      return removedAtMs === undefined || nowMs - removedAtMs < REMOVED_GRACE_MS;
    });
  }

  nameOf(member: MemberSlot): string {
    return this.#known.get(member)?.name ?? `member ${member}`;
  }
}
