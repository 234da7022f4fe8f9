/**
 * The birth of a node: everything that happens before it says its first word, and what is undone when that fails. Its admin socket
 * answers from early on, with how far it is.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { createAdminServer } from './api/admin.ts';
import type { Slot } from './contract/ballot.ts';
import { firstConfiguration } from './contract/configuration.ts';
import { SynodNode } from './node.ts';
import { helloOf } from './peer/codec.ts';
import { leaseReadsOf } from './runtime/create-core.ts';
import { KnownDisks } from './runtime/known-disks.ts';
import type { LoadedConfig } from './runtime/load-config.ts';
import { Membership } from './runtime/membership.ts';
import { enterQuarantine } from './runtime/quarantine.ts';
import { recoverNode } from './runtime/recover.ts';
import { NodeMeters } from './runtime/sample.ts';
import { plantSeed, refuseLessThanSeed } from './runtime/seed.ts';
import { type InstalledState, Snapshots } from './runtime/snapshots.ts';
import { noteVows } from './runtime/vow-note.ts';
import { type EntryDamagedError, isNoSpace } from './storage/errors.ts';
import { dropFetched, openSnapshotStore, type SnapshotStore } from './storage/snapshot-store.ts';
import { openStorage } from './storage/storage.ts';

const FETCH_AGAIN_MS = 1000;
/** Entries kept below a snapshot, so that a peer a little behind need not fetch it; never more than lie between two. */
const RETAINED_SLOTS = 8192;

export interface NodeSurroundings {
  readonly logger: Logger;
  /** The process must end now: the disk failed. */
  readonly onDiskFailed: (error: unknown) => void;
  /** The process must end now and be started again: its state is not the majority's. */
  readonly onStateDiverged: (reason: string) => void;
  /** The process must end now and be started again: a decided entry that a peer needs was damaged since the start. */
  readonly onEntryDamaged: (error: EntryDamagedError) => void;
  /** What it is at before it answers, in words. */
  readonly onProgress: (doing: string) => void;
  /** The core works: told at every tick. */
  readonly onTicked: () => void;
}

/** Starts a node. Throws ListenError, the errors of storage/errors.ts, or the system's; then nothing is left open. */
export async function startNode(loaded: LoadedConfig, surroundings: NodeSurroundings): Promise<SynodNode> {
  try {
    return await start(loaded, surroundings);
  } catch (error) {
    if (isNoSpace(error)) await dropFetched(loaded.dataDir).catch(() => undefined);
    throw error;
  }
}

async function start(loaded: LoadedConfig, surroundings: NodeSurroundings): Promise<SynodNode> {
  const { config, self, dataDir, birthPath } = loaded;
  const { logger, onDiskFailed } = surroundings;
  const { clusterId, nodeId } = config;
  const meters = new NodeMeters();
  let node: SynodNode | null = null;
  let store: SnapshotStore | null = null;
  const storage = await openStorage({
    dataDir,
    birthPath,
    identity: { clusterId, nodeId, memberSlot: self.memberSlot },
    events: {
      onDurable: (upTo, tookMs) => node?.onDurable(upTo, tookMs),
      onStalled: (isStalled, error) => {
        if (isStalled)
          store?.makeRoom().catch((cause: unknown) => logger.error({ err: cause }, 'no room could be made'));
        node?.onDiskFull(isStalled, error);
      },
      onFatal: onDiskFailed,
    },
  });
  let doing = '';
  const progress = (text: string) => {
    doing = text;
    surroundings.onProgress(text);
  };
  progress('it reads its data folder');
  const admin = createAdminServer({
    socketPath: loaded.adminSocket,
    doing: () => doing,
    onFailure: (call, error) => logger.error({ call, err: error }, 'an admin call failed'),
  });
  const retained = Math.min(RETAINED_SLOTS, config.snapshotRule?.maxSlots ?? RETAINED_SLOTS);
  try {
    await admin.listen();
    const snapshotStore = await openSnapshotStore({ dataDir, clusterId });
    store = snapshotStore;
    const membership = new Membership(firstConfiguration(config.members), loaded.contacts);
    const peers = () =>
      membership
        .reachable(performance.now())
        .filter((peer) => peer.nodeId !== nodeId && node?.isOdd(peer.memberSlot) !== true);
    const { incarnation } = storage.superblock;
    const hello = helloOf(self, { clusterId, incarnation });
    const disks = await KnownDisks.open(dataDir, (error) =>
      logger.error({ err: error }, 'the note of the others’ disks is in trouble'),
    );
    const snapshots = new Snapshots({
      store: snapshotStore,
      hello,
      tls: loaded.peerTls,
      rule: config.snapshotRule ?? undefined,
      logger,
      peers,
      isDisputed: (slot) => node?.isDisputed(slot) ?? false,
      onTaken: (snapshot) => node?.onSnapshotTaken(snapshot),
      // It fails only by closing the log (LogClosedError): a disk that fails ends the process by itself.
      trim: (slot) => void storage.trimBelow(slot, retained).catch(() => undefined),
      raise: (key, text) => {
        if (node === null) progress(text);
        else node.alarms.raise(key, text);
      },
      clear: (key, text) => node?.alarms.clear(key, text),
    });
    const fetch = (minSlot: Slot) => fetchUntilDone(snapshots, minSlot);
    await plantSeed({ loaded, storage, store: snapshotStore, onProgress: progress });
    const recovered = await recoverNode({
      loaded,
      storage,
      store: snapshotStore,
      snapshots,
      logger,
      fetch,
      onProgress: progress,
    });
    refuseLessThanSeed(loaded.seed, recovered.machine.appliedUpTo);
    await noteVows(dataDir, leaseReadsOf(config)?.durationMs ?? 0, (milliseconds) => {
      progress(
        `it waits ${milliseconds} ms for the end of lease vows made before electionTimeoutMs or leaseReads was changed`,
      );
      logger.info({ milliseconds }, doing);
      return sleep(milliseconds);
    });
    membership.change(recovered.configuration, performance.now());
    const onStateDiverged = (reason: string, trustedUpTo: Slot) => {
      // Without the note the next start builds the state again all the same; it only trusts more of what is here.
      const end = () => surroundings.onStateDiverged(reason);
      void enterQuarantine(dataDir, { reason, trustedUpTo }).then(end, end);
    };
    const parts = {
      loaded,
      storage,
      recovered,
      membership,
      snapshots,
      disks,
      hello,
      meters,
      admin,
      logger,
      onStateDiverged,
      onEntryDamaged: surroundings.onEntryDamaged,
      onTicked: surroundings.onTicked,
    };
    node = new SynodNode(parts);
    await node.open();
    return node;
  } catch (error) {
    await (node ? node.close() : Promise.all([storage.close(), admin.close()]));
    throw error;
  }
}

/** Without the state before it the log is of no use: there is nothing else to do than to ask again. */
async function fetchUntilDone(snapshots: Snapshots, minSlot: Slot): Promise<InstalledState> {
  for (;;) {
    const state = await snapshots.fetch(0, minSlot);
    if (state !== null) return state;
    await sleep(FETCH_AGAIN_MS);
  }
}
