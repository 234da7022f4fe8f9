/**
 * The one script that looks at a host for a plan. It changes nothing, and waits a while for a script of an earlier run that may
 * still be at work there (a connection that broke does not end what it had begun). The whole is one function, called in the last
 * line: a script that arrives cut off does nothing.
 */
import type { HostPlace } from '../../../../cluster-node/contract/host-layout.ts';
import { shellQuote } from '../../ssh/shell-command.ts';
import { recordedProcessFunctions } from '../plan/recorded-process.ts';
import type { Resource } from '../plan/resources.ts';

/** A digest that was computed before, and of which file. */
export interface KnownDigest {
  readonly path: string;
  readonly identity: string;
  readonly digest: string;
}

export interface ObserveRequest {
  readonly place: HostPlace;
  readonly nodeId: string;
  readonly resources: readonly Resource[];
  /** Whether there are data is asked of this folder. */
  readonly dataDir: string;
  readonly known: readonly KnownDigest[];
  /** Room is asked of the file systems that hold these folders. */
  readonly disks: readonly string[];
}

/** A line of `stat`, with the script's `$tab`. */
const FORMAT = 'e${tab}%n${tab}%f${tab}%U${tab}%G${tab}%s${tab}%Z';

/** A script for `sh -s`. */
export function observeScript(request: ObserveRequest): string {
  const { place, nodeId, resources, dataDir, known, disks } = request;
  const { unit, configDir } = place.node(nodeId);
  const paths = new Set([dataDir, ...resources.flatMap((one) => ('path' in one ? [one.path] : []))]);
  const files = resources.flatMap((one) => (one.kind === 'file' ? [one.path] : []));
  const texts = resources.flatMap((one) => (one.kind === 'file' && !one.secret ? [one.path] : []));
  const shipped = resources.flatMap((one) => (one.kind === 'shipped' ? [one.path] : []));
  const emptied = resources.flatMap((one) => (one.kind === 'noEmptyFolder' ? [shellQuote(one.path)] : []));
  const identityOf = (path: string) => known.find((one) => one.path === path);
  return `synod_main() {
LC_ALL=C TZ=UTC; export LC_ALL TZ
tab=$(printf '\\t')
exec 9<${place.name === 'home' ? '"$HOME"' : '/'}
! command -v flock >/dev/null 2>&1 || flock -s -w 20 9
text() { [ ! -f "$1" ] || [ -L "$1" ] || { printf 'c\\t%s\\t' "$1"; base64 -w 0 < "$1"; echo; }; }
shipped() { # path, known identity, known digest
  [ -f "$1" ] && [ ! -L "$1" ] || return 0
  identity=$(stat -c '%d:%i:%s:%z:%y' "$1")
  if [ "$identity" = "$2" ]; then digest=$3; else digest=$(sha256sum < "$1" | cut -d ' ' -f 1); fi
  printf 'd\\t%s\\t%s\\ni\\t%s\\t%s\\n' "$1" "$digest" "$1" "$identity"
}
started() { # pid: since when it runs, seconds since 1970
  case "$1" in ''|0) return ;; esac
  read -r up _ < /proc/uptime
  ticks=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20)
  [ -z "$ticks" ] || awk -v now="$(date +%s.%N)" -v up="$up" -v ticks="$ticks" -v hertz="$(getconf CLK_TCK)" \
    'BEGIN {printf "%.2f", now - up + ticks / hertz}'
}
${emptied.length === 0 ? '' : `find ${emptied.join(' ')} -maxdepth 1 -exec stat -c "${FORMAT}" {} + 2>/dev/null\n`}printf 'me\\t%s\\t%s\\n' "$(id -un)" "$(id -gn)"
find ${place.roots.map(shellQuote).join(' ')} -maxdepth 3 -exec stat -c "${FORMAT}" {} + 2>/dev/null
stat -c "${FORMAT}" ${[...paths].map(shellQuote).join(' ')} 2>/dev/null
find ${place.roots.map(shellQuote).join(' ')} -maxdepth 3 -type l 2>/dev/null | while IFS= read -r link; do
  printf 'l\\t%s\\t%s\\n' "$link" "$(readlink "$link")"
done
for link in ${resources.flatMap((one) => (one.kind === 'link' ? [shellQuote(one.path)] : [])).join(' ')}; do
  [ ! -L "$link" ] || printf 'l\\t%s\\t%s\\n' "$link" "$(readlink "$link")"
done
${files.length === 0 ? '' : `sha256sum -- ${files.map(shellQuote).join(' ')} 2>/dev/null | sed "s/^\\(.\\{64\\}\\)  \\(.*\\)/d\${tab}\\2\${tab}\\1/"`}
for file in ${texts.map(shellQuote).join(' ')} ${shellQuote(place.nodesDir)}/*/launch.json ${shellQuote(`${configDir}/config.json`)}; do text "$file"; done
${shipped.map((path) => `shipped ${shellQuote(path)} ${shellQuote(identityOf(path)?.identity ?? '')} ${shellQuote(identityOf(path)?.digest ?? '')}`).join('\n')}
[ -z "$(ls -A ${shellQuote(dataDir)} 2>/dev/null)" ] || printf 'n\\t%s\\n' ${shellQuote(dataDir)}
${place.name === 'home' ? homeService(nodeId, place) : systemService(nodeId, unit.name)}
if command -v firewall-cmd >/dev/null 2>&1 && firewall-cmd --state >/dev/null 2>&1; then printf 'w\\tfirewalld\\n'
elif [ -r /etc/ufw/ufw.conf ] && grep -q '^ENABLED=yes' /etc/ufw/ufw.conf; then printf 'w\\tufw\\n'
elif command -v nft >/dev/null 2>&1 && nft list ruleset 2>/dev/null | grep -q 'hook input.*policy drop'; then printf 'w\\tnft\\n'; fi
for folder in ${[...new Set(disks)].map(shellQuote).join(' ')}; do
  set -- $(df -Pk "$folder" 2>/dev/null | awk 'NR == 2 {print $4, $6}')
  options=$(awk -v at="\${2-}" '$2 == at {found = $4} END {print found}' /proc/mounts 2>/dev/null)
  [ -z "\${1-}" ] || printf 'f\\t%s\\t%s\\t%s\\n' "$folder" "$1" "$options"
done
printf 'end\\n'
}
synod_main
`;
}

function systemService(nodeId: string, unit: string): string {
  return `grep '^synod:' /etc/passwd 2>/dev/null | while IFS=: read -r name _ _ _ comment _ shell; do
  printf 'u\\t%s\\t%s\\t%s\\n' "$name" "$comment" "$shell"
done
if command -v systemctl >/dev/null 2>&1; then
  active=; reload=; pid=
  while IFS='=' read -r key value; do
    case "$key" in ActiveState) active=$value ;; NeedDaemonReload) reload=$value ;; MainPID) pid=$value ;; esac
  done <<SYNOD_SHOW
$(systemctl show -p ActiveState -p NeedDaemonReload -p MainPID ${unit} 2>/dev/null)
SYNOD_SHOW
  printf 's\\t${nodeId}\\t%s\\t%s\\t%s\\n' "$active" "$reload" "$(started "$pid")"
fi`;
}

function homeService(nodeId: string, place: HostPlace): string {
  const { runDir, unit } = place.node(nodeId);
  return `${recordedProcessFunctions}running=inactive
if [ -f ${shellQuote(`${runDir}/supervisor.json`)} ] && recorded ${shellQuote(`${runDir}/supervisor.json`)} && lives "$pid" "$start"; then running=active
elif [ -f ${shellQuote(unit.path)} ] && XDG_RUNTIME_DIR=/run/user/$(id -u) systemctl --user is-active ${unit.name} >/dev/null 2>&1
then running=active
elif [ -f ${shellQuote(`${runDir}/node.json`)} ] && recorded ${shellQuote(`${runDir}/node.json`)} && lives "$pid" "$start"; then running=orphan; fi
if [ -f ${shellQuote(`${runDir}/node.json`)} ] && recorded ${shellQuote(`${runDir}/node.json`)} && lives "$pid" "$start"; then :; else pid=; fi
printf 's\\t${nodeId}\\t%s\\tno\\t%s\\n' "$running" "$(started "$pid")"`;
}
