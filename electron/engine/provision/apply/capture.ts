/**
 * What a host was before Synod: taken once, before the first change, and compared when the last node has left. It covers what Synod and
 * the tools that it runs write to: names, owners and modes below /opt, /etc and the state folders, users and groups, units, firewall
 * rules; in the home place the login's home and its systemd folder. Log files, caches and what others do meanwhile are not Synod's.
 */
import { z } from 'zod';
import type { HostPlace } from '../../../../cluster-node/contract/host-layout.ts';
import type { FleetStore } from '../../fleet/store.ts';
import type { Executor } from '../../ssh/elevation.ts';
import { sh, shellQuote } from '../../ssh/shell-command.ts';

const CAPTURES = 'capture';
const captureSchema = z.object({ takenAtUnixMs: z.number(), place: z.string(), lines: z.array(z.string()) });

const stat = `-exec stat -c 'file %n %F %a %U:%G' {} +`;
/** Shadow tools keep copies of what they changed, and one lock, for good. */
const notTheTools = `! -path '/etc/*-' ! -path '/etc/.pwd.lock'`;

function captureScript(place: HostPlace, home: string, dataFolder: string | null): string {
  const chosen = dataFolder === null ? '' : `find ${shellQuote(dataFolder)} -maxdepth 2 ${stat} 2>/dev/null`;
  const own =
    place.name === 'home'
      ? `find ${shellQuote(home)} -maxdepth 1 ${stat} 2>/dev/null
find ${shellQuote(`${home}/.config`)} -maxdepth 4 ${stat} 2>/dev/null`
      : `find /etc -xdev ${notTheTools} ${stat} 2>/dev/null
find /opt -xdev -maxdepth 3 ${stat} 2>/dev/null
find /var/lib /run /srv /usr/local -xdev -maxdepth 1 ${stat} 2>/dev/null
sed 's/^/user /' /etc/passwd
sed 's/^/group /' /etc/group
systemctl list-unit-files --no-legend --no-pager --plain 2>/dev/null | grep -Ev ' (transient|generated|runtime)( |$)' | sed 's/  */ /g; s/ *$//; s/^/unit /'
nft -s list ruleset 2>/dev/null | sed 's/^/nft /'
iptables-save 2>/dev/null | sed '/^#/d; s/\\[[0-9:]*\\]//; s/^/iptables /'`;
  return `synod_main() {
LC_ALL=C; export LC_ALL
{
${own}
${chosen}
} | sort -u
printf 'end\\n'
}
synod_main
`;
}

export interface CaptureRequest {
  readonly hostId: string;
  readonly place: HostPlace;
  readonly home: string;
  readonly dataFolder: string | null;
}

async function capture(executor: Executor, request: CaptureRequest): Promise<string[]> {
  const stdin = captureScript(request.place, request.home, request.dataFolder);
  const { stdout } = await executor.exec(sh`/bin/sh -s`, { stdin, timeoutMs: 60_000, maxOutputBytes: 32 << 20 });
  const lines = stdout.trimEnd().split('\n');
  if (lines.pop() !== 'end') throw new RangeError('the host did not say everything');
  // A login shell may say something of its own before.
  return lines.filter((line) => /^(file|user|group|unit|nft|iptables) /.test(line));
}

/** Takes it, unless there is one. */
export async function takeCapture(
  store: FleetStore,
  executor: Executor,
  request: CaptureRequest & { nowUnixMs: number },
): Promise<void> {
  if (store.getDocument(CAPTURES, request.hostId, captureSchema)) return;
  const lines = await capture(executor, request);
  store.putDocument(CAPTURES, request.hostId, { takenAtUnixMs: request.nowUnixMs, place: request.place.name, lines });
}

export interface Proof {
  readonly takenAtUnixMs: number;
  /** How many things were compared. */
  readonly compared: number;
  /** `+ ` what is there now and was not, `- ` what was and is not. */
  readonly differences: readonly string[];
}

/** null: there is no capture of this host (it was taken over from another console). */
export async function compareWithCapture(
  store: FleetStore,
  executor: Executor,
  request: CaptureRequest,
): Promise<Proof | null> {
  const before = store.getDocument(CAPTURES, request.hostId, captureSchema);
  if (before === null || before.place !== request.place.name) return null;
  const now = await capture(executor, request);
  const [was, is] = [new Set(before.lines), new Set(now)];
  return {
    takenAtUnixMs: before.takenAtUnixMs,
    compared: before.lines.length,
    differences: [
      ...now.filter((line) => !was.has(line)).map((line) => `+ ${line}`),
      ...before.lines.filter((line) => !is.has(line)).map((line) => `- ${line}`),
    ],
  };
}

export function forgetCapture(store: FleetStore, hostId: string): void {
  store.removeDocument(CAPTURES, hostId);
}

/** Folders that were there before Synod was, by the capture; empty without one. */
export function keptFolders(store: FleetStore, hostId: string): ReadonlySet<string> {
  const { lines } = store.getDocument(CAPTURES, hostId, captureSchema) ?? { lines: [] };
  const folders = lines.flatMap((line) => /^file (.+) directory \d+ \S+$/.exec(line)?.[1] ?? []);
  return new Set(folders);
}
