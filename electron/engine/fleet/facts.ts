/**
 * Facts about a host, by one POSIX shell script that prints `key=value` lines and changes nothing. What the host prints is
 * parsed strictly: a fact that is missing or malformed is unknown or an error, never a guess.
 */
import { z } from 'zod';
import { type HostFacts, hostFactsSchema } from '../../contract/model.ts';
import { FailureError } from '../operations/failure.ts';
import type { StoredHost } from './records.ts';

/** An address and a port on which something listens; `0.0.0.0` and `::` are all addresses. */
export interface Listener {
  readonly address: string;
  readonly port: number;
}

export interface GatheredFacts {
  readonly facts: HostFacts;
  readonly place: NonNullable<StoredHost['place']>;
  readonly homeWritable: boolean;
  /** The home's file system forbids running programs. */
  readonly homeNoexec: boolean;
  /** The login has a systemd of its own that keeps services when nobody is logged in, and starts them with the host. */
  readonly userServices: boolean;
  readonly listeners: readonly Listener[];
  /** null: the host's `date` has no milliseconds. */
  readonly hostUnixMs: number | null;
}

export const factsScript = `
LC_ALL=C; export LC_ALL
newline='
'
say() { # key, value: one line. Each process costs a busy host much: a value is only worked on where it needs that.
  case "$2" in
    *"$newline"*) printf '%s=%s\\n' "$1" "$(printf '%s' "$2" | tr '\\n' ' ')" ;;
    *) printf '%s=%s\\n' "$1" "$2" ;;
  esac
}
first() { line=; [ ! -r "$1" ] || IFS= read -r line < "$1" || :; }
set -- $(uname -s; uname -r -n -m)
say kernelName "$1"
say hostname "$2"
say kernel "$3"
say architecture "$4"
uid=$(id -u)
say user "$(id -un)"
say uid "$uid"
say home "$(cd "$HOME" && pwd -P)"
say os "$( [ -r /etc/os-release ] && . /etc/os-release && printf %s "$PRETTY_NAME" )"
say glibc "$(getconf GNU_LIBC_VERSION 2>/dev/null)"
musl=; for file in /lib/ld-musl-*; do [ ! -e "$file" ] || { musl=$file; break; }; done
say musl "$musl"
first /etc/machine-id; say machineId "$line"
first /proc/sys/kernel/random/boot_id; say bootId "$line"
say homeStat "$(stat -L -c '%d %i' "$HOME" 2>/dev/null || stat -L -f '%d %i' "$HOME" 2>/dev/null)"
say cpuCount "$(getconf _NPROCESSORS_ONLN 2>/dev/null)"
say memoryKib "$(awk '/^MemTotal:/ {print $2}' /proc/meminfo 2>/dev/null)"
set -- $(df -Pk "$HOME" 2>/dev/null | awk 'NR == 2 {print $4, $6}')
say homeFreeKib "\${1-}"
say homeMount "$(awk -v at="\${2-}" '$2 == at {options = $4} END {print options}' /proc/mounts 2>/dev/null)"
[ -w "$HOME" ] && say homeWritable yes || say homeWritable no
[ -e "/var/lib/systemd/linger/$(id -un)" ] && [ -S "/run/user/$uid/bus" ] && say userServices yes || say userServices no
[ -d /run/systemd/system ] && say serviceManager systemd || say serviceManager none
if [ "$uid" = 0 ]; then say privilege root
elif command -v sudo >/dev/null 2>&1 && sudo -n true >/dev/null 2>&1; then say privilege sudo
else say privilege none; fi
for table in /proc/net/tcp /proc/net/tcp6; do
  [ -r "$table" ] && awk '$4 == "0A" {print "listener=" $2}' "$table"
done
say clock "$(date +%s%3N)"
`;

const rawSchema = z.object({
  kernelName: z.string(),
  kernel: z.string(),
  architecture: z.string().min(1),
  hostname: z.string().min(1),
  user: z.string().min(1),
  home: z.string().startsWith('/'),
  os: z.string(),
  glibc: z.string(),
  musl: z.string(),
  machineId: z.string(),
  bootId: z.string(),
  homeStat: z.string().regex(/^\d+ \d+$/),
  cpuCount: z.string(),
  memoryKib: z.string(),
  homeFreeKib: z.string(),
  homeMount: z.string(),
  homeWritable: z.enum(['yes', 'no']),
  userServices: z.enum(['yes', 'no']),
  serviceManager: z.enum(['systemd', 'none']),
  privilege: z.enum(['root', 'sudo', 'none']),
  clock: z.string(),
});

/** Throws FailureError `badFacts` when the output is not that of `factsScript`. */
export function parseFacts(stdout: string, at: { host: string; nowUnixMs: number }): GatheredFacts {
  const { values, listeners } = linesOf(stdout);
  const parsed = rawSchema.safeParse(values);
  if (!parsed.success)
    throw new FailureError(
      {
        kind: 'badFacts',
        host: at.host,
        command: 'sh -s (facts)',
        message: `The host did not describe itself as expected: ${parsed.error.issues[0]?.path.join('.')} is missing or malformed.`,
        nextStep: 'See whether the login shell prints text of its own or the home folder is missing, then check again.',
      },
      { cause: parsed.error },
    );
  const raw = parsed.data;
  const [homeDevice = '', homeInode = ''] = raw.homeStat.split(' ');
  return {
    facts: hostFactsSchema.parse({
      os: raw.os || raw.kernelName,
      kernel: `${raw.kernelName} ${raw.kernel}`,
      architecture: raw.architecture,
      libc: raw.glibc || (raw.musl ? 'musl' : null),
      hostname: raw.hostname,
      user: raw.user,
      home: raw.home,
      machineId: raw.machineId || null,
      cpuCount: count(raw.cpuCount),
      memoryBytes: kibibytes(raw.memoryKib),
      homeFreeBytes: kibibytes(raw.homeFreeKib),
      serviceManager: raw.serviceManager,
      privilege: raw.privilege,
      gatheredAtUnixMs: at.nowUnixMs,
    }),
    place: { machineId: raw.machineId || null, bootId: raw.bootId || null, homeDevice, homeInode },
    homeWritable: raw.homeWritable === 'yes',
    homeNoexec: raw.homeMount.split(',').includes('noexec'),
    userServices: raw.userServices === 'yes',
    listeners,
    hostUnixMs: /^\d{13}$/.test(raw.clock) ? Number(raw.clock) : null,
  };
}

function linesOf(stdout: string): { values: Record<string, string>; listeners: Listener[] } {
  const values: Record<string, string> = {};
  const listeners: Listener[] = [];
  for (const line of stdout.split('\n')) {
    const equals = line.indexOf('=');
    if (equals <= 0) continue;
    const key = line.slice(0, equals);
    const value = line.slice(equals + 1).trim();
    if (key !== 'listener') values[key] = value;
    else listeners.push(parseListener(value));
  }
  return { values, listeners };
}

/** `0B00007F:094B` of /proc/net/tcp: the address as 32-bit words in the host's byte order (little-endian here), and a port. */
function parseListener(text: string): Listener {
  const [hex = '', portHex = ''] = text.split(':');
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => (word.match(/../g) ?? []).reverse().map((byte) => Number.parseInt(byte, 16)));
  const port = Number.parseInt(portHex, 16);
  if (bytes.length === 4) return { address: bytes.join('.'), port };
  if (bytes.every((byte) => byte === 0)) return { address: '::', port };
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  if (mapped) return { address: bytes.slice(12).join('.'), port };
  return { address: `ipv6:${bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('')}`, port };
}

function count(text: string): number | null {
  return /^\d+$/.test(text) ? Number(text) : null;
}

function kibibytes(text: string): number | null {
  const found = count(text);
  return found === null ? null : found * 1024;
}
