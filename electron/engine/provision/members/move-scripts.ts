/**
 * What a host does for a move of a node's data. Paths are whole; each script is one run of `/bin/sh` and may be run again.
 *
 * The old folder is renamed first: `OLD.moved` is the truth from then on, until it is deleted. A start of the node meanwhile finds no data
 * where it had some and is refused; what such a start leaves at `OLD` is a lock file and nothing of value.
 */
import { shellQuote } from '../../ssh/shell-command.ts';

/** Exit codes beside those of the shell. */
export const NO_ROOM = 81;
export const THERE_IS_SOMETHING = 82;

export interface MoveFolders {
  readonly old: string;
  readonly new: string;
  /** What is at the new place may be of an earlier try. */
  readonly isBegun: boolean;
}

function head({ old, new: wanted }: Pick<MoveFolders, 'old' | 'new'>): string {
  return `set -eu
umask 077
old=${shellQuote(old)}
new=${shellQuote(wanted)}
truth=$old
[ ! -d "$old.moved" ] || truth=$old.moved
case "$new/" in "$old"/*) echo "$new is inside of $old" >&2; exit ${THERE_IS_SOMETHING} ;; esac
[ -d "$truth" ] && [ ! -L "$truth" ] || { echo "there is no folder $old" >&2; exit 1; }
`;
}

/** Changes nothing. */
export function roomScript(folders: MoveFolders): string {
  return `${head(folders)}
if ${folders.isBegun ? 'false' : '[ -e "$new" ] && { [ ! -d "$new" ] || [ -n "$(ls -A "$new")" ]; }'}; then
  echo "there is something at $new already" >&2; exit ${THERE_IS_SOMETHING}
fi
over=$(dirname "$new")
while [ ! -d "$over" ]; do over=$(dirname "$over"); done
need=$(du -sk "$truth" | cut -f 1)
free=$(df -Pk "$over" | awk 'NR == 2 { print $4 }')
# Two segments more than now may be prepared while the log goes on.
if [ "$free" -lt $((need + need / 10 + 32768)) ]; then
  echo "$((free / 1024)) MiB are free for $new, and the data are $((need / 1024)) MiB" >&2; exit ${NO_ROOM}
fi
echo "$((need / 1024)) MiB, $((free / 1024)) MiB free"
`;
}

const LEFTOVERS = `leftovers() { rm -f -- "$old/lock" "$old/lock-owner"; rmdir -- "$old" 2>/dev/null || true; }`;

/** The node must be stopped. Where it fails, the old folder is put back. */
export function copyScript(folders: MoveFolders): string {
  return `${head(folders)}
${LEFTOVERS}
part="$new.part"
${folders.isBegun ? 'rm -rf -- "$new"' : '[ ! -d "$new" ] || rmdir -- "$new" 2>/dev/null || true'}
[ ! -e "$new" ] || { echo "there is something at $new already" >&2; exit ${THERE_IS_SOMETHING}; }
back() {
  rm -rf -- "$part"
  [ ! -d "$old" ] || leftovers
  [ -e "$old" ] || [ ! -d "$old.moved" ] || mv -T -- "$old.moved" "$old"
}
trap '[ $? -eq 0 ] || back' EXIT
[ "$truth" = "$old.moved" ] || mv -T -- "$old" "$old.moved"
sync
mkdir -p -m 0755 -- "$(dirname "$(dirname "$new")")"
mkdir -p -m 0711 -- "$(dirname "$new")"
rm -rf -- "$part"
# Whole blocks, so that the log goes on being written in place.
cp -a --sparse=never --reflink=never -- "$old.moved" "$part"
sums() { (cd "$1" && find . -type f -exec sha256sum {} + | LC_ALL=C sort -k 2); }
if [ "$(sums "$old.moved")" != "$(sums "$part")" ]; then echo 'the copy differs from what was copied' >&2; exit 1; fi
sync
mv -T -- "$part" "$new"
sync
echo "$(find "$new" -type f | wc -l) files, equal by SHA-256"
`;
}

/** `isChosen`: folders that were made for the old place go, too, where nothing else is in them. */
export function deleteScript(old: string, { isChosen }: { isChosen: boolean }): string {
  return `set -eu
old=${shellQuote(old)}
${LEFTOVERS}
rm -rf -- "$old.moved"
[ ! -d "$old" ] || leftovers
${isChosen ? 'node=$(dirname "$old"); rmdir -- "$node" 2>/dev/null && rmdir -- "$(dirname "$node")" 2>/dev/null || true' : ''}
echo "$old.moved is gone"
`;
}
