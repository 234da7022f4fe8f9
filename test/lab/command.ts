/** Runs a program of this machine to its end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface CommandResult {
  /** As a shell says it: 128 + the signal's number is not told apart from an exit. */
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly input?: string;
  /** 60 s without; the program is then killed and the exit code is 137. */
  readonly timeoutMs?: number;
}

export type Command = readonly [string, ...string[]];

const TIMEOUT_MS = 60_000;
const KILLED = 137;
const STDERR_SHOWN = 2000;

/** Its standard output. Throws with command, exit code and standard error when it fails. */
export async function run(command: Command, options: CommandOptions = {}): Promise<string> {
  const result = await attempt(command, options);
  if (result.exitCode === 0) return result.stdout;
  const said = `${result.stderr}\n${result.stdout}`.trim().slice(-STDERR_SHOWN);
  throw new Error(`${command.join(' ')} ended with ${result.exitCode}: ${said}`);
}

export async function attempt(command: Command, options: CommandOptions = {}): Promise<CommandResult> {
  const [program, ...args] = command;
  const child = spawn(program, args, {
    stdio: 'pipe',
    timeout: options.timeoutMs ?? TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const parts = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (parts.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (parts.stderr += text));
  // A program that does not read its input is free not to.
  child.stdin.on('error', () => {}).end(options.input ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  return { exitCode: code ?? KILLED, ...parts };
}
