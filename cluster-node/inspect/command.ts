/** The `inspect` command: text for people, `--json` for programs. Exit code 0: sound; 1: would start with damage; 2: refuses. */
import { parseArgs } from 'node:util';
import { formatBallot } from '../contract/ballot.ts';
import { type InspectReport, inspectData, ownerOf, type RecordRange, type SegmentReport } from './inspect.ts';

const exitCodes = { sound: 0, faulty: 1, refuses: 2 } as const;
const SHOWN_FAULTY = 20;

export async function runInspect(argv: readonly string[]): Promise<number> {
  const options = { data: { type: 'string' }, json: { type: 'boolean' }, records: { type: 'string' } } as const;
  const { values } = parseArgs({ args: [...argv], options });
  if (values.data === undefined) throw new Error('--data DIR is missing');
  const records = values.records === undefined ? null : rangeOf(values.records);
  const owner = ownerOf(values.data);
  const report = await inspectData(values.data, records);
  const output = values.json ? JSON.stringify({ ...report, isInUse: owner !== null }, null, 2) : inWords(report, owner);
  // A pipe takes only so much at once, and the process ends right after this.
  await new Promise((resolve) => process.stdout.write(`${output}\n`, resolve));
  return exitCodes[report.verdict];
}

function rangeOf(text: string): RecordRange {
  const match = /^(\d+)\.\.(\d+)$/.exec(text);
  if (match === null) throw new Error(`--records ${text}: expected two record numbers, FROM..TO`);
  return { from: Number(match[1]), upTo: Number(match[2]) };
}

export function inWords(report: InspectReport, owner: number | null): string {
  const { superblock, mark, segments, snapshots, incoming, state, damages, faulty } = report;
  const lines = [`data folder   ${report.dataDir}`];
  if (owner !== null)
    lines.push(`in use        by a running node${owner > 0 ? ` (pid ${owner})` : ''}: the end of its log may move`);
  const whose = superblock.contents;
  lines.push(`superblock    ${superblock.intactCopies} of 4 copies intact`);
  if (whose !== null)
    lines.push(
      `              node ${whose.nodeId}, member ${whose.memberSlot} of ${whose.clusterId}, disk ${whose.incarnation}`,
    );
  const slots = mark.slots.map((slot) => slot ?? 'damaged').join(', ');
  lines.push(
    `synced mark   ${mark.upTo === null ? 'unreadable' : `record ${mark.upTo}`}${slots ? ` (slots: ${slots})` : ''}`,
  );
  lines.push(`segments      ${segments.length}`, ...segments.map(segmentLine));
  lines.push(
    `snapshots     ${snapshots.length}`,
    ...snapshots.map(
      ({ file, sizeBytes, sha256, damage }) => `  ${file}  ${sizeBytes} bytes  ${damage ?? `sound, SHA-256 ${sha256}`}`,
    ),
    ...incoming.map(({ file, sizeBytes }) => `  ${file}  ${sizeBytes} bytes fetched so far`),
    `known disks   ${knownDisksInWords(report)}`,
    `quarantine    ${quarantineInWords(report)}`,
  );
  if (state !== null)
    lines.push(
      `state         promised ${formatBallot(state.promised)}, decided up to slot ${state.decidedUpTo}, ${state.undecided} undecided entries`,
      `              in a snapshot up to slot ${state.baseSlot}, entries from slot ${state.firstSlot} on`,
    );
  lines.push(`damage        ${damages.length}`);
  for (const { file, offset, endOffset, recordNumber, kind, text } of damages)
    lines.push(
      `  ${file}, offset ${offset} to ${endOffset}${recordNumber === null ? '' : `, record ${recordNumber}`}: ${kind}: ${text}`,
    );
  for (const { slot, ballot } of faulty.slice(0, SHOWN_FAULTY))
    lines.push(
      `  slot ${slot} is faulty, accepted under ${ballot === null ? 'an unknown ballot' : formatBallot(ballot)}`,
    );
  if (faulty.length > SHOWN_FAULTY) lines.push(`  and ${faulty.length - SHOWN_FAULTY} more faulty slots`);
  for (const { number, kind, segment, offset, slot, ballot, payloadBytes, life, isWhole } of report.records)
    lines.push(
      `record ${number}  ${kind}  segment ${segment}, offset ${offset}  slot ${slot}  ballot ${formatBallot(ballot)}  ` +
        `${payloadBytes} bytes  life ${life}${isWhole ? '' : '  payload damaged'}`,
    );
  lines.push(`verdict       ${report.verdict}: ${report.reason}`);
  // A folder in which there was a node, not one that is merely wrong.
  if (report.verdict === 'refuses' && (superblock.contents !== null || segments.length > 0))
    lines.push('              replace the node: the other nodes have its data');
  return lines.join('\n');
}

function knownDisksInWords({ knownDisks }: InspectReport): string {
  if (knownDisks === null) return 'no other member was met yet';
  if (knownDisks.contents === null) return `damaged: ${knownDisks.damage}`;
  const disks = Object.entries(knownDisks.contents);
  if (disks.length === 0) return 'no other member was met yet';
  return disks.map(([member, incarnation]) => `member ${member} has ${incarnation}`).join(', ');
}

function quarantineInWords({ quarantine }: InspectReport): string {
  if (quarantine === null) return 'none';
  if (quarantine.contents === null) return `damaged: ${quarantine.damage}`;
  const { reason, atUnixMs, trustedUpTo, count, isOver } = quarantine.contents;
  const when = Number.isNaN(new Date(atUnixMs).getTime()) ? `time ${atUnixMs}` : new Date(atUnixMs).toISOString();
  const what = isOver ? 'over, the state was built again' : `in force, snapshots are trusted up to slot ${trustedUpTo}`;
  return `${what}; entered at ${when}, ${count} in a row: ${reason}`;
}

function segmentLine({
  file,
  usedBytes,
  sizeBytes,
  firstRecord,
  lastRecord,
  records,
  slots,
  ballots,
}: SegmentReport): string {
  if (firstRecord === null) return `  ${file}  prepared, no records`;
  const counts = Object.entries(records).map(([kind, count]) => `${count} ${kind}`);
  const span = slots === null ? 'no slots' : `slots ${slots.from} to ${slots.upTo}`;
  const under = ballots === null ? '' : `, ballots ${formatBallot(ballots.from)} to ${formatBallot(ballots.upTo)}`;
  return `  ${file}  records ${firstRecord} to ${lastRecord}, ${usedBytes} of ${sizeBytes} bytes used: ${counts.join(', ')}; ${span}${under}`;
}
