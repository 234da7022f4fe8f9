/**
 * The demo's client: a few workers that write unique keys through the client API during everything that is done to the
 * cluster, and remember which writes were acknowledged and when. What got no answer is unknown and is not counted on.
 */
import type { EtcdClient } from '../../engine/etcd/client.ts';

export const KEY_PREFIX = 'demo/';

/** A pause between two writes of one worker, so that the demo measures the cluster and not the computer's limits. */
const PAUSE_MS = 5;

export class Writer {
  /** key → value of every acknowledged write. */
  readonly acknowledged = new Map<string, string>();
  #unknownOutcomes = 0;
  /** Times of acknowledgements, ascending, from performance.now(). */
  readonly #acknowledgedAtMs: number[] = [];
  readonly #clients: readonly EtcdClient[];
  #running = true;
  #workers: Promise<void>[] = [];

  /** Each client is one endpoint; every worker starts at one of its own and moves on when a write fails. */
  constructor(clients: readonly EtcdClient[]) {
    this.#clients = clients;
  }

  get unknownOutcomes(): number {
    return this.#unknownOutcomes;
  }

  start(workers: number): void {
    this.#workers = Array.from({ length: workers }, (_, worker) => this.#work(worker));
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#workers);
  }

  /** Resolves once another `count` writes were acknowledged; rejects after `timeoutMs`. */
  async progress(count: number, timeoutMs: number): Promise<void> {
    const wanted = this.#acknowledgedAtMs.length + count;
    const deadline = performance.now() + timeoutMs;
    while (this.#acknowledgedAtMs.length < wanted) {
      if (performance.now() > deadline) throw new Error(`no ${count} writes were acknowledged within ${timeoutMs} ms`);
      await pause(PAUSE_MS);
    }
  }

  /** The longest time without any acknowledged write within [fromMs, now], milliseconds, rounded up. */
  longestGapMs(fromMs: number): number {
    const before = this.#acknowledgedAtMs.findLast((atMs) => atMs <= fromMs) ?? fromMs;
    let previous = before;
    let longest = 0;
    for (const atMs of [...this.#acknowledgedAtMs.filter((at) => at > fromMs), performance.now()]) {
      longest = Math.max(longest, atMs - previous);
      previous = atMs;
    }
    return Math.ceil(longest);
  }

  async #work(worker: number): Promise<void> {
    let endpoint = worker;
    for (let sequence = 1; this.#running; sequence += 1) {
      const key = `${KEY_PREFIX}${worker}/${String(sequence).padStart(8, '0')}`;
      const value = `${worker}-${sequence}`;
      const client = this.#clients[endpoint % this.#clients.length] as EtcdClient;
      try {
        await client.put(key, value);
        this.#acknowledgedAtMs.push(performance.now());
        this.acknowledged.set(key, value);
      } catch {
        this.#unknownOutcomes += 1;
        endpoint += 1;
      }
      await pause(PAUSE_MS);
    }
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
