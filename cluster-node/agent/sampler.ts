/**
 * Once per interval: host, service and node figures in one sample, and the nodes' new events. Rounds never overlap: one that
 * takes long makes the next one late. A node that does not answer in time has no figures in this round, never old ones.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { HostPlace } from '../contract/host-layout.ts';
import type { Sample, ServiceState } from '../contract/sample.ts';
import { unknownState } from './answering.ts';
import { singleFlight, within } from './bounded.ts';
import { CallFailedError } from '../supervisor/socket-call.ts';
import { askNode } from './calls.ts';
import { HostSampler } from './host/host-sampler.ts';
import { type FoundFolder, listNodeFolders, type NodeFolder } from './node-folders.ts';
import type { Outbox } from './outbox.ts';
import { stateOfFound } from './service.ts';

const NODE_TIMEOUT_MS = 700;
const FOLDERS_TIMEOUT_MS = 300;
/** Longer than a supervisor is given to answer: what hangs beyond is the disk. */
const STATE_TIMEOUT_MS = 800;

/** How far a node's events have been sent. */
interface EventCursor {
  readonly boot: number | null;
  readonly afterSequence: number;
}

export interface SamplerOptions {
  readonly place: HostPlace;
  readonly intervalMs: number;
  readonly outbox: Outbox;
  /** For people, on standard error. */
  readonly log: (message: string) => void;
}

export class Sampler {
  readonly #options: SamplerOptions;
  readonly #host = new HostSampler();
  readonly #listFolders: () => Promise<FoundFolder[]>;
  #folders: FoundFolder[] = [];
  readonly #cursors = new Map<string, EventCursor>();
  /** By node: looking for the state again while the last look hangs on a disk would use up the threads. */
  readonly #states = new Map<string, (found: FoundFolder) => Promise<ServiceState>>();

  constructor(options: SamplerOptions) {
    this.#options = options;
    this.#listFolders = singleFlight(() => listNodeFolders(options.place));
  }

  /** Runs until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { intervalMs, outbox, log } = this.#options;
    let dueMs = performance.now();
    while (!signal.aborted) {
      if (outbox.congested) {
        outbox.countDropped();
      } else {
        const dropped = outbox.takeDropped();
        if (dropped > 0) log(`the channel was not drained: dropped ${dropped} samples or batches of events`);
        await this.#round().catch((error) => log(`a sample could not be taken: ${String(error)}`));
      }
      dueMs = Math.max(dueMs + intervalMs, performance.now());
      await pause(dueMs - performance.now(), undefined, { signal }).catch(() => {});
    }
  }

  async #round(): Promise<void> {
    this.#folders = await within(this.#listFolders(), FOLDERS_TIMEOUT_MS, this.#folders).catch((error) => {
      // The host's figures matter most when its disk is sick.
      this.#options.log(`the node folders could not be listed: ${String(error)}`);
      return this.#folders;
    });
    const capturedAtUnixMs = Date.now();
    const usable = this.#folders.flatMap(({ folder }) => (folder ? [folder] : []));
    const [host, nodes] = await Promise.all([
      this.#host.sample(usable.map(({ dataDir }) => dataDir)),
      Promise.all(this.#folders.map((found) => this.#sampleNode(found))),
      ...usable.map((folder) => this.#pushEvents(folder)),
    ]);
    this.#options.outbox.offer({ kind: 'sample', sample: { capturedAtUnixMs, host, nodes } });
  }

  async #pushEvents(folder: NodeFolder): Promise<void> {
    const { nodeId } = folder;
    const params = this.#cursors.get(nodeId) ?? { boot: null, afterSequence: 0 };
    const news = await askNode(folder, { call: 'events', params, timeoutMs: NODE_TIMEOUT_MS }).catch(() => null);
    const last = news?.events.at(-1);
    if (!news || !last) return;
    // Dropped events are asked for again in the next round.
    if (!this.#options.outbox.offer({ kind: 'nodeEvents', nodeId, ...news })) return;
    this.#cursors.set(nodeId, { boot: news.boot, afterSequence: last.sequence });
  }

  async #sampleNode(found: FoundFolder): Promise<Sample['nodes'][number]> {
    const { folder, nodeId } = found;
    let starting: string | null = null;
    const [service, node] = await Promise.all([
      within(
        this.#stateOf(found),
        STATE_TIMEOUT_MS,
        unknownState(nodeId, 'its folder cannot be read: the disk may hang'),
      ),
      folder &&
        askNode(folder, { call: 'sample', params: {}, timeoutMs: NODE_TIMEOUT_MS }).catch((error: unknown) => {
          if (error instanceof CallFailedError && error.callError.kind === 'starting') starting = error.message;
          return null;
        }),
    ]);
    return {
      service: starting === null ? service : { ...service, reason: service.reason ?? starting },
      node: node?.nodeId === nodeId ? node : null,
    };
  }

  #stateOf(found: FoundFolder): Promise<ServiceState> {
    let look = this.#states.get(found.nodeId);
    if (!look) {
      look = singleFlight(stateOfFound);
      this.#states.set(found.nodeId, look);
    }
    return look(found);
  }
}
