/** What else stands in a data folder beside the log: snapshots, and the notes that a start acts upon. Each is read and checked. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Slot } from '../contract/ballot.ts';
import { DataDamagedError } from '../storage/errors.ts';
import {
  type DisksByMember,
  KNOWN_DISKS_FILE,
  parseKnownDisks,
  parseQuarantine,
  QUARANTINE_FILE,
  type Quarantine,
} from '../storage/notes.ts';
import { snapshotSlotOf } from '../storage/snapshot-store.ts';
import { verifySnapshotFile } from '../storage/snapshot-file.ts';

export interface SnapshotReport {
  readonly file: string;
  readonly sizeBytes: number;
  /** As its name says. */
  readonly slot: Slot;
  /** Of the machine's state in it; null when it does not check. */
  readonly sha256: string | null;
  /** What is wrong with it; null: nothing. */
  readonly damage: string | null;
}

/** A note that is there: what it says, or what is wrong with it. */
export type NoteReport<T> =
  | { readonly contents: T; readonly damage: null }
  | { readonly contents: null; readonly damage: string };

export interface BesideTheLog {
  /** Newest first. */
  readonly snapshots: readonly SnapshotReport[];
  /** Begun to be fetched from a peer. */
  readonly incoming: readonly { readonly file: string; readonly sizeBytes: number }[];
  /** null when there is none, as for the next one. */
  readonly knownDisks: NoteReport<DisksByMember> | null;
  readonly quarantine: NoteReport<Quarantine> | null;
}

/** `clusterId` null: it is not known whose they should be. */
export async function besideTheLog(dataDir: string, clusterId: string | null): Promise<BesideTheLog> {
  const names = existing(() => readdirSync(join(dataDir, 'snapshots'))) ?? [];
  const snapshots: SnapshotReport[] = [];
  for (const name of names.sort().reverse()) {
    const slot = snapshotSlotOf(name);
    const report = slot === null ? null : await snapshotReport(dataDir, { name, slot, clusterId });
    if (report !== null) snapshots.push(report);
  }
  const incoming = names
    .filter((name) => name.endsWith('.incoming'))
    .flatMap((name) => existing(() => sized(dataDir, name)) ?? []);
  return {
    snapshots,
    incoming,
    knownDisks: noteReport(join(dataDir, KNOWN_DISKS_FILE), parseKnownDisks),
    quarantine: noteReport(join(dataDir, QUARANTINE_FILE), parseQuarantine),
  };
}

/** What the next start would do about it, in words; `firstSlot` is that of the log. */
export function troublesOf({ snapshots, knownDisks, quarantine }: BesideTheLog, firstSlot: Slot): string[] {
  const damaged = snapshots.filter(({ damage }) => damage !== null);
  const troubles = damaged.map(({ file }) => `${file} is damaged and passed over`);
  const newest = snapshots.find(({ damage }) => damage === null)?.slot ?? 0;
  if (newest + 1 < firstSlot)
    troubles.push(`no sound snapshot reaches the log, which begins at slot ${firstSlot}: one is fetched from a peer`);
  if (knownDisks?.damage) troubles.push(`${KNOWN_DISKS_FILE} is damaged: the other members' disks are met anew`);
  if (quarantine?.damage) troubles.push(`${QUARANTINE_FILE} is damaged: the state is fetched from a peer`);
  else if (quarantine?.contents?.isOver === false)
    troubles.push('the state was found to differ from the majority and is built again');
  return troubles;
}

async function snapshotReport(
  dataDir: string,
  { name, slot, clusterId }: { readonly name: string; readonly slot: Slot; readonly clusterId: string | null },
): Promise<SnapshotReport | null> {
  const found = existing(() => sized(dataDir, name));
  if (found === null) return null;
  const damagedBy = (damage: string): SnapshotReport => ({ ...found, slot, sha256: null, damage });
  try {
    const info = await verifySnapshotFile(join(dataDir, found.file));
    if (info.slot !== slot || (clusterId !== null && info.clusterId !== clusterId))
      return damagedBy(`it holds slot ${info.slot} of the cluster ${info.clusterId}`);
    return { ...found, slot, sha256: info.sha256, damage: null };
  } catch (error) {
    if (error instanceof DataDamagedError) return damagedBy(error.message);
    // Superseded by a newer one meanwhile.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function noteReport<T>(path: string, parse: (text: string) => T): NoteReport<T> | null {
  const text = existing(() => readFileSync(path, 'utf8'));
  if (text === null) return null;
  try {
    return { contents: parse(text), damage: null };
  } catch (error) {
    return { contents: null, damage: `it does not check: ${firstLine((error as Error).message)}` };
  }
}

function firstLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 200);
}

function sized(dataDir: string, name: string): { file: string; sizeBytes: number } {
  const file = `snapshots/${name}`;
  return { file, sizeBytes: statSync(join(dataDir, file)).size };
}

/** null for what is not there, or not any more. */
function existing<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
