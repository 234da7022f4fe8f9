/**
 * Several clients at work on few keys, each request through a node drawn by the seed: registers that are put, read, swapped
 * and deleted, and counters that are only counted up by compare-and-swap. All of it is recorded.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { KeyState } from '../checker/key-value.ts';
import type { KvClient } from '../fixtures/kv-client.ts';
import type { TestCluster, TestNode } from '../fixtures/test-cluster.ts';
import { Random } from '../simulation/random.ts';
import { Recorder } from './recorded-client.ts';

const REGISTERS = 4;
const COUNTERS = 2;
const TIMEOUT_MS = 1500;
/** After a refusal; a client that hammers a node that is down only takes the processor from the others. */
const PAUSE_MS = 25;

export interface LoadOptions {
  readonly seed: number;
  readonly clients: number;
  /** Nodes to talk to; all by default. */
  readonly through?: readonly TestNode[];
  /** Of each put, to fill disks. */
  readonly valueBytes?: number;
  /** Mean pause between a client's requests. */
  readonly thinkMs?: number;
}

let loads = 0;

export class Load {
  readonly registers: readonly string[];
  readonly counters: readonly string[];
  readonly recorder = new Recorder();
  /** Requests that were answered. */
  answered = 0;
  /** Time from one answered change to the next, at most. */
  longestGapMs = 0;
  #lastChangeMs = performance.now();
  readonly #options: LoadOptions;
  readonly #connections: readonly KvClient[];
  readonly #workers: readonly Promise<void>[];
  #isStopped = false;

  constructor(cluster: TestCluster, options: LoadOptions) {
    this.#options = options;
    // Keys of its own, since its history begins without them.
    const load = ++loads;
    this.registers = Array.from({ length: REGISTERS }, (_, at) => `${load}/register-${at + 1}`);
    this.counters = Array.from({ length: COUNTERS }, (_, at) => `${load}/counter-${at + 1}`);
    this.#connections = (options.through ?? cluster.nodes).map((node) => cluster.client(node));
    this.#workers = Array.from({ length: options.clients }, (_, at) => this.#work(at + 1));
  }

  /** Begins to measure the longest gap anew. */
  restartGap(): void {
    this.longestGapMs = 0;
    this.#lastChangeMs = performance.now();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#workers);
    for (const connection of this.#connections) connection.close();
  }

  async #work(by: number): Promise<void> {
    const random = new Random(this.#options.seed * 1000 + by);
    const filling = 'x'.repeat(this.#options.valueBytes ?? 0);
    for (let number = 1; !this.#isStopped; number++) {
      const connection = random.pick(this.#connections);
      const isDone = await this.#request(connection, random, { by, value: `v${by}.${number}${filling}` });
      if (isDone) this.answered++;
      await pause(isDone ? random.gap(this.#options.thinkMs ?? 4) : PAUSE_MS);
    }
  }

  async #request(
    connection: KvClient,
    random: Random,
    { by, value }: { readonly by: number; readonly value: string },
  ): Promise<boolean> {
    const asked = { by, timeoutMs: TIMEOUT_MS };
    const kind = random.pick(['get', 'get', 'put', 'put', 'cas', 'cas', 'count', 'count', 'count', 'delete'] as const);
    const key = random.pick(kind === 'count' ? this.counters : this.registers);
    if (kind === 'get') return (await this.recorder.ask(connection, { kind, key }, asked)) !== null;
    if (kind === 'delete') return this.#changed(await this.recorder.ask(connection, { kind, key }, asked));
    if (kind === 'put') return this.#changed(await this.recorder.ask(connection, { kind, key, value }, asked));
    const read = await this.recorder.ask(connection, { kind: 'get', key }, asked);
    if (read?.kind !== 'get') return false;
    const next = kind === 'count' ? String(countOf(read.found) + 1) : value;
    const swap = { kind: 'cas', key, expected: read.found, value: next } as const;
    return this.#changed(await this.recorder.ask(connection, swap, asked));
  }

  #changed(output: object | null): boolean {
    if (output === null) return false;
    const nowMs = performance.now();
    this.longestGapMs = Math.max(this.longestGapMs, nowMs - this.#lastChangeMs);
    this.#lastChangeMs = nowMs;
    return true;
  }
}

export function countOf(found: KeyState | null): number {
  return found === null ? 0 : Number(found.value);
}
