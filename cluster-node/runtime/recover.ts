/**
 * From what is on disk to a machine and the state in which the core goes on: the newest snapshot that can be trusted, then the log
 * after it up to what is decided. Nothing is said to other nodes before that, except where the log begins later than the
 * newest snapshot reaches (both were lost or are in doubt): then a peer's snapshot is fetched first.
 */
import type { Logger } from 'pino';
import type { Slot } from '../contract/ballot.ts';
import {
  type Configuration,
  decodeConfiguration,
  firstConfiguration,
  isConfigurationValue,
} from '../contract/configuration.ts';
import { KeyValueMachine } from '../machine/machine.ts';
import type { RecoveredState } from '../paxos/interface.ts';
import { EntryDamagedError } from '../storage/errors.ts';
import type { SnapshotStore } from '../storage/snapshot-store.ts';
import type { Storage } from '../storage/storage.ts';
import type { LoadedConfig } from './load-config.ts';
import { leaveQuarantine, readQuarantine } from './quarantine.ts';
import type { InstalledState, Snapshots } from './snapshots.ts';

const REPLAY_BYTES = 1024 * 1024;

export interface RecoveredNode extends InstalledState {
  readonly core: RecoveredState;
}

export async function recoverNode(parts: {
  readonly loaded: LoadedConfig;
  readonly storage: Storage;
  readonly store: SnapshotStore;
  readonly logger: Logger;
  readonly snapshots: Snapshots;
  /** Asks the peers until one gives a snapshot of this slot or later. */
  readonly fetch: (minSlot: Slot) => Promise<InstalledState>;
  /** What it is at, in words. */
  readonly onProgress: (doing: string) => void;
}): Promise<RecoveredNode> {
  const { loaded, storage, store, snapshots, logger, onProgress } = parts;
  const quarantine = await readQuarantine(loaded.dataDir);
  if (quarantine !== null && !quarantine.isOver) {
    const trustedUpTo = quarantine.count > 1 ? 0 : quarantine.trustedUpTo;
    logger.warn({ quarantine, trustedUpTo }, 'building the state again: it was found to differ from the majority');
    await store.dropAbove(trustedUpTo);
  }
  const { members, snapshotRule } = loaded.config;
  const first = {
    machine: new KeyValueMachine(snapshotRule ?? undefined),
    configuration: firstConfiguration(members),
  };
  onProgress('it reads its newest snapshot');
  let state: InstalledState = (await snapshots.loadNewest()) ?? first;
  const isFromPeer = quarantine !== null && !quarantine.isOver && quarantine.count > 1;
  if (isFromPeer || state.machine.appliedUpTo + 1 < storage.firstSlot) {
    const minSlot = Math.max(storage.firstSlot - 1, 1);
    const why = isFromPeer
      ? 'this node built a state twice that was not the majority’s'
      : 'the log begins later than the snapshots here reach';
    state = await fetchState(minSlot, why);
  }
  await closeGap(storage, state.machine.appliedUpTo);
  const configuration = await replay(storage, state, onProgress).catch(async (error: unknown) => {
    // Damage below a snapshot does not count as long as the snapshot is there.
    if (!(error instanceof EntryDamagedError)) throw error;
    state = await fetchState(error.slot, `the snapshot above it is gone: ${error.message}`);
    return replay(storage, state, onProgress);
  });
  if (quarantine !== null) await leaveQuarantine(loaded.dataDir, quarantine);
  return { machine: state.machine, configuration, core: stateOfCore(storage, state.machine.appliedUpTo) };

  async function fetchState(minSlot: Slot, why: string): Promise<InstalledState> {
    onProgress(`it fetches a snapshot of slot ${minSlot} or later from a peer, because ${why}`);
    logger.warn({ minSlot }, `fetching a snapshot from a peer, because ${why}`);
    const fetched = await parts.fetch(minSlot);
    await storage.installSnapshot(fetched.machine.appliedUpTo);
    return fetched;
  }
}

/**
 * A snapshot came from a peer and the node ended before its log could say so: what lies between is in the snapshot only. (One
 * that the node took itself reaches no further than its log.)
 */
async function closeGap(storage: Storage, snapshotSlot: Slot): Promise<void> {
  const { decidedUpTo, accepted } = storage.recovered;
  let reached = decidedUpTo;
  for (const { slot } of accepted) if (slot === reached + 1) reached = slot;
  if (snapshotSlot > reached) await storage.installSnapshot(snapshotSlot);
}

/** Executes what the log calls decided; gives the configuration in force after it. */
async function replay(
  storage: Storage,
  { machine, configuration }: InstalledState,
  onProgress: (doing: string) => void,
): Promise<Configuration> {
  let current = configuration;
  while (machine.appliedUpTo < storage.recovered.decidedUpTo) {
    onProgress(`it executes its log: slot ${machine.appliedUpTo} of ${storage.recovered.decidedUpTo}`);
    const entries = await storage.readEntries(machine.appliedUpTo + 1, REPLAY_BYTES);
    for (const { slot, value } of entries) {
      machine.apply(slot, value);
      current = configurationAfter(current, value);
    }
  }
  return current;
}

/** The configuration after a decided value. Only the next one counts: a stop entry proposed twice is decided once. */
export function configurationAfter(current: Configuration, value: Uint8Array): Configuration {
  if (!isConfigurationValue(value)) return current;
  const next = decodeConfiguration(value);
  return next.configId === current.configId + 1 ? next : current;
}

/** The snapshot may reach further than what the log knows to be decided. */
function stateOfCore({ recovered }: Storage, appliedUpTo: Slot): RecoveredState {
  const decidedUpTo = Math.max(recovered.decidedUpTo, appliedUpTo);
  return {
    promised: recovered.promised,
    decidedUpTo,
    accepted: recovered.accepted.filter(({ slot }) => slot > decidedUpTo),
    faulty: recovered.faulty.filter(({ slot }) => slot > decidedUpTo),
  };
}
