/**
 * Partition faults of the process plane: messages on cut links vanish, connections stay up. Each fault is a lease that ends
 * by itself on this process's monotonic clock, whoever injected it and whether or not they still live.
 */
import type { MemberSlot } from '../contract/ballot.ts';
import type { ActiveFault, FaultLease } from '../contract/fault.ts';

interface ActiveLease {
  readonly lease: FaultLease;
  readonly untilMs: number;
  droppedMessages: number;
  readonly timer: NodeJS.Timeout;
}

export interface LinkFilterOptions {
  readonly self: MemberSlot;
  /** Monotonic milliseconds. */
  readonly nowMs: () => number;
  readonly onEnd: (faultId: string, reason: 'healed' | 'expired') => void;
}

export class LinkFilter {
  readonly #options: LinkFilterOptions;
  readonly #leases = new Map<string, ActiveLease>();
  /** The leases that cut each link of this node, keyed by direction and the other member. */
  #outbound = new Map<MemberSlot, ActiveLease[]>();
  #inbound = new Map<MemberSlot, ActiveLease[]>();

  constructor(options: LinkFilterOptions) {
    this.#options = options;
  }

  /** Starts a fault, or renews and replaces the one with the same id. */
  inject(lease: FaultLease): ActiveFault {
    const known = this.#leases.get(lease.faultId);
    if (known) clearTimeout(known.timer);
    const active: ActiveLease = {
      lease,
      untilMs: this.#options.nowMs() + lease.ttlMs,
      droppedMessages: known?.droppedMessages ?? 0,
      timer: setTimeout(() => this.#expire(), lease.ttlMs),
    };
    active.timer.unref();
    this.#leases.set(lease.faultId, active);
    this.#rebuild();
    return this.#view(active);
  }

  /** False when there was no such fault. */
  heal(faultId: string): boolean {
    return this.#end(faultId, 'healed');
  }

  list(): ActiveFault[] {
    this.#expire();
    return [...this.#leases.values()].map((active) => this.#view(active));
  }

  /** Asked at the sender: is a message to this member to vanish? Counts it if so. */
  dropsTo(member: MemberSlot): boolean {
    return this.#leases.size > 0 && this.#drops(this.#outbound.get(member));
  }

  /** Asked at the receiver. */
  dropsFrom(member: MemberSlot): boolean {
    return this.#leases.size > 0 && this.#drops(this.#inbound.get(member));
  }

  close(): void {
    for (const active of this.#leases.values()) clearTimeout(active.timer);
    this.#leases.clear();
    this.#rebuild();
  }

  #drops(leases: readonly ActiveLease[] | undefined): boolean {
    if (leases === undefined) return false;
    const nowMs = this.#options.nowMs();
    let drops = false;
    for (const active of leases) {
      // The timer may be late on a busy event loop; the deadline is not.
      if (nowMs >= active.untilMs) continue;
      active.droppedMessages += 1;
      drops = true;
    }
    return drops;
  }

  #expire(): void {
    const nowMs = this.#options.nowMs();
    for (const [faultId, active] of this.#leases) {
      if (nowMs >= active.untilMs) this.#end(faultId, 'expired');
      // A timer may fire a millisecond early.
      else if (active.untilMs - nowMs < 5) setTimeout(() => this.#expire(), 5).unref();
    }
  }

  #end(faultId: string, reason: 'healed' | 'expired'): boolean {
    const active = this.#leases.get(faultId);
    if (!active) return false;
    clearTimeout(active.timer);
    this.#leases.delete(faultId);
    this.#rebuild();
    this.#options.onEnd(faultId, reason);
    return true;
  }

  #rebuild(): void {
    this.#outbound = new Map();
    this.#inbound = new Map();
    for (const active of this.#leases.values())
      for (const { from, to } of active.lease.fault.links) {
        if (from === this.#options.self) push(this.#outbound, to, active);
        if (to === this.#options.self) push(this.#inbound, from, active);
      }
  }

  #view({ lease, untilMs, droppedMessages }: ActiveLease): ActiveFault {
    const remainingMs = Math.max(0, untilMs - this.#options.nowMs());
    return { faultId: lease.faultId, fault: lease.fault, remainingMs, droppedMessages };
  }
}

/** A link named twice by one fault counts once. */
function push(leases: Map<MemberSlot, ActiveLease[]>, member: MemberSlot, active: ActiveLease): void {
  const known = leases.get(member);
  if (known === undefined) leases.set(member, [active]);
  else if (!known.includes(active)) known.push(active);
}
