/**
 * The shell scripts that read and write a cluster's lock and record on a host. Each compares and changes in one step, under the lock
 * (flock) that all of Synod's scripts on a host share, so that two consoles take turns. They come by standard input, and as one
 * function that is called in the last line: a script that arrives cut off does nothing.
 */
import type { HostPlace } from '../../../../cluster-node/contract/host-layout.ts';
import { shellQuote } from '../../ssh/shell-command.ts';
import { NOT_OURS } from '../apply/step-script.ts';

/** Ends with this code where flock(1) is missing: without it nothing can be compared and changed in one step. */
export const NO_FLOCK = 76;

export interface TruthPlace {
  readonly place: HostPlace;
  readonly clusterId: string;
  /** Who asks, as `lock-file.ts` says. */
  readonly holder: string;
  readonly token: string;
}

/** What is there; changes nothing. */
export function lookScript(at: TruthPlace): string {
  return script(at, 'lock_state; say');
}

/**
 * Takes the lock unless another holds it, then says what is there. `lines`: of `lockLines`. Prints `taken` where it is ours now, and `made`
 * with each folder that had to be made.
 */
export function takeScript(at: TruthPlace, lock: { lines: string; ttlSeconds: number }): string {
  const folders = foldersOf(at.place, at.place.operationLock(at.clusterId));
  return script(
    at,
    `lock_state; say
case $state in held|foreign) return 0 ;; esac
${folders}
put_lock ${base64(lock.lines)} ${lock.ttlSeconds}
printf 'taken\\n'`,
  );
}

/** Prints `renewed`, or what is there where it is no longer ours. Never makes one anew: what was removed stays removed. */
export function renewScript(at: TruthPlace, lock: { lines: string; ttlSeconds: number }): string {
  return script(
    at,
    `lock_state
if is_mine; then put_lock ${base64(lock.lines)} ${lock.ttlSeconds}; printf 'renewed\\n'; else say; fi`,
  );
}

/** Puts the record there if the lock is ours and what is there has a lower number. Prints `written`, or what is there. */
export function recordScript(at: TruthPlace, record: { text: string; sequence: number }): string {
  const path = at.place.clusterRecord(at.clusterId);
  return script(
    at,
    `lock_state
if is_mine && is_lower ${record.sequence}; then
${foldersOf(at.place, path)}
put "$record" ${base64(record.text)}
printf 'written\\n'
else say; fi`,
  );
}

/** Removes the lock if it is ours, and of `made` what is empty. Prints `released`. */
export function releaseScript(at: TruthPlace, made: readonly string[]): string {
  const folders = made.toSorted((a, b) => b.length - a.length).map((path) => shellQuote(path));
  return script(
    at,
    `lock_state
! is_mine || rm -f -- "$lock"
for folder in ${folders.join(' ')}; do rmdir -- "$folder" 2>/dev/null || :; done
printf 'released\\n'`,
  );
}

/** Ends with this code where the lock is another's by now. */
export const LOCK_LOST = 77;

/**
 * Lines for a script that changes the host: it does nothing where the operation does not hold the lock. `mayVanish`: it goes on without any
 * lock, since taking a node off its host removes the lock before the rest.
 */
export function fenceLines(at: Omit<TruthPlace, 'holder'>, { mayVanish }: { mayVanish: boolean }): string {
  const lock = shellQuote(at.place.operationLock(at.clusterId));
  const isThere = mayVanish ? `[ -f ${lock} ] && ` : '';
  return `if ${isThere}! grep -q ${shellQuote(`^  "token": "${at.token}",$`)} ${lock} 2>/dev/null; then
  echo 'this operation does not hold the lock of this host any more' >&2; exit ${LOCK_LOST}
fi`;
}

function base64(text: string): string {
  return shellQuote(Buffer.from(text, 'utf8').toString('base64'));
}

/** The folder of the file and the one above it, which is the place's own. */
function foldersOf(place: HostPlace, path: string): string {
  const folder = parentOf(path);
  return `folder ${shellQuote(parentOf(folder))} ${place.name === 'home' ? '0700' : '0755'}
folder ${shellQuote(folder)} 0700`;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

function script({ place, clusterId, holder, token }: TruthPlace, body: string): string {
  return `synod_main() {
set -eu
umask 077
LC_ALL=C; export LC_ALL
pending=
trap '[ -z "$pending" ] || rm -f -- "$pending"' EXIT
command -v flock >/dev/null 2>&1 || { echo 'there is no flock (util-linux)' >&2; exit ${NO_FLOCK}; }
exec 9<${place.name === 'home' ? '"$HOME"' : '/'}
flock -w 60 9
lock=${shellQuote(place.operationLock(clusterId))}
record=${shellQuote(place.clusterRecord(clusterId))}
holder=${shellQuote(holder)}
token=${shellQuote(token)}
${functions}
${body}
}
synod_main
`;
}

const functions = `in_the_way() { echo "$1" >&2; exit ${NOT_OURS}; }
is_plain() { [ -f "$1" ] && [ ! -L "$1" ]; }
field() { # file, name: a value on a line of its own
  sed -n 's/^  "'"$2"'": "\\{0,1\\}\\([A-Za-z0-9./-]*\\)"\\{0,1\\},\\{0,1\\}$/\\1/p' "$1" | head -n 1
}
is_number() { case "$1" in ''|*[!0-9]*|???????????????*) return 1 ;; esac; }
lock_state() { # state: free, own, held, expired or foreign; left: seconds
  read -r up _ < /proc/uptime
  up=\${up%.*}
  read -r boot < /proc/sys/kernel/random/boot_id
  state=free; left=0
  [ -e "$lock" ] || [ -L "$lock" ] || return 0
  state=foreign
  is_plain "$lock" || return 0
  until=$(field "$lock" expiresUptimeSeconds); ttl=$(field "$lock" ttlSeconds)
  is_number "$until" && is_number "$ttl" || return 0
  left=$((until - up))
  # After a restart of the host, or on a clock that went back, its owner has had so long to renew it.
  if [ "$(field "$lock" bootId)" != "$boot" ] || [ "$left" -gt "$ttl" ]; then left=$((ttl - up)); fi
  if [ "$(field "$lock" holder)" = "$holder" ]; then state=own
  elif [ "$left" -gt 0 ]; then state=held
  else state=expired; fi
}
is_mine() { [ "$state" = own ] && [ "$(field "$lock" token)" = "$token" ]; }
is_lower() { # than this number is that of the record
  [ -e "$record" ] || [ -L "$record" ] || return 0
  is_plain "$record" || in_the_way "$record is not a plain file"
  has=$(field "$record" sequence)
  is_number "$has" && [ "$has" -lt "$1" ]
}
say() {
  printf 'lock\\t%s\\t%s\\t' "$state" "$left"
  ! is_plain "$lock" || head -c 16384 "$lock" | base64 -w 0
  printf '\\nrecord\\t'
  ! is_plain "$record" || head -c 1048576 "$record" | base64 -w 0
  printf '\\n'
}
folder() { # path, mode
  [ ! -L "$1" ] || in_the_way "$1 is a link, not a folder of its own"
  [ ! -d "$1" ] || return 0
  mkdir -m "$2" "$1"
  printf 'made\\t%s\\n' "$1"
}
settle() { # path: what is pending becomes this file, also over a power cut
  sync "$pending"
  mv -f -- "$pending" "$1"
  pending=
  sync "\${1%/*}/"
}
put() { # path, content in base64
  [ ! -L "$1" ] || in_the_way "$1 is a link"
  pending=$1.synod-new
  rm -f -- "$pending"
  printf %s "$2" | base64 -d > "$pending"
  settle "$1"
}
put_lock() { # lines in base64, seconds
  [ ! -L "$lock" ] || in_the_way "$lock is a link"
  pending=$lock.synod-new
  rm -f -- "$pending"
  { printf '{\\n  "formatVersion": 1,\\n  "bootId": "%s",\\n  "expiresUptimeSeconds": %s,\\n' "$boot" "$((up + $2))"
    printf %s "$1" | base64 -d; } > "$pending"
  settle "$lock"
}`;
