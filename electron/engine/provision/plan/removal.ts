/** Scripts that take a cluster's things off a host again, and that prove it. Ids and versions need no quoting. */
import { HOST_ROOT, hostLayout, nodeLayout } from '../../../../cluster-node/contract/host-layout.ts';
import { recordedProcessFunctions } from './recorded-process.ts';

const SAFE = /^[A-Za-z0-9._-]+$/;

const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1);

/**
 * Removes every runtime and release that neither `keep` nor the `launch.json` of any node folder names, and folders that are
 * empty then, `~/.synod` included. Follows no link, and takes only folders that hold what is installed there and nothing else.
 * Prints `removed=<path>`, and `left=<path>: <why>` for what is in the way and not ours. Throws RangeError at a version that is
 * no plain folder name.
 */
export function removeUnusedScript(keep: readonly string[]): string {
  for (const version of keep) if (!SAFE.test(version)) throw new RangeError(`"${version}" is not a version`);
  return `
set -eu
cd "$HOME"
left() { echo "left=~/$1: $2"; }
is_plain() { # a folder itself; false with a word on what is there instead
  if [ -L "$1" ]; then left "$1" 'it is a link'; return 1; fi
  [ -d "$1" ] || { [ ! -e "$1" ] || left "$1" 'it is not a folder'; return 1; }
}
is_used() {
  case " ${keep.join(' ')} " in *" \${1##*/} "*) return 0 ;; esac
  for launch in ${hostLayout.nodes}/*/launch.json; do
    [ -f "$launch" ] && grep -qF "/$1/" "$launch" && return 0
  done
  return 1
}
stranger_in() { # the first thing in folder $1 that is not the file $2 or its unfinished upload
  for entry in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ -e "$entry" ] || [ -L "$entry" ] || continue
    case "\${entry##*/}" in
      "$2"|"$2".part) [ -f "$entry" ] && [ ! -L "$entry" ] && continue ;;
    esac
    echo "$entry"; return
  done
}
remove_from() { # parent folder, the file that each version's folder holds
  is_plain "$1" || return 0
  for folder in "$1"/* "$1"/.[!.]* "$1"/..?*; do
    [ -e "$folder" ] || [ -L "$folder" ] || continue
    is_plain "$folder" || continue
    ! is_used "$folder" || continue
    stranger=$(stranger_in "$folder" "$2")
    if [ -n "$stranger" ]; then left "$stranger" 'Synod did not put it there'; continue; fi
    rm -f -- "$folder/$2" "$folder/$2.part"
    rmdir -- "$folder"
    echo "removed=~/$folder"
  done
}
is_plain ${HOST_ROOT} || exit 0
remove_from ${HOST_ROOT}/runtime ${nameOf(hostLayout.runtime('v'))}
remove_from ${HOST_ROOT}/releases ${nameOf(hostLayout.release('v'))}
for folder in ${HOST_ROOT}/runtime ${HOST_ROOT}/releases ${hostLayout.nodes} ${HOST_ROOT}; do
  [ -L "$folder" ] || [ ! -d "$folder" ] || rmdir "$folder" 2>/dev/null || true
done
`;
}

/** What `removeUnusedScript` did: the folders that went, and what stays with the reason. */
export function parseRemoved(stdout: string): { removed: string[]; left: string[] } {
  const lines = stdout.split('\n');
  const all = (key: string) => lines.flatMap((line) => (line.startsWith(key) ? [line.slice(key.length)] : []));
  return { removed: all('removed='), left: all('left=') };
}

/** Ends with this code where a link leads out of the home folder. */
export const LINKED = 74;

/**
 * Removes the folder of a node without its agent: one that never ran, or whose configuration cannot be read. Refuses, with exit
 * code `LINKED`, where a link leads to it.
 */
export function removeNodeFolderScript(nodeId: string): string {
  const dir = hostLayout.nodeDir(assertNodeId(nodeId));
  return `
set -eu
cd "$HOME"
for folder in ${HOST_ROOT} ${hostLayout.nodes} ${dir}; do
  [ ! -L "$folder" ] || { echo "~/$folder is a link" >&2; exit ${LINKED}; }
done
rm -rf -- ${dir} ${hostLayout.nodes}/.removing-${nodeId}
`;
}

/** A process that outlives SIGKILL: its disk may hang. */
export const OUTLIVED = 75;

/**
 * Stops a node without its agent: the supervisor and then the node that its `run/*.json` name, each only while it is the very
 * process that was written down (boot and start time). Ends with `OUTLIVED` when one stays.
 */
export function stopRecordedScript(nodeId: string): string {
  const dir = hostLayout.nodeDir(assertNodeId(nodeId));
  return `
set -u
cd "$HOME" || exit 1
${recordedProcessFunctions}end() { # pid, start time, tenths of a second from SIGTERM to SIGKILL
  kill -TERM "$1" 2>/dev/null
  tenths=0
  while lives "$1" "$2"; do
    [ $tenths -ne "$3" ] || kill -KILL "$1" 2>/dev/null
    [ $tenths -lt $(($3 + 50)) ] || { echo "process $1 outlives SIGKILL" >&2; exit ${OUTLIVED}; }
    sleep 0.1; tenths=$((tenths + 1))
  done
  echo "ended=$1"
}
for record in ${dir}/${nodeLayout.supervisorPid} ${dir}/${nodeLayout.nodePid}; do
  recorded "$record" || continue
  ! lives "$pid" "$start" || end "$pid" "$start" 120
done
`;
}

function assertNodeId(nodeId: string): string {
  if (!/^n-[a-z0-9]{8}$/.test(nodeId)) throw new RangeError(`"${nodeId}" is not a node id`);
  return nodeId;
}

/** Prints what is left of these nodes, one line each; nothing when all is gone. `whole`: ~/.synod must be gone, too. */
export function residueScript(nodeIds: readonly string[], whole: boolean): string {
  const ofNodes = nodeIds.map((nodeId) => {
    // The bracket keeps grep from finding itself.
    const pattern = `[${nodeId[0]}]${nodeId.slice(1)}`;
    return `
[ ! -e ${hostLayout.nodeDir(nodeId)} ] || echo "~/${hostLayout.nodeDir(nodeId)}"
for found in $(grep -ls -- '${pattern}' /proc/[0-9]*/cmdline 2>/dev/null); do
  pid=\${found#/proc/}; echo "process \${pid%/cmdline} of ${nodeId}"
done`;
  });
  const root = whole ? `\n[ ! -e ${HOST_ROOT} ] || find ${HOST_ROOT} | head -n 20 | sed 's/^/~\\//'` : '';
  return `cd "$HOME" || exit 1\n${ofNodes.join('\n')}${root}\nexit 0\n`;
}
