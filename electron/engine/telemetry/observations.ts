/** What was last seen of every host and node, and a way to wait until something is seen. */
import type { Sample, ServiceState } from '../../../cluster-node/contract/sample.ts';
import type { ReceivedSample } from '../agents/agent-session.ts';
import type { NodeObservation } from '../fleet/plan/situation.ts';
import type { HostObservation } from '../fleet/plan/views.ts';
import { type CounterReading, ratePerSecond } from './rates.ts';

export class Observations {
  readonly #hosts = new Map<string, HostObservation>();
  readonly #nodes = new Map<string, NodeObservation>();
  /** By node: when a call about its service was answered last. */
  readonly #answeredAtUnixMs = new Map<string, number>();
  readonly #writes = new Map<string, CounterReading>();
  readonly #listeners = new Set<(received: ReceivedSample) => void>();

  take(received: ReceivedSample): void {
    const { hostId, sample, atUnixMs } = received;
    this.#hosts.set(hostId, { sample: sample.host, observedAtUnixMs: atUnixMs });
    for (const { service, node } of sample.nodes) {
      // Captured before an answer that is known already: older than what it would replace.
      if (atUnixMs <= (this.#answeredAtUnixMs.get(service.nodeId) ?? 0)) continue;
      this.#nodes.set(service.nodeId, {
        service,
        sample: node,
        answeredPid: node?.pid ?? this.#nodes.get(service.nodeId)?.answeredPid ?? null,
        observedAtUnixMs: atUnixMs,
        writesPerSecond: this.#writeRate(service.nodeId, node, sample.capturedAtUnixMs),
      });
    }
    for (const listener of this.#listeners) listener(received);
  }

  /**
   * A service as the answer to a call gives it, at this moment: what was seen before, and samples that were captured before and
   * are still on their way, no longer count. What the node itself says is not known until its next sample.
   */
  takeAnswer(service: ServiceState, atUnixMs: number): void {
    const { nodeId } = service;
    const answeredPid = this.#nodes.get(nodeId)?.answeredPid ?? null;
    this.#writes.delete(nodeId);
    this.#answeredAtUnixMs.set(nodeId, atUnixMs);
    this.#nodes.set(nodeId, { service, sample: null, answeredPid, observedAtUnixMs: atUnixMs, writesPerSecond: null });
  }

  #writeRate(nodeId: string, node: Sample['nodes'][number]['node'], capturedAtUnixMs: number): number | null {
    const before = this.#writes.get(nodeId) ?? null;
    if (node === null) {
      this.#writes.delete(nodeId);
      return null;
    }
    const life = `${node.pid}/${node.startedAtUnixMs}`;
    const now = { life, total: node.writesTotal, atUnixMs: capturedAtUnixMs };
    this.#writes.set(nodeId, now);
    return ratePerSecond(before, now);
  }

  host(hostId: string): HostObservation | null {
    return this.#hosts.get(hostId) ?? null;
  }

  node(nodeId: string): NodeObservation | null {
    return this.#nodes.get(nodeId) ?? null;
  }

  /** By node id, whatever their age. */
  get nodes(): ReadonlyMap<string, NodeObservation> {
    return this.#nodes;
  }

  /** Calls back after each sample was taken in; returns how to stop. */
  onSample(listener: (received: ReceivedSample) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Looks at `probe` now and after each sample, until it answers something else than null: that. After `timeoutMs`: null.
   * Rejects with the signal's reason when it aborts.
   */
  waitFor<T>(probe: () => T | null, at: { timeoutMs: number; signal?: AbortSignal | undefined }): Promise<T | null> {
    at.signal?.throwIfAborted();
    const first = probe();
    if (first !== null) return Promise.resolve(first);
    return new Promise((resolve, reject) => {
      const stop = () => {
        clearTimeout(timer);
        unsubscribe();
        at.signal?.removeEventListener('abort', abort);
      };
      const abort = () => {
        stop();
        reject(at.signal?.reason);
      };
      const unsubscribe = this.onSample(() => {
        const found = probe();
        if (found === null) return;
        stop();
        resolve(found);
      });
      const timer = setTimeout(() => {
        stop();
        resolve(null);
      }, at.timeoutMs);
      at.signal?.addEventListener('abort', abort);
    });
  }

  forgetHost(hostId: string): void {
    this.#hosts.delete(hostId);
  }

  forgetNode(nodeId: string): void {
    this.#nodes.delete(nodeId);
    this.#writes.delete(nodeId);
    this.#answeredAtUnixMs.delete(nodeId);
  }
}
