/**
 * What a preflight looks at beyond the facts of a host: one POSIX shell script that prints `key=value` lines and changes
 * nothing. What needs root's eyes (SMART, the rule set) is looked at where sudo lets us without a password, and is empty, that
 * is unknown, elsewhere.
 */
import { z } from 'zod';
import { FailureError } from '../operations/failure.ts';
import { shellQuote } from '../ssh/shell-command.ts';

/** A script for `sh -s`. `dataDir`: absolute, may not exist yet; null: the home folder. */
export function probeScript(dataDir: string | null): string {
  return `
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin
data=${dataDir === null ? '$HOME' : shellQuote(dataDir)}
say() { printf '%s=%s\\n' "$1" "$(printf '%s' "$2" | tr '\\n' ' ')"; }
if [ "$(id -u)" = 0 ]; then rights=root; root() { "$@"; }
elif ! command -v sudo >/dev/null 2>&1; then rights=none; root() { false; }
elif sudo -n true >/dev/null 2>&1; then rights=sudo; root() { sudo -n "$@"; }
elif sudo -n -l 2>&1 | grep -q 'password is required'; then rights=password; root() { false; }
else rights=none; root() { false; }; fi
say rights $rights
memory() { awk -v key="$1:" '$1 == key {print $2}' /proc/meminfo; }
say memoryAvailableKib "$(memory MemAvailable)"
say swapKib "$(memory SwapTotal)"
say swappiness "$(cat /proc/sys/vm/swappiness 2>/dev/null)"
say hugePages "$(sed -n 's/.*\\[\\(.*\\)\\].*/\\1/p' /sys/kernel/mm/transparent_hugepage/enabled 2>/dev/null)"
say openFiles "$(ulimit -Hn)"
say load1 "$(cut -d' ' -f1 /proc/loadavg 2>/dev/null)"

while [ ! -d "$data" ] && [ "$data" != / ]; do data=$(dirname "$data"); done
say dataAt "$data"
set -- $(df -Pk "$data" 2>/dev/null | awk 'NR == 2 {print $2, $4, $6}')
say dataTotalKib "\${1-}"; say dataFreeKib "\${2-}"; say dataMount "\${3-}"
say dataFreeInodes "$(df -Pi "$data" 2>/dev/null | awk 'NR == 2 {print $4}')"
say dataFileSystem "$(awk -v at="\${3-}" '$2 == at {type = $3} END {print type}' /proc/mounts 2>/dev/null)"
say dataOptions "$(awk -v at="\${3-}" '$2 == at {options = $4} END {print options}' /proc/mounts 2>/dev/null)"
number=$(stat -L -c %d "$data" 2>/dev/null || echo 0)
device=$(readlink -f "/sys/dev/block/$((number >> 8 & 4095)):$((number & 255 | number >> 12 & 1048320))" 2>/dev/null)
[ -d "$device" ] || device=
[ -z "$device" ] || [ ! -f "$device/partition" ] || device=\${device%/*}
say disk "\${device##*/}"
say rotational "$([ -z "$device" ] || cat "$device/queue/rotational" 2>/dev/null)"
say model "$([ -z "$device" ] || cat "$device/device/model" 2>/dev/null)"

active() { for unit in "$@"; do systemctl is-active --quiet "$unit" 2>/dev/null && { echo "$unit"; return; }; done; }
say clockService "$(active chrony chronyd systemd-timesyncd ntpd ntpsec ntp openntpd)"
say clockSynchronised "$(timeout 3 timedatectl show -p NTPSynchronized --value 2>/dev/null)"
for unit in systemd-timesyncd chrony chronyd; do
  [ -n "$(systemctl list-unit-files "$unit.service" --no-legend 2>/dev/null)" ] && { say clockInstalled $unit; break; }
done
firewall=$(active firewalld ufw)
say firewall "$firewall"
[ "$firewall" != ufw ] || say firewallPorts "$(root ufw status 2>/dev/null | awk '/ALLOW/ {print $1}')"
[ "$firewall" != firewalld ] || say firewallPorts "$(root firewall-cmd --list-ports 2>/dev/null)"
say inputPolicy "$(root nft list ruleset 2>/dev/null | sed -n 's/.*hook input.*policy \\([a-z]*\\).*/\\1/p' | sort -u)"
say virtual "$(systemd-detect-virt 2>/dev/null)"
say linger "$([ ! -e "/var/lib/systemd/linger/$(id -un)" ] || echo yes)"

total() { cat "$@" 2>/dev/null | awk '{sum += $1; seen = 1} END {if (seen) print sum}'; }
say memoryCorrected "$(total /sys/devices/system/edac/mc/mc*/ce_count)"
say memoryUncorrected "$(total /sys/devices/system/edac/mc/mc*/ue_count)"
[ -z "$device" ] || say smart "$(root timeout 10 smartctl --json -H -A "/dev/\${device##*/}" 2>/dev/null)"
exit 0
`;
}

const text = z.string().default('');
/** Of smartctl's JSON (7.0 on), what a verdict needs; everything is optional there. */
const smartSchema = z.object({
  smart_status: z.object({ passed: z.boolean() }).optional(),
  ata_smart_attributes: z
    .object({ table: z.array(z.object({ id: z.number(), name: z.string(), raw: z.object({ value: z.number() }) })) })
    .optional(),
  nvme_smart_health_information_log: z
    .object({
      media_errors: z.number().optional(),
      percentage_used: z.number().optional(),
      critical_warning: z.number().optional(),
    })
    .optional(),
});
export type Smart = z.infer<typeof smartSchema>;

const rawSchema = z.object({
  rights: z.enum(['root', 'sudo', 'password', 'none']),
  memoryAvailableKib: text,
  swapKib: text,
  swappiness: text,
  hugePages: text,
  openFiles: text,
  load1: text,
  dataAt: z.string().startsWith('/'),
  dataTotalKib: text,
  dataFreeKib: text,
  dataMount: text,
  dataFreeInodes: text,
  dataFileSystem: text,
  dataOptions: text,
  disk: text,
  rotational: text,
  model: text,
  clockService: text,
  clockSynchronised: text,
  clockInstalled: text,
  firewall: text,
  firewallPorts: text,
  inputPolicy: text,
  virtual: text,
  linger: text,
  memoryCorrected: text,
  memoryUncorrected: text,
  smart: text,
});

/** null and empty lists: the host did not tell. Sizes in bytes. */
export interface HostProbe {
  readonly rights: 'root' | 'sudo' | 'password' | 'none';
  readonly memoryAvailableBytes: number | null;
  readonly swapBytes: number | null;
  /** 0 to 200. */
  readonly swappiness: number | null;
  readonly hugePages: 'always' | 'madvise' | 'never' | null;
  /** The login's hard limit; Infinity: none. */
  readonly openFiles: number | null;
  readonly load1: number | null;
  readonly data: {
    /** The folder, or its nearest parent that exists. */
    readonly at: string;
    readonly totalBytes: number | null;
    readonly freeBytes: number | null;
    readonly freeInodes: number | null;
    readonly mount: string | null;
    readonly fileSystem: string | null;
    readonly options: readonly string[];
    /** Kernel name of the whole disk, such as `sda`. */
    readonly disk: string | null;
    readonly model: string | null;
    readonly isRotational: boolean | null;
  };
  readonly clock: {
    readonly service: string | null;
    readonly isSynchronised: boolean | null;
    /** A service that is there and could be started. */
    readonly installed: string | null;
  };
  readonly firewall: {
    readonly service: 'firewalld' | 'ufw' | null;
    /** As the firewall names them; null: not told. */
    readonly ports: readonly string[] | null;
    /** Whether a base chain drops what no rule accepts; null: the rule set could not be read, or has no input chain. */
    readonly dropsByDefault: boolean | null;
  };
  readonly virtual: string | null;
  readonly lingers: boolean;
  readonly memoryErrors: { readonly corrected: number; readonly uncorrected: number } | null;
  readonly smart: Smart | null;
}

/** Throws FailureError `badFacts` when the output is not that of `probeScript`. */
export function parseProbe(stdout: string, host: string): HostProbe {
  const parsed = rawSchema.safeParse(valuesOf(stdout));
  if (!parsed.success)
    throw new FailureError(
      {
        kind: 'badFacts',
        host,
        command: 'sh -s (preflight)',
        message: `The host did not answer the preflight as expected: ${parsed.error.issues[0]?.path.join('.')} is missing or malformed.`,
        nextStep: 'See whether the login shell prints text of its own, then check again.',
      },
      { cause: parsed.error },
    );
  const raw = parsed.data;
  return {
    rights: raw.rights,
    memoryAvailableBytes: kibibytes(raw.memoryAvailableKib),
    swapBytes: kibibytes(raw.swapKib),
    swappiness: number(raw.swappiness),
    hugePages: z.enum(['always', 'madvise', 'never']).nullable().catch(null).parse(raw.hugePages),
    openFiles: raw.openFiles === 'unlimited' ? Number.POSITIVE_INFINITY : number(raw.openFiles),
    load1: number(raw.load1),
    data: {
      at: raw.dataAt,
      totalBytes: kibibytes(raw.dataTotalKib),
      freeBytes: kibibytes(raw.dataFreeKib),
      freeInodes: number(raw.dataFreeInodes),
      mount: raw.dataMount || null,
      fileSystem: raw.dataFileSystem || null,
      options: words(raw.dataOptions, ','),
      disk: raw.disk || null,
      model: raw.model || null,
      isRotational: raw.rotational === '' ? null : raw.rotational === '1',
    },
    clock: {
      service: raw.clockService || null,
      isSynchronised: raw.clockSynchronised === '' ? null : raw.clockSynchronised === 'yes',
      installed: raw.clockInstalled || null,
    },
    firewall: {
      service: z.enum(['firewalld', 'ufw']).nullable().catch(null).parse(raw.firewall),
      ports: raw.firewall === '' || raw.firewallPorts === '' ? null : words(raw.firewallPorts, ' '),
      dropsByDefault: raw.inputPolicy === '' ? null : words(raw.inputPolicy, ' ').includes('drop'),
    },
    virtual: ['', 'none'].includes(raw.virtual) ? null : raw.virtual,
    lingers: raw.linger === 'yes',
    memoryErrors: memoryErrorsOf(raw),
    smart: smartOf(raw.smart),
  };
}

function valuesOf(stdout: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const line of stdout.split('\n')) {
    const equals = line.indexOf('=');
    if (equals > 0) values[line.slice(0, equals)] = line.slice(equals + 1).trim();
  }
  return values;
}

function memoryErrorsOf(raw: { memoryCorrected: string; memoryUncorrected: string }): HostProbe['memoryErrors'] {
  const [corrected, uncorrected] = [number(raw.memoryCorrected), number(raw.memoryUncorrected)];
  return corrected === null || uncorrected === null ? null : { corrected, uncorrected };
}

function smartOf(json: string): Smart | null {
  try {
    const smart = smartSchema.parse(JSON.parse(json));
    // A virtual disk answers with neither.
    return smart.smart_status || smart.nvme_smart_health_information_log ? smart : null;
  } catch {
    return null;
  }
}

function words(line: string, separator: string): string[] {
  return line.split(separator).filter((word) => word !== '');
}

function number(found: string): number | null {
  return /^\d+(\.\d+)?$/.test(found) ? Number(found) : null;
}

function kibibytes(found: string): number | null {
  const size = number(found);
  return size === null ? null : size * 1024;
}
