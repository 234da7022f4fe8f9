/**
 * Snapshots in the running node. One is taken at the slots on which all nodes agree, in the background; then the log is trimmed up to
 * the one before, so that a damaged newest snapshot loses nothing. A node too far behind for any log gets a peer's.
 */
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import type { MemberSlot, Slot } from '../contract/ballot.ts';
import { type Configuration, decodeConfiguration, encodeConfiguration } from '../contract/configuration.ts';
import type { MemberAddress } from '../contract/node-config.ts';
import { KeyValueMachine } from '../machine/machine.ts';
import type { SnapshotRule } from '../machine/snapshot-schedule.ts';
import type { Hello } from '../peer/codec.ts';
import type { PeerTls } from '../peer/identity.ts';
import { fetchSnapshot, type SnapshotSink } from '../peer/snapshot-client.ts';
import { serveSnapshot } from '../peer/snapshot-server.ts';
import { isNoSpace } from '../storage/errors.ts';
import type { SnapshotInfo } from '../storage/snapshot-file.ts';
import type { IncomingSnapshot, OfferedSnapshot } from '../storage/snapshot-incoming.ts';
import type { SnapshotReader, SnapshotStore } from '../storage/snapshot-store.ts';

/** Attempts over all peers before the core is told that it came to nothing. */
const ROUNDS = 2;
const SERVED_AT_MOST = 2;

export interface InstalledState {
  readonly machine: KeyValueMachine;
  readonly configuration: Configuration;
}

export interface SnapshotsSurroundings {
  readonly store: SnapshotStore;
  readonly hello: Hello;
  readonly tls: PeerTls;
  /** For the machines that are built; undefined: the default. */
  readonly rule: SnapshotRule | undefined;
  readonly logger: Logger;
  /** Whom to ask; this node itself left out, and whoever is known to hold another state than the majority. */
  readonly peers: () => readonly MemberAddress[];
  /** Whether others say that they hold something else at this slot: such a snapshot is not given away. */
  readonly isDisputed: (slot: Slot) => boolean;
  readonly onTaken: (snapshot: SnapshotInfo) => void;
  /** The log may forget what is at or below this slot. */
  readonly trim: (slot: Slot) => void;
  readonly raise: (key: string, text: string) => void;
  readonly clear: (key: string, text: string) => void;
}

export class Snapshots {
  readonly #around: SnapshotsSurroundings;
  readonly #stop = new AbortController();
  #taking: Promise<void> | null = null;
  #fetching: Promise<InstalledState | null> | null = null;
  #served = 0;
  #newest: SnapshotInfo | null = null;

  constructor(around: SnapshotsSurroundings) {
    this.#around = around;
  }

  /** The newest sound snapshot; null: there is none, or none was looked for yet. */
  get newest(): SnapshotInfo | null {
    return this.#newest;
  }

  /** 0: there is none. */
  get newestSlot(): Slot {
    return this.#newest?.slot ?? 0;
  }

  /** Begins to write the machine as it is now; left out while an earlier one is still being written. */
  take(machine: KeyValueMachine, configuration: Configuration): void {
    if (this.#taking !== null || this.#stop.signal.aborted) return;
    this.#taking = this.#write(machine.snapshot(), configuration).finally(() => {
      this.#taking = null;
    });
  }

  async #write(view: ReturnType<KeyValueMachine['snapshot']>, configuration: Configuration): Promise<void> {
    const { store, logger, onTaken, raise, clear } = this.#around;
    const before = this.newestSlot;
    const startedMs = performance.now();
    try {
      const blob = encodeConfiguration(configuration);
      const { signal } = this.#stop;
      const { slot } = view;
      const snapshot = await store.write({ slot, configuration: blob, chunks: view.chunks(), signal });
      this.#found(snapshot);
      const tookMs = Math.round(performance.now() - startedMs);
      logger.info({ slot, bytes: snapshot.fileBytes, tookMs }, 'took a snapshot');
      clear('snapshot', 'a snapshot could be taken again');
      onTaken(snapshot);
      if (before > 0) this.#around.trim(before);
    } catch (error) {
      view.close();
      if (this.#stop.signal.aborted) return;
      const { message, cause } = error as Error;
      const next = isNoSpace(cause) ? 'free some space; ' : '';
      const why = cause instanceof Error ? `${message} (${cause.message})` : message;
      raise('snapshot', `${why}; ${next}the log is kept whole until then`);
    }
  }

  /** Answers a peer's connection for a snapshot. */
  serve(from: string, socket: Socket): void {
    if (this.#served >= SERVED_AT_MOST || this.#stop.signal.aborted) {
      socket.destroy();
      return;
    }
    this.#served += 1;
    const { store, logger } = this.#around;
    const onEnd = (how: string) => logger.info({ peer: from, how }, 'a peer asked for a snapshot');
    const open = () => this.#openUndisputed(store);
    void serveSnapshot(socket, open, onEnd).finally(() => {
      this.#served -= 1;
    });
  }

  /** A node whose memory is damaged must not hand its state on before the others have found it out. */
  async #openUndisputed(store: SnapshotStore): Promise<SnapshotReader | null> {
    for (const slot of await store.slots()) {
      const file = this.#around.isDisputed(slot) ? null : await store.openForReading(slot);
      if (file !== null) return file;
    }
    return null;
  }

  /**
   * Gets a snapshot of `minSlot` or later, from this peer first, and builds a machine from it; null when nobody could give one.
   * One at a time: a second call shares the first one's outcome.
   */
  fetch(first: MemberSlot, minSlot: Slot): Promise<InstalledState | null> {
    this.#fetching ??= this.#fetch(first, minSlot).finally(() => {
      this.#fetching = null;
    });
    return this.#fetching;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#fetching, this.#taking]);
  }

  async #fetch(first: MemberSlot, minSlot: Slot): Promise<InstalledState | null> {
    const { hello, tls, store, logger, peers, raise, clear } = this.#around;
    for (let round = 0; round < ROUNDS; round++) {
      const inOrder = [...peers()].sort(
        (left, right) => Number(right.memberSlot === first) - Number(left.memberSlot === first),
      );
      for (const peer of inOrder) {
        if (this.#stop.signal.aborted) return null;
        try {
          const slot = await fetchSnapshot({
            peer,
            hello,
            tls,
            minSlot,
            sink: sinkOf(store, ({ slot: offered, fileBytes }, fromByte) =>
              logger.info({ slot: offered, fileBytes, fromByte, peer: peer.name }, 'fetching a snapshot'),
            ),
            signal: this.#stop.signal,
          });
          logger.info({ slot, peer: peer.name }, 'got a snapshot');
          const state = await this.loadNewest();
          clear('fetch', 'a snapshot came from a peer');
          return state;
        } catch (error) {
          logger.warn({ peer: peer.name, err: error }, 'could not get a snapshot');
          raise('fetch', `this node is too far behind for the log of its peers: ${(error as Error).message}`);
        }
      }
    }
    return null;
  }

  /** The state of the newest snapshot that can be read; null when there is none. */
  async loadNewest(): Promise<InstalledState | null> {
    const { store, rule, logger } = this.#around;
    for (;;) {
      const { snapshot, damaged } = await store.latest();
      for (const error of damaged) logger.error({ err: error }, 'a snapshot is damaged; going on with an older one');
      if (snapshot === null) return null;
      try {
        const machine = await KeyValueMachine.restore(store.read(snapshot.slot), rule);
        if (machine.appliedUpTo !== snapshot.slot) throw new Error(`it holds slot ${machine.appliedUpTo}`);
        const configuration = decodeConfiguration(snapshot.configuration);
        this.#found(snapshot);
        return { machine, configuration };
      } catch (cause) {
        // Whole as a file, but not one that this program can read: an older one, or a peer's, is the way out.
        store.distrust(snapshot.slot, cause as Error);
      }
    }
  }

  #found(snapshot: SnapshotInfo): void {
    if (snapshot.slot > this.newestSlot) this.#newest = snapshot;
  }
}

/** Where a snapshot from a peer goes: a file that outlives an interrupted attempt. */
function sinkOf(store: SnapshotStore, onBegin: (offer: OfferedSnapshot, fromByte: number) => void): SnapshotSink {
  let incoming: IncomingSnapshot | null = null;
  return {
    begin: async (offer) => {
      incoming = await store.receive(offer);
      onBegin(offer, incoming.offset);
      return incoming.offset;
    },
    append: async (bytes) => {
      if (!(await incoming?.append(incoming.offset, bytes))) throw new Error('more bytes came than were offered');
    },
    finish: async () => {
      if (incoming !== null) await store.accept(incoming);
    },
    leave: async () => incoming?.close(),
  };
}
