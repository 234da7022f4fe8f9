/** A running FNV-1a hash over everything that happens: two runs are the same history when their hashes are equal. */
import type { Effect, Input } from '../../cluster-node/paxos/interface.ts';

export class Trace {
  steps = 0;
  listener: ((line: string) => void) | null = null;
  #hash = 0x811c9dc5;

  step(member: number, atMs: number, input: Input, effects: readonly Effect[]): void {
    this.steps += 1;
    this.#number(member);
    this.#number(atMs * 1000);
    this.#text(input.kind);
    if (input.kind === 'message') this.#message(input.message.kind, input.from);
    for (const effect of effects) {
      this.#text(effect.kind);
      if (effect.kind === 'send') this.#message(effect.message.kind, effect.to);
      if (effect.kind === 'deliver') this.#number(effect.entry.slot + effect.entry.digest);
      if (effect.kind === 'persist') this.#number(effect.sequence);
      if (effect.kind === 'event') this.#text(JSON.stringify(effect.event));
    }
  }

  /** A line for a person who replays a seed; made only when someone listens. */
  tell(line: () => string): void {
    this.listener?.(line());
  }

  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  #message(kind: string, member: number): void {
    this.#text(kind);
    this.#number(member);
  }

  #number(value: number): void {
    this.#hash = Math.imul(this.#hash ^ (value & 0xffffffff), 0x01000193);
    this.#hash = Math.imul(this.#hash ^ Math.floor(value / 4294967296), 0x01000193);
  }

  #text(text: string): void {
    for (let at = 0; at < text.length; at++) this.#hash = Math.imul(this.#hash ^ text.charCodeAt(at), 0x01000193);
  }
}
