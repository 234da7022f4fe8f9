/**
 * A replicated machine small enough to run millions of times: a few registers, each of which holds the number of the request that
 * wrote it last. Like the product's, it applies a request once, however often it was decided.
 */
import type { Slot } from '../../cluster-node/contract/ballot.ts';
import type { RequestId } from '../../cluster-node/contract/peer.ts';

const HEADER_BYTES = 12;
const COMMAND = 1;

export interface Command {
  readonly key: number;
  readonly request: RequestId;
}

/** A command as bytes to propose, with `fillBytes` more that mean nothing. */
export function encodeCommand({ key, request }: Command, fillBytes: number): Uint8Array {
  const value = new Uint8Array(HEADER_BYTES + fillBytes);
  value[0] = COMMAND;
  value[1] = key;
  write32(value, 4, request.boot);
  value[2] = request.origin;
  write32(value, 8, request.sequence);
  return value;
}

/** null for a no-op and for whatever is not a client's. */
export function decodeCommand(value: Uint8Array): Command | null {
  if (value.length < HEADER_BYTES || value[0] !== COMMAND) return null;
  const request = { origin: value[2] as number, boot: read32(value, 4), sequence: read32(value, 8) };
  return { key: value[1] as number, request };
}

/** One number for one request of one life of one member. */
export function numberOf({ origin, boot, sequence }: RequestId): number {
  return (boot * 64 + origin) * 0x1000000 + sequence;
}

/** What becomes of a request that was decided before. All but the first are for negative controls. */
export type RetriedRequests = 'ignored' | 'applied' | 'applied in silence';

export interface MachineSnapshot {
  readonly appliedUpTo: Slot;
  readonly registers: ReadonlyMap<number, number>;
  readonly applied: ReadonlySet<number>;
  readonly hash: number;
}

export class RegisterMachine {
  appliedUpTo: Slot = 0;
  /** Equal on all nodes at equal `appliedUpTo`. */
  hash = 0;
  #registers = new Map<number, number>();
  #applied = new Set<number>();
  #retried: RetriedRequests;

  constructor(retried: RetriedRequests = 'ignored') {
    this.#retried = retried;
  }

  /** The number of the request that wrote this register last; 0 before the first. */
  get(key: number): number {
    return this.#registers.get(key) ?? 0;
  }

  /** Executes the next slot. Returns the request it carried out, null when there is none or it was carried out before. */
  apply(slot: Slot, value: Uint8Array): RequestId | null {
    if (slot !== this.appliedUpTo + 1) throw new Error(`slot ${slot} cannot follow slot ${this.appliedUpTo}`);
    this.appliedUpTo = slot;
    const command = decodeCommand(value);
    if (command === null) return null;
    const number = numberOf(command.request);
    const isRetried = this.#applied.has(number);
    if (isRetried && this.#retried === 'ignored') return null;
    this.#registers.set(command.key, number);
    if (isRetried && this.#retried === 'applied in silence') return null;
    this.#applied.add(number);
    this.hash = Math.imul(this.hash ^ number ^ (number / 0x1000000), 0x01000193) | 0;
    return command.request;
  }

  snapshot(): MachineSnapshot {
    return {
      appliedUpTo: this.appliedUpTo,
      registers: new Map(this.#registers),
      applied: new Set(this.#applied),
      hash: this.hash,
    };
  }

  restore({ appliedUpTo, registers, applied, hash }: MachineSnapshot): void {
    this.appliedUpTo = appliedUpTo;
    this.hash = hash;
    this.#registers = new Map(registers);
    this.#applied = new Set(applied);
  }
}

function write32(bytes: Uint8Array, at: number, value: number): void {
  for (let byte = 0; byte < 4; byte++) bytes[at + byte] = (value >>> (24 - 8 * byte)) & 0xff;
}

function read32(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let byte = 0; byte < 4; byte++) value = value * 256 + (bytes[at + byte] as number);
  return value;
}
