/**
 * How long the disk takes to make a small write durable, measured with nothing but `dd`: 4 KiB at a time into a file that is
 * there already, each followed by fdatasync, as a node's log does it. GNU's dd counts the sync in the time that it prints.
 */
import { shellQuote } from '../ssh/shell-command.ts';

export const SYNC_WRITES = 100;
/** The first ones allocate. */
const WARM_UP = 5;

/**
 * A script for `sh -s`; `folder` exists. One file of 400 KiB is written there and removed again, whatever ends the script.
 * Stops by itself after 10 s.
 */
export function diskSyncScript(folder: string): string {
  return `
LC_ALL=C; export LC_ALL
cd ${shellQuote(folder)} || exit 1
umask 077
file=$(mktemp .synod-check-XXXXXXXX) || exit 1
trap 'rm -f "$file"' EXIT
trap 'exit 1' HUP INT TERM
dd if=/dev/zero of="$file" bs=4096 count=${SYNC_WRITES} conv=fsync 2>/dev/null || exit 1
exec 2>&1
ends=$(($(date +%s) + 10))
at=0
while [ $at -lt ${SYNC_WRITES} ]; do
  dd if=/dev/zero of="$file" bs=4096 count=1 seek=$at conv=notrunc,fdatasync
  at=$((at + 1))
  [ $((at % 10)) -ne 0 ] || [ "$(date +%s)" -lt $ends ] || break
done
`;
}

export interface DiskSync {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** How many syncs stand behind it. */
  readonly count: number;
}

/** null: too few were measured to say anything (no room, no GNU dd). */
export function parseDiskSync(stdout: string): DiskSync | null {
  const times = stdout
    .split('\n')
    .flatMap((line) => /^4096 bytes .* copied, ([\d.e-]+) s,/.exec(line)?.[1] ?? [])
    .map((seconds) => Number(seconds) * 1000)
    .filter((time) => Number.isFinite(time))
    .slice(WARM_UP)
    .sort((a, b) => a - b);
  if (times.length < 10) return null;
  const at = (ratio: number): number => times[Math.min(times.length - 1, Math.floor(ratio * times.length))] ?? 0;
  return { p50Ms: at(0.5), p99Ms: at(0.99), count: times.length };
}
