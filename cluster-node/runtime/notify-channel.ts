/**
 * The way to systemd's notification socket. Node opens no datagram sockets of the unix family, so one small shell lives beside the node
 * and passes on what it reads, a line a message, with systemd-notify(1). It ends when the node does. docs/adr/0009.
 */
import { type ChildProcess, spawn } from 'node:child_process';

const PASS_ON = 'while IFS= read -r line; do systemd-notify "$line"; done';
/** What waits for a service manager that hangs; later messages say the same anew. */
const WAITING_BYTES_AT_MOST = 4096;

export class NotifyChannel {
  readonly #onTrouble: (error: Error) => void;
  #child: ChildProcess | null = null;

  constructor(onTrouble: (error: Error) => void) {
    this.#onTrouble = onTrouble;
  }

  /** One assignment of sd_notify(3), such as READY=1. Never throws and never waits. */
  send(message: string): void {
    const stdin = (this.#child ??= this.#start()).stdin;
    if (stdin && stdin.writableLength < WAITING_BYTES_AT_MOST) stdin.write(`${message.replaceAll('\n', ' ')}\n`);
  }

  /** The next message starts another one when this one has ended. */
  #start(): ChildProcess {
    const child = spawn('/bin/sh', ['-c', PASS_ON], { stdio: ['pipe', 'ignore', 'inherit'] });
    const forget = (error?: Error) => {
      if (this.#child !== child) return;
      this.#child = null;
      if (error) this.#onTrouble(error);
    };
    child.on('error', forget);
    child.on('exit', (code, signal) => forget(new Error(`the shell ended with ${signal ?? `exit code ${code}`}`)));
    child.stdin.on('error', () => undefined);
    child.unref();
    return child;
  }
}
