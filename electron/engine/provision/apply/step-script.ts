/**
 * Steps of a plan as one shell script for stdin, so that no content (keys!) shows in a process list. Each step can be done again at
 * any time: it makes the state that is wanted, whatever the last run left. Files are written aside, synced, renamed, and their
 * folders synced: what was not synced is garbage after a power cut. The whole is one function, called in the last line: a script
 * that arrives cut off does nothing.
 */
import type { PlaceName } from '../../../../cluster-node/contract/host-layout.ts';
import { shellQuote } from '../../ssh/shell-command.ts';
import type { HostStep } from '../plan/host-plan.ts';
import { recordedProcessFunctions } from '../plan/recorded-process.ts';
import type { Access } from '../plan/resources.ts';

/** Ends with this code where something that is not ours is in the way. */
export const NOT_OURS = 73;
/** A process that outlives SIGKILL: its disk may hang. */
const OUTLIVED = 75;

/** Steps that a script carries out; the others are uploads and calls to the agent. */
export function isScripted({ resource }: HostStep): boolean {
  return resource.kind !== 'shipped' && resource.kind !== 'service';
}

export interface ScriptPlace {
  readonly place: PlaceName;
  /** The node's `run/` in the home place, where its processes are recorded. */
  readonly runDir: string;
  /** Lines that end the script where it must not change anything (any more). */
  readonly fence?: string;
}

/** Prints `done<TAB><index>` after each step. */
export function stepScript(steps: readonly HostStep[], at: ScriptPlace): string {
  const lines = steps.map((step, index) => `${commandOf(step, at)}\nprintf 'done\\t${index}\\n'`);
  if (steps.some(touchesUnits))
    lines.push(
      at.place === 'system'
        ? 'systemctl daemon-reload'
        : 'XDG_RUNTIME_DIR=/run/user/$(id -u) systemctl --user daemon-reload 2>/dev/null || true',
    );
  return `synod_main() {
${head(at.place)}
${at.fence ?? ''}
${lines.join('\n')}
sync_touched
}
synod_main
`;
}

function touchesUnits({ resource }: HostStep): boolean {
  return 'path' in resource && /\/systemd\/(system|user)\//.test(resource.path);
}

/** How many steps the script said to have done. */
export function stepsDone(stdout: string): number {
  return stdout.split('\n').filter((line) => /^done\t\d+$/.test(line)).length;
}

function head(place: PlaceName): string {
  return `set -eu
umask 077
LC_ALL=C; export LC_ALL
pending=
trap '[ -z "$pending" ] || rm -f -- "$pending"' EXIT
exec 9<${place === 'home' ? '"$HOME"' : '/'}
! command -v flock >/dev/null 2>&1 || flock -w 60 9
in_the_way() { echo "$1" >&2; exit ${NOT_OURS}; }
access() { # path, owner:group or nothing, mode
  [ -z "$2" ] || chown "$2" "$1"
  chmod "$3" "$1"
}
parents() { [ -d "\${1%/*}/" ] || (umask 022; mkdir -p "\${1%/*}/"); }
touched=
folder() { # path, owner:group or nothing, mode
  [ ! -L "$1" ] || in_the_way "$1 is a link, not a folder of its own"
  parents "$1"
  if [ -d "$1" ]; then access "$@"; else mkdir -m "$3" "$1"; [ -z "$2" ] || chown "$2" "$1"; fi
  touched="$touched
\${1%/*}/"
}
put() { # path, owner:group or nothing, mode, content in base64
  [ ! -L "$1" ] && { [ ! -e "$1" ] || [ -f "$1" ]; } || in_the_way "$1 is not a plain file"
  [ ! -e "$1.synod-new" ] || rm -f -- "$1.synod-new"
  parents "$1"
  pending=$1.synod-new
  printf %s "$4" | base64 -d > "$pending"
  access "$pending" "$2" "$3"
  sync "$pending"
  mv -f -- "$pending" "$1"
  pending=
  touched="$touched
\${1%/*}/"
}
link() { # path, where it leads
  [ -L "$1" ] || [ ! -e "$1" ] || in_the_way "$1 is not a link"
  rm -f -- "$1.synod-new"
  parents "$1"
  pending=$1.synod-new
  ln -s -- "$2" "$pending"
  mv -fT -- "$pending" "$1"
  pending=
  touched="$touched
\${1%/*}/"
}
sync_touched() ( # each folder once
  set -f
  IFS='
'
  set -- $(printf '%s\n' "$touched" | sort -u)
  [ $# -eq 0 ] || sync "$@"
)
remove_file() { [ ! -d "$1" ] || [ -L "$1" ] || in_the_way "$1 is a folder"; rm -f -- "$1"; }
remove_tree() {
  [ ! -L "$1" ] || in_the_way "$1 is a link"
  rm -rf -- "$1"
}
remove_empty() { [ -L "$1" ] || [ ! -d "$1" ] || rmdir -- "$1" 2>/dev/null || true; }`;
}

function commandOf({ resource, change }: HostStep, at: ScriptPlace): string {
  switch (resource.kind) {
    case 'user':
      return addUser(resource.name, resource.home);
    case 'folder':
      return `folder ${words(resource.path, ...accessWords(resource.access))}`;
    case 'file': {
      const content = Buffer.from(resource.content ?? '', 'utf8').toString('base64');
      return `put ${words(resource.path, ...accessWords(resource.access), content)}`;
    }
    case 'link':
      return `link ${words(resource.path, resource.to)}`;
    case 'noFile':
      return `remove_file ${words(resource.path)}`;
    case 'noTree':
      return `remove_tree ${words(resource.path)}`;
    case 'noEmptyFolder':
      return `remove_empty ${words(resource.path)}`;
    case 'noUser':
      return `! id -u ${words(resource.name)} >/dev/null 2>&1 || userdel ${words(resource.name)}`;
    case 'noService':
      return at.place === 'system' ? stopUnit(resource.unit.name) : stopRecorded(at.runDir, resource.unit);
    case 'shipped':
    case 'service':
      throw new TypeError(`${resource.kind} (${change}) is not done by a script`);
  }
}

function words(...all: readonly string[]): string {
  return all.map(shellQuote).join(' ');
}

function accessWords({ owner, group, mode }: Access): [string, string] {
  return [owner === null ? '' : `${owner}:${group}`, mode.toString(8).padStart(4, '0')];
}

/** By its comment it is known again as ours. */
export const USER_COMMENT = 'Synod nodes';

function addUser(name: string, home: string): string {
  const who = words(name);
  return `id -u ${who} >/dev/null 2>&1 || useradd --system --user-group --no-create-home --home-dir ${words(home)} --shell "$(command -v nologin || echo /usr/sbin/nologin)" --comment ${words(USER_COMMENT)} ${who}`;
}

function stopUnit(unit: string): string {
  return `systemctl disable --now --quiet ${words(unit)} || systemctl stop ${words(unit)}
systemctl reset-failed ${words(unit)} 2>/dev/null || true`;
}

/**
 * The unit where there is one; then the supervisor and the node that `run/*.json` name, each only while it is the very process
 * that was written down (boot and start time).
 */
function stopRecorded(runDir: string, unit: { name: string; path: string }): string {
  return `if [ -f ${words(unit.path)} ]; then
  XDG_RUNTIME_DIR=/run/user/$(id -u) systemctl --user disable --now --quiet ${words(unit.name)} || true
fi
set +e
${recordedProcessFunctions}end() { # pid, start time, tenths of a second from SIGTERM to SIGKILL
  kill -TERM "$1" 2>/dev/null
  tenths=0
  while lives "$1" "$2"; do
    [ $tenths -ne "$3" ] || kill -KILL "$1" 2>/dev/null
    [ $tenths -lt $(($3 + 50)) ] || { echo "process $1 outlives SIGKILL" >&2; exit ${OUTLIVED}; }
    sleep 0.1; tenths=$((tenths + 1))
  done
}
for record in ${words(`${runDir}/supervisor.json`, `${runDir}/node.json`)}; do
  recorded "$record" || continue
  ! lives "$pid" "$start" || end "$pid" "$start" 120
done
set -e`;
}
