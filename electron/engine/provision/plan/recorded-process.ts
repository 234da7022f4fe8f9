/**
 * Shell functions on the processes that a node's `run/*.json` name: pid, start time and boot (`ProcessIdentity` of the
 * supervisor). A pid alone may be anybody's after a reboot. Where there is no /proc, the start time is what `ps` says.
 *
 *   recorded <file>           sets pid and start; true when the file names a process of this boot
 *   lives <pid> <start>       true while that very process runs; a zombie has ended
 */
export const recordedProcessFunctions = `
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
field() { sed -n 's/.*"'"$2"'" *: *"\\{0,1\\}\\([^",}]*\\).*/\\1/p' "$1" 2>/dev/null | head -n 1; }
recorded() {
  pid=$(field "$1" pid); start=$(field "$1" startTime)
  [ -n "$pid" ] && [ -n "$start" ] && [ "$(field "$1" bootId)" = "$boot" ]
}
lives() {
  if [ -z "$boot" ]; then
    [ "$2" = "$(ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' | sed 's/^ //; s/ $//')" ]
    return
  fi
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  set -- "$2" \${stat##*) }
  case "$2" in Z|X) return 1 ;; esac
  [ "$1" = "\${21-}" ]
}
`;
