/** What changes between two texts, line by line: `- ` for what goes, `+ ` for what comes, `  ` for one line around each. */

const AROUND = 1;
/** A configuration is some dozens of lines; of something longer only the beginning is compared. */
const MOST_LINES = 400;

export function lineDiff(before: string, after: string): string {
  const [from, to] = [linesOf(before), linesOf(after)];
  const all = walk(from, to, commonLengths(from, to));
  const near = (at: number) =>
    all.slice(Math.max(0, at - AROUND), at + AROUND + 1).some((line) => !line.startsWith(' '));
  return all.filter((_, at) => near(at)).join('\n');
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n').slice(0, MOST_LINES);
}

/** `lengths[i][j]`: how many lines `from` after i and `to` after j have in common, in order. */
function commonLengths(from: readonly string[], to: readonly string[]): number[][] {
  const lengths = Array.from({ length: from.length + 1 }, () => Array<number>(to.length + 1).fill(0));
  const at = (i: number, j: number) => lengths[i]?.[j] ?? 0;
  for (let i = from.length - 1; i >= 0; i--)
    for (let j = to.length - 1; j >= 0; j--) {
      const row = lengths[i] ?? [];
      row[j] = from[i] === to[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  return lengths;
}

function walk(from: readonly string[], to: readonly string[], lengths: readonly (readonly number[])[]): string[] {
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < from.length || j < to.length) {
    const skipped = lengths[i + 1]?.[j] ?? -1;
    if (i < from.length && j < to.length && from[i] === to[j]) {
      lines.push(`  ${from[i]}`);
      i++;
      j++;
    } else if (i < from.length && (j >= to.length || skipped >= (lengths[i]?.[j + 1] ?? 0)))
      lines.push(`- ${from[i++]}`);
    else lines.push(`+ ${to[j++]}`);
  }
  return lines;
}
