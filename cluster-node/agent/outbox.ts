/**
 * The agent's way out. A channel that nobody drains must not fill the memory: samples and events are dropped and counted
 * while more than a bound is waiting, replies never are.
 */
import type { Writable } from 'node:stream';
import { type AgentMessage, MAX_AGENT_LINE_BYTES } from '../contract/agent.ts';

const WAITING_BYTES_AT_MOST = 256 * 1024;

export class Outbox {
  readonly #stream: Writable;
  #dropped = 0;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** Whether so much is waiting that samples are dropped. */
  get congested(): boolean {
    return this.#stream.writableLength > WAITING_BYTES_AT_MOST;
  }

  /** Counts a sample that was not even taken. */
  countDropped(): void {
    this.#dropped += 1;
  }

  /** How many were dropped since the last time this was asked. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  /** Sends a line that must arrive. A reply too long for a line becomes an error reply. */
  send(message: AgentMessage): void {
    const line = JSON.stringify(message);
    if (Buffer.byteLength(line) <= MAX_AGENT_LINE_BYTES) {
      this.#stream.write(`${line}\n`);
    } else if (message.kind === 'reply') {
      const error = { kind: 'failed', message: 'the answer is too long for one line' } as const;
      this.#stream.write(`${JSON.stringify({ kind: 'reply', id: message.id, ok: false, error })}\n`);
    } else {
      this.countDropped();
    }
  }

  /** Sends a line that may be dropped; false when it was. */
  offer(message: AgentMessage): boolean {
    if (this.congested) {
      this.countDropped();
      return false;
    }
    this.send(message);
    return true;
  }
}
