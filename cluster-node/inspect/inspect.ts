/**
 * `synod-node inspect --data DIR`: what stands in a node's data folder, what is wrong with it, and what the node would make of
 * it at its next start. Only reads. While the node runs, the end of its log may be on the move: it then looks torn, or longer
 * a moment later.
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DataMismatchError } from '../storage/errors.ts';
import { checkKinds } from '../storage/folder-check.ts';
import { LOG_FOLDER, MARK_FILE, segmentFile, segmentOf } from '../storage/log/commands.ts';
import type { Damage } from '../storage/log/damage.ts';
import { decodeMark, decodeMarkSlots } from '../storage/log/mark.ts';
import { type RecordHeader, type RecordKind, recordKinds, saltOf } from '../storage/log/record.ts';
import { type RecoveredLog, recoverLog } from '../storage/log/scan.ts';
import { scanSegment } from '../storage/log/segment-scan.ts';
import { productSizes } from '../storage/sizes.ts';
import { decodeSuperblock, type Superblock, superblockCopies } from '../storage/superblock.ts';
import { type BesideTheLog, besideTheLog, troublesOf } from './beside-the-log.ts';

export interface SegmentReport {
  readonly file: string;
  readonly sizeBytes: number;
  readonly usedBytes: number;
  readonly firstRecord: number | null;
  readonly lastRecord: number | null;
  readonly records: Readonly<Record<RecordKind, number>>;
  /** Of accepted records; null when there is none. */
  readonly slots: { readonly from: number; readonly upTo: number } | null;
  readonly ballots: { readonly from: number; readonly upTo: number } | null;
}

export interface RecordReport extends RecordHeader {
  readonly isWhole: boolean;
}

export interface InspectReport extends BesideTheLog {
  readonly dataDir: string;
  readonly superblock: { readonly intactCopies: number; readonly contents: Superblock | null };
  readonly mark: { readonly slots: readonly (number | null)[]; readonly upTo: number | null };
  readonly segments: readonly SegmentReport[];
  readonly state: {
    readonly promised: number;
    readonly decidedUpTo: number;
    readonly undecided: number;
    readonly baseSlot: number;
    readonly firstSlot: number;
  } | null;
  readonly damages: readonly Damage[];
  readonly faulty: RecoveredLog['faulty'];
  readonly verdict: 'sound' | 'faulty' | 'refuses';
  readonly reason: string;
  /** Asked for by number. */
  readonly records: readonly RecordReport[];
}

export interface RecordRange {
  readonly from: number;
  readonly upTo: number;
}

/** `records`: which ones to list. Throws the system's error when the folder cannot be read. */
export async function inspectData(dataDir: string, records: RecordRange | null): Promise<InspectReport> {
  const names = new Set(readdirSync(dataDir));
  const flaw = flawOf(dataDir);
  if (flaw !== null) return { dataDir, ...nothing, reason: flaw };
  const superblock = readIdentity(dataDir, names);
  const salt = superblock.contents === null ? null : saltOf(superblock.contents.incarnation);
  const markFile = salt !== null && names.has(MARK_FILE) ? readFileSync(join(dataDir, MARK_FILE)) : null;
  const mark = markFile && salt !== null ? decodeMark(markFile, salt) : null;
  const slots = markFile && salt !== null ? decodeMarkSlots(markFile, salt) : [];
  const numbers = names.has(LOG_FOLDER) ? readdirSync(join(dataDir, LOG_FOLDER)).map(segmentOf) : [];
  const segments = numbers.filter((segment) => segment !== null).sort((left, right) => left - right);
  const listed: RecordReport[] = [];
  const onRecord = (record: RecordReport) => {
    if (records && record.number >= records.from && record.number <= records.upTo) listed.push(record);
  };
  const reports = segments.map((segment) => segmentReport(dataDir, segment, { salt, onRecord }));
  const beside = await besideTheLog(dataDir, superblock.contents?.clusterId ?? null);
  const found = {
    dataDir,
    superblock: { intactCopies: superblock.intactCopies, contents: superblock.contents },
    mark: { slots, upTo: mark?.upTo ?? null },
    segments: reports,
    ...beside,
    records: listed,
  };
  const refused = (reason: string): InspectReport => ({
    ...found,
    state: null,
    damages: [],
    faulty: [],
    verdict: 'refuses',
    reason,
  });
  if (salt === null) return refused(superblock.reason);
  if (mark === null) return refused(`${MARK_FILE} is gone or does not check: nobody can tell how long the log was`);
  const read = (segment: number) => readFileSync(join(dataDir, segmentFile(segment)));
  const log = recoverLog({ segments, read }, { salt, mark, segmentBytes: productSizes.segmentBytes });
  return { ...found, ...withTroubles(judge(log), troublesOf(beside, log.index.firstSlot)) };
}

type Judgement = Pick<InspectReport, 'state' | 'damages' | 'faulty' | 'verdict' | 'reason'>;

function withTroubles(judgement: Judgement, troubles: readonly string[]): Judgement {
  if (judgement.verdict === 'refuses' || troubles.length === 0) return judgement;
  return { ...judgement, verdict: 'faulty', reason: [judgement.reason, ...troubles].join('; ') };
}

/** Why nothing of the folder can be read; null: it can. */
function flawOf(dataDir: string): string | null {
  try {
    checkKinds(dataDir);
    return null;
  } catch (error) {
    if (error instanceof DataMismatchError) return error.message;
    throw error;
  }
}

const nothing: Omit<InspectReport, 'dataDir' | 'reason'> = {
  superblock: { intactCopies: 0, contents: null },
  mark: { slots: [], upTo: null },
  segments: [],
  snapshots: [],
  incoming: [],
  knownDisks: null,
  quarantine: null,
  state: null,
  damages: [],
  faulty: [],
  verdict: 'refuses',
  records: [],
};

function judge(log: RecoveredLog): Judgement {
  const { damages, faulty, amnesia, promised, decidedUpTo, accepted, baseSlot, index } = log;
  const state = { promised, decidedUpTo, undecided: accepted.length, baseSlot, firstSlot: index.firstSlot };
  if (amnesia !== null) return { state: null, damages, faulty: [], verdict: 'refuses', reason: amnesia };
  // Decided but lost: not above the decided slot, so recovery has taken it back; all of them are repaired from peers.
  const count = faulty.length;
  if (count > 0)
    return { state, damages, faulty, verdict: 'faulty', reason: `would start with ${count} faulty slots to repair` };
  const isHurt = damages.some(({ kind }) => kind !== 'tornTail');
  const reason = isHurt
    ? 'would start: nothing that counts is lost, but the disk has damaged the log'
    : damages.length > 0
      ? 'would start: a torn tail that was never synced is dropped'
      : 'would start';
  return { state, damages, faulty, verdict: isHurt ? 'faulty' : 'sound', reason };
}

function readIdentity(dataDir: string, names: ReadonlySet<string>) {
  if (!names.has('superblock')) return { intactCopies: 0, contents: null, reason: 'there is no superblock' };
  const path = join(dataDir, 'superblock');
  const file = readFileSync(path);
  const intactCopies = superblockCopies(file).filter((copy) => copy !== null).length;
  try {
    return { intactCopies, contents: decodeSuperblock(path, file), reason: '' };
  } catch (error) {
    return { intactCopies, contents: null, reason: (error as Error).message };
  }
}

function segmentReport(
  dataDir: string,
  segment: number,
  { salt, onRecord }: { readonly salt: number | null; readonly onRecord: (record: RecordReport) => void },
): SegmentReport {
  const file = segmentFile(segment);
  const path = join(dataDir, file);
  const sizeBytes = statSync(path).size;
  const records = Object.fromEntries(Object.keys(recordKinds).map((kind) => [kind, 0])) as Record<RecordKind, number>;
  const numbers = new Range();
  const slots = new Range();
  const ballots = new Range();
  let usedBytes = 0;
  if (salt !== null)
    usedBytes = scanSegment(readFileSync(path), {
      segment,
      salt,
      minNumber: 1,
      minLife: 1,
      onFound: (found) => {
        if (found.kind !== 'record') return;
        const { header, isWhole } = found;
        records[header.kind] += 1;
        numbers.add(header.number);
        if (header.kind === 'accepted') slots.add(header.slot);
        if (header.kind === 'accepted' || header.kind === 'promised') ballots.add(header.ballot);
        onRecord({ ...header, isWhole });
      },
    });
  const { from, upTo } = numbers.ends ?? { from: null, upTo: null };
  return {
    file,
    sizeBytes,
    usedBytes,
    firstRecord: from,
    lastRecord: upTo,
    records,
    slots: slots.ends,
    ballots: ballots.ends,
  };
}

class Range {
  #from = Number.POSITIVE_INFINITY;
  #upTo = Number.NEGATIVE_INFINITY;

  add(value: number): void {
    this.#from = Math.min(this.#from, value);
    this.#upTo = Math.max(this.#upTo, value);
  }

  get ends(): RecordRange | null {
    return this.#upTo < this.#from ? null : { from: this.#from, upTo: this.#upTo };
  }
}

/** Whether a running node holds the folder: read from its note, not by taking its lock. */
export function ownerOf(dataDir: string): number | null {
  try {
    const handle = openSync(join(dataDir, 'lock-owner'), 'r');
    const bytes = Buffer.alloc(40);
    const length = readSync(handle, bytes);
    closeSync(handle);
    const pid = Number(/^pid (\d+)/.exec(bytes.toString('utf8', 0, length))?.[1]);
    if (!Number.isInteger(pid)) return null;
    process.kill(pid, 0);
    return pid;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPERM') return 0;
    return null;
  }
}
