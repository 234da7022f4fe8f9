/** The last lines of a unit's log in the journal, with what systemd itself said of the unit. */
import { runTool } from './systemctl.ts';
import { TOTAL_BYTES_AT_MOST, shortenLine } from './log-tail.ts';

const JOURNAL_TIMEOUT_MS = 8_000;

/** At most `lines` lines, oldest first. */
export async function tailJournal(unit: string, lines: number): Promise<string[]> {
  const wanted = ['--unit', unit, '--lines', String(lines), '--output', 'json', '--output-fields', 'MESSAGE'];
  const text = await runTool({
    tool: 'journalctl',
    scope: 'system',
    arguments: ['--no-pager', '--quiet', ...wanted],
    timeoutMs: JOURNAL_TIMEOUT_MS,
  });
  return lastWithin(journalMessages(text).map(shortenLine), TOTAL_BYTES_AT_MOST);
}

/** `text` is one JSON object a line (journal export formats, "JSON Format"). */
export function journalMessages(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    if (line === '') return [];
    const { MESSAGE } = JSON.parse(line) as { MESSAGE?: unknown };
    if (typeof MESSAGE === 'string') return [MESSAGE];
    // Bytes that are no UTF-8 come as numbers; what is too long comes as null.
    if (Array.isArray(MESSAGE)) return [Buffer.from(MESSAGE as number[]).toString('utf8')];
    return ['(a line too long to be shown)'];
  });
}

function lastWithin(lines: readonly string[], bytesAtMost: number): string[] {
  let bytes = 0;
  let from = lines.length;
  while (from > 0) {
    bytes += Buffer.byteLength(lines[from - 1] as string);
    if (bytes > bytesAtMost) break;
    from -= 1;
  }
  return lines.slice(from);
}
