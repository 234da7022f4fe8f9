/** A running OpenSSH client. It ends with the engine, whatever ends the engine, and its folder with it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * The shell becomes ssh. Beside it a subshell waits for the end of the engine's end of fd 3: then it ends the group, in which
 * are also the clients that ssh started for jump hosts, and removes the folder.
 */
const LAUNCH = `(trap '' TERM; read -r line; kill -TERM 0; rm -rf -- "$0") <&3 >/dev/null 2>&1 & exec 3<&-; exec "$@"`;
const MAX_STDERR_CHARACTERS = 16_384;
const LONGEST_REST_MS = 1000;
/** A client that says goodbye over a dead network waits for it. */
const LONGEST_GOODBYE_MS = 2000;

export interface ClientCommand {
  program: string;
  args: readonly string[];
  /** Made for this process; removed with it. */
  folder: string;
  environment?: Readonly<Record<string, string>>;
}

export class ClientProcess {
  /** Resolves with what it wrote to stderr when it has ended; its folder stays until `end` or `kill`. */
  readonly ended: Promise<string>;
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #lifeline: Writable;
  #stderr = '';

  /** Of a session of its own, so without a terminal to ask at. */
  constructor({ program, args, folder, environment }: ClientCommand) {
    const child = spawn('/bin/sh', ['-c', LAUNCH, folder, program, ...args], {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, ...environment },
    });
    this.#child = child;
    this.#folder = folder;
    this.#lifeline = child.stdio[3] as Writable;
    this.#lifeline.on('error', () => {});
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-MAX_STDERR_CHARACTERS);
    });
    const exited = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', (error) => {
        this.#stderr += error.message;
        resolve();
      });
    });
    const saidAll = new Promise<void>((resolve) => child.stderr?.once('close', () => resolve()));
    // The clients of jump hosts have the same stderr, and end when their connection does; what does not is not waited for.
    this.ended = exited
      .then(async () => await Promise.race([saidAll, delay(LONGEST_REST_MS, undefined, { ref: false })]))
      .then(() => this.#stderr);
  }

  /** It says goodbye to the host. */
  end(): void {
    this.#lifeline.destroy();
    const timer = setTimeout(() => this.kill(), LONGEST_GOODBYE_MS).unref();
    void this.ended.then(() => clearTimeout(timer));
  }

  /** It may hang: ended without asking. */
  kill(): void {
    this.#child.kill('SIGKILL');
    this.#lifeline.destroy();
    // In its first moments there is no subshell yet that would do it.
    void this.ended.then(async () => await rm(this.#folder, { recursive: true, force: true })).catch(() => {});
  }
}
