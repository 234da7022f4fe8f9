/** One command on a connection that stands: sends it, feeds stdin, collects bounded output, judges how it ended. */
import type { Readable } from 'node:stream';
import type { CommandExit, RunningCommand } from './link.ts';
import type { ShellCommand } from './shell-command.ts';
import { SshError, type SshErrorDetails } from './ssh-error.ts';

export interface ExecOptions {
  /** Exit codes that are an answer and not a failure; [0]. */
  expectedExitCodes?: readonly number[] | undefined;
  /** Sent to the command and then closed; without it stdin is closed at once. */
  stdin?: string | Uint8Array | Readable | undefined;
  /** For the whole command, connecting included; 30,000. */
  timeoutMs?: number | undefined;
  /** Instead of `timeoutMs`: longest time without any byte passing in either direction. For transfers. */
  idleTimeoutMs?: number | undefined;
  /** Most bytes of stdout, and of stderr, that are taken; 4 MiB. More is an error, never a silent cut. */
  maxOutputBytes?: number | undefined;
  signal?: AbortSignal | undefined;
}

export interface ExecResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

export const DEFAULT_EXEC_TIMEOUT_MS = 30_000;
const DEFAULT_MAX_OUTPUT_BYTES = 4 << 20;
const SENT_BUT_UNKNOWN = 'It may or may not have taken effect: look at the host before you repeat it.';

/** One run: made for one channel, used once. */
export class CommandRun {
  readonly #place: { host: string; command: ShellCommand };
  readonly #options: ExecOptions;
  readonly #output = { stdout: new BoundedBytes(), stderr: new BoundedBytes() };
  #timer: NodeJS.Timeout | undefined;

  constructor(place: { host: string; command: ShellCommand }, options: ExecOptions) {
    this.#place = place;
    this.#options = options;
  }

  /** To the end, within `timeoutMs` or the options' idle time. `lost` says why the connection ended, if it did. */
  async on(running: RunningCommand, parts: { timeoutMs: number; lost: () => SshError | null }): Promise<ExecResult> {
    const { signal, idleTimeoutMs } = this.#options;
    const timeoutMs = idleTimeoutMs ?? parts.timeoutMs;
    let stop = (_error: SshError): void => {};
    const onAbort = (): void => stop(this.#aborted());
    try {
      await new Promise<void>((resolve, reject) => {
        stop = (error) => {
          reject(error);
          running.stop();
        };
        this.#timer = setTimeout(() => stop(this.#timedOut(timeoutMs)), timeoutMs);
        signal?.addEventListener('abort', onAbort, { once: true });
        this.#collect(running, stop);
        this.#feed(running, stop);
        void running.closed.then(resolve);
        if (signal?.aborted === true) onAbort();
      });
    } finally {
      clearTimeout(this.#timer);
      signal?.removeEventListener('abort', onAbort);
    }
    return this.#judge(running.exit, parts.lost());
  }

  #collect(running: RunningCommand, stop: (error: SshError) => void): void {
    const maxBytes = this.#options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
    const take = (bytes: BoundedBytes, chunk: Buffer): void => {
      this.#sawProgress();
      if (!bytes.add(chunk, maxBytes)) stop(this.#tooMuch(maxBytes));
    };
    running.stdout.on('data', (chunk: Buffer) => take(this.#output.stdout, chunk));
    running.stderr.on('data', (chunk: Buffer) => take(this.#output.stderr, chunk));
  }

  #feed(running: RunningCommand, stop: (error: SshError) => void): void {
    const { stdin } = this.#options;
    if (stdin === undefined || typeof stdin === 'string' || stdin instanceof Uint8Array) {
      running.stdin.end(stdin ?? '');
      return;
    }
    stdin.on('data', () => this.#sawProgress());
    stdin.on('error', (cause) => stop(this.#error('localFile', 'what was to be sent could not be read', { cause })));
    // A command may well end before it has read everything: then the source has nowhere to go.
    void running.closed.then(() => stdin.destroy());
    stdin.pipe(running.stdin);
  }

  #sawProgress(): void {
    if (this.#options.idleTimeoutMs !== undefined) this.#timer?.refresh();
  }

  #judge(exit: CommandExit | null, lost: SshError | null): ExecResult {
    if (exit === null) {
      throw this.#error('outcomeUnknown', 'the connection ended while the command ran', {
        nextStep: SENT_BUT_UNKNOWN,
        cause: lost,
      });
    }
    const expected = this.#options.expectedExitCodes ?? [0];
    if (exit.code === null) throw this.#error('commandFailed', `the command was ended by ${exit.signal ?? 'a signal'}`);
    if (!expected.includes(exit.code)) {
      throw this.#error('commandFailed', `the command ended with exit code ${exit.code}`, { exitCode: exit.code });
    }
    const { stdout, stderr } = this.#output;
    return { exitCode: exit.code, stdout: stdout.text(), stderr: stderr.text() };
  }

  #timedOut(timeoutMs: number): SshError {
    const cause = new Error(`no end within ${timeoutMs} ms`);
    const problem =
      this.#options.idleTimeoutMs === undefined
        ? `the command had not ended after ${timeoutMs} ms`
        : `nothing moved for ${timeoutMs} ms`;
    return this.#error('outcomeUnknown', problem, { nextStep: SENT_BUT_UNKNOWN, cause });
  }

  #aborted(): SshError {
    return this.#error('aborted', 'the command was called off', { nextStep: SENT_BUT_UNKNOWN });
  }

  #tooMuch(maxBytes: number): SshError {
    const nextStep = 'Ask for less: this much output was not expected.';
    return this.#error('outputTooLarge', `the command wrote more than ${maxBytes} bytes`, { nextStep });
  }

  #error(kind: SshErrorDetails['kind'], problem: string, more: Partial<SshErrorDetails> = {}): SshError {
    const nextStep = 'Read what the command said, mend that on the host, and run the step again.';
    const { host, command } = this.#place;
    return new SshError({ kind, problem, host, command, stderr: this.#output.stderr.text(), nextStep, ...more });
  }
}

class BoundedBytes {
  readonly #chunks: Buffer[] = [];
  #length = 0;

  /** False, and nothing kept, when it would be more than `maxBytes`. */
  add(chunk: Buffer, maxBytes: number): boolean {
    if (this.#length + chunk.length > maxBytes) return false;
    this.#length += chunk.length;
    this.#chunks.push(chunk);
    return true;
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}
