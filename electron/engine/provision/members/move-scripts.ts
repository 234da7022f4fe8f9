/** What a host does for a move of a node's data. Paths are whole; each script is one run of `/bin/sh` and may be run again. */
import { shellQuote } from '../../ssh/shell-command.ts';

/** Exit codes beside those of the shell. */
export const NO_ROOM = 81;
export const THERE_IS_SOMETHING = 82;

interface Folders {
  readonly old: string;
  readonly new: string;
}

function names({ old, new: wanted }: Folders): string {
  return `set -eu
umask 077
old=${shellQuote(old)}
new=${shellQuote(wanted)}
`;
}

/** Changes nothing. `isBegun`: what is at the new place may be of an earlier try. */
export function roomScript(folders: Folders & { isBegun: boolean }): string {
  return `${names(folders)}
[ -d "$old" ] || [ -d "$old.moved" ] || { echo "there is no folder $old" >&2; exit 1; }
if ${folders.isBegun ? 'false' : '[ -e "$new" ] && { [ ! -d "$new" ] || [ -n "$(ls -A "$new")" ]; }'}; then
  echo "there is something at $new already" >&2; exit ${THERE_IS_SOMETHING}
fi
[ -d "$old" ] || exit 0
over=$(dirname "$new")
while [ ! -d "$over" ]; do over=$(dirname "$over"); done
need=$(du -sk "$old" | cut -f 1)
free=$(df -Pk "$over" | awk 'NR == 2 { print $4 }')
# Two segments more than now may be prepared while the log goes on.
if [ "$free" -lt $((need + need / 10 + 32768)) ]; then
  echo "$((free / 1024)) MiB are free for $new, and the data are $((need / 1024)) MiB" >&2; exit ${NO_ROOM}
fi
echo "$((need / 1024)) MiB, $((free / 1024)) MiB free"
`;
}

/** The node must be stopped. Where the old folder is there, it is the truth, and whatever an earlier try left is made anew. */
export function copyScript(folders: Folders & { isBegun: boolean }): string {
  return `${names(folders)}
if [ ! -d "$old" ] && [ -d "$old.moved" ] && [ -d "$new" ]; then echo 'copied before'; exit 0; fi
[ -d "$old" ] && [ ! -L "$old" ] || { echo "there is no folder $old" >&2; exit 1; }
part="$new.part"
${folders.isBegun ? 'rm -rf -- "$new"' : 'rmdir -- "$new" 2>/dev/null || true'}
[ ! -e "$new" ] || { echo "there is something at $new already" >&2; exit ${THERE_IS_SOMETHING}; }
rm -rf -- "$part" "$old.moved"
mkdir -p -m 0755 -- "$(dirname "$(dirname "$new")")"
mkdir -p -m 0711 -- "$(dirname "$new")"
# Whole blocks, so that the log goes on being written in place.
cp -a --sparse=never --reflink=never -- "$old" "$part"
sums() { (cd "$1" && find . -type f -exec sha256sum {} + | LC_ALL=C sort -k 2); }
if [ "$(sums "$old")" != "$(sums "$part")" ]; then echo 'the copy differs from what was copied' >&2; exit 1; fi
sync
mv -T -- "$part" "$new"
mv -T -- "$old" "$old.moved"
sync
echo "$(find "$new" -type f | wc -l) files, equal by SHA-256"
`;
}

/** `isChosen`: folders that were made for it go, too, where nothing else is in them. */
export function deleteScript(old: string, { isChosen }: { isChosen: boolean }): string {
  return `set -eu
old=${shellQuote(old)}
rm -rf -- "$old.moved"
${isChosen ? 'node=$(dirname "$old"); rmdir -- "$node" 2>/dev/null && rmdir -- "$(dirname "$node")" 2>/dev/null || true' : ''}
echo "$old.moved is gone"
`;
}
