/**
 * Root's rights on a host for one command at a time: the login has them, or sudo gives them, with a password that goes through
 * standard input and never through arguments. Where sudoers asks for a terminal (requiretty), sudo gets one of its own from
 * util-linux's `script`, and the command keeps its plain streams.
 */
import { randomBytes } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import type { ExecOptions, ExecResult } from './command-run.ts';
import type { HostConnection } from './connection.ts';
import { type ShellCommand, ShellFragment, sh } from './shell-command.ts';

/** Runs commands on a host, with whatever rights. */
export type Executor = Pick<HostConnection, 'label' | 'exec'>;

export type Elevation =
  | { readonly kind: 'root' }
  /** `password`: null where sudo asks for none. */
  | { readonly kind: 'sudo'; readonly password: string | null; readonly needsTerminal: boolean };

/** What the host says of the login's rights. */
export type Rights =
  | { readonly kind: 'root' }
  | { readonly kind: 'sudo' | 'password'; readonly needsTerminal: boolean }
  /** `said`: sudo's own words, or that there is none. */
  | { readonly kind: 'none'; readonly said: string };

const rightsScript = `LC_ALL=C; export LC_ALL
[ "$(id -u)" != 0 ] || { echo root; exit; }
command -v sudo >/dev/null 2>&1 || { echo 'none there is no sudo'; exit; }
judge() { # terminal or plain, what sudo said
  case "$2" in
    *'password is required'*|*'a password'*) echo "password $1" ;;
    *) echo "none $(printf %s "$2" | tr '\\n' ' ')" ;;
  esac
}
said=$(sudo -n true 2>&1 </dev/null) && { echo 'sudo plain'; exit; }
case "$said" in
  *tty*|*terminal*)
    command -v script >/dev/null 2>&1 || { echo "none $said"; exit; }
    said=$(script -qec 'sudo -n true' /dev/null 2>&1 </dev/null | tr -d '\\r')
    if script -qec 'sudo -n true' /dev/null >/dev/null 2>&1 </dev/null; then echo 'sudo terminal'; else judge terminal "$said"; fi ;;
  *) judge plain "$said" ;;
esac
`;

/** Asks the host; changes nothing. Throws SshError. */
export async function findRights(connection: Executor, signal?: AbortSignal): Promise<Rights> {
  const { stdout } = await connection.exec(sh`/bin/sh -s`, { stdin: rightsScript, timeoutMs: 60_000, signal });
  const [kind = '', ...rest] = (stdout.trim().split('\n').at(-1) ?? '').split(' ');
  if (kind === 'root') return { kind };
  if (kind === 'sudo' || kind === 'password') return { kind, needsTerminal: rest[0] === 'terminal' };
  return { kind: 'none', said: rest.join(' ').trim() || 'nothing was said' };
}

/** What sudo says to a password: taken, a wrong one, or that this login may not become root with any. */
export type SudoAnswer = 'taken' | 'wrong' | { readonly refusal: string };

/** Tries the password once only: each failure may count towards a lock. Throws SshError. */
export async function tryPassword(
  connection: Executor,
  elevation: Extract<Elevation, { kind: 'sudo' }>,
): Promise<SudoAnswer> {
  const command = sh`LC_ALL=C; export LC_ALL; ${fragment(sudoCommand(sh`true`, elevation))}`;
  const options = { stdin: `${elevation.password}\n`, timeoutMs: 60_000, expectedExitCodes: [0, 1] };
  const { exitCode, stderr } = await connection.exec(command, options);
  if (exitCode === 0) return 'taken';
  // Asked without a password, sudo does not tell who is not in sudoers: that comes only after the right one.
  const refusal = stderr.split('\n').find((line) => /not in the sudoers|not allowed to|may not run/.test(line));
  return refusal === undefined ? 'wrong' : { refusal: refusal.trim().replace(/\.$/, '') };
}

/**
 * The command as root runs it. `prelude` is to be written to its standard input before anything else. Where sudo asks for no password
 * that time after all, what was written for it is read and dropped, not run.
 */
export function elevatedCommand(
  command: ShellCommand,
  elevation: Elevation,
): { command: ShellCommand; prelude: string } {
  if (elevation.kind === 'root') return { command, prelude: '' };
  if (elevation.password === null) return { command: sudoCommand(command, elevation), prelude: '' };
  const mark = `synod-${randomBytes(6).toString('hex')}`;
  const inner = sh`while IFS= read -r line && [ "$line" != ${mark} ]; do :; done; ${fragment(command)}`;
  return { command: sudoCommand(inner, elevation), prelude: `${elevation.password}\n${mark}\n` };
}

function sudoCommand(
  command: ShellCommand,
  { password, needsTerminal }: Extract<Elevation, { kind: 'sudo' }>,
): ShellCommand {
  const inner = fragment(sh`/bin/sh -c ${command}`);
  // -k: a password of a moment ago counts for nothing, so that it is always the one that is read.
  const whole = password === null ? sh`sudo -n -- ${inner}` : sh`sudo -k -S -p '' -- ${inner}`;
  if (!needsTerminal) return whole;
  return sh`exec 3<&0 4>&1 5>&2; exec script -qec ${`${whole} <&3 >&4 2>&5`} /dev/null </dev/null >/dev/null`;
}

function fragment(command: ShellCommand): ShellFragment {
  return new ShellFragment(command);
}

/** The connection with root's rights. */
export function elevated(connection: Executor, elevation: Elevation): Executor {
  if (elevation.kind === 'root') return connection;
  return {
    label: connection.label,
    exec: async (command: ShellCommand, options?: ExecOptions): Promise<ExecResult> => {
      const as = elevatedCommand(command, elevation);
      return connection.exec(as.command, { ...options, stdin: withPrelude(as.prelude, options?.stdin) });
    },
  };
}

function withPrelude(prelude: string, stdin: ExecOptions['stdin']): ExecOptions['stdin'] {
  if (prelude === '') return stdin;
  if (stdin === undefined || typeof stdin === 'string') return prelude + (stdin ?? '');
  if (!(stdin instanceof Readable)) return Buffer.concat([Buffer.from(prelude), stdin]);
  const both = new PassThrough();
  both.write(prelude);
  stdin.on('error', (error) => both.destroy(error));
  both.on('close', () => stdin.destroy());
  return stdin.pipe(both);
}
