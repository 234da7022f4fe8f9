/**
 * The console's connections to its hosts: one a host, shared by everything that talks to it. A `HostConnection` outlives the TCP
 * connection below it: when that is lost, the next command makes a new one, after a back-off that doubles with each failure and
 * is jittered, so that a fleet that comes back is not stormed. Commands are never repeated by themselves: whether one that was
 * cut off has run is for the caller to find out (`outcomeUnknown`).
 */
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'ssh2';
import {
  CommandRun,
  DEFAULT_EXEC_TIMEOUT_MS,
  type ExecOptions,
  type ExecResult,
  isSessionShortage,
  type RunningCommand,
  startCommand,
} from './command-run.ts';
import { ConcurrencyLimit } from './concurrency-limit.ts';
import { connectOnce, type LoggedIn } from './connect.ts';
import type { ShellCommand } from './shell-command.ts';
import { needsOperator, SshError } from './ssh-error.ts';
import { hostLabel, type SshTarget, targetLabel } from './target.ts';

export type HostConnectionState =
  | { kind: 'idle' }
  | { kind: 'connecting' }
  | { kind: 'connected'; sinceUnixMs: number }
  /** `retryAtUnixMs`: commands wait until then; null: only `SshPool.connection` tries again, once the operator has decided. */
  | { kind: 'lost'; error: SshError; retryAtUnixMs: number | null };

/** What became of a long-lived channel. `error`: the connection was lost first, or the channel broke. */
export interface ChannelExit {
  exitCode: number | null;
  signal: string | null;
  error: SshError | null;
}

/** A running command with its streams. `stdout` and `stderr` must both be read. */
export interface HostChannel {
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  /** Settles once, never rejects. */
  exited: Promise<ChannelExit>;
  /** Ends the channel; what runs in it sees its stdin end. */
  close: () => void;
}

export interface SshPoolOptions {
  /** Read at each connect, so that a key trusted meanwhile counts. Synod's own file and the user's. */
  knownHostsPaths: readonly string[];
  /** 10,000. */
  connectTimeoutMs?: number | undefined;
  /** 5,000; a host silent for three of them is lost. */
  keepaliveIntervalMs?: number | undefined;
  /** Connections being made at the same time, over all hosts; 6 (a stock sshd drops logins beyond 10). */
  concurrentConnects?: number | undefined;
  /** In [0, 1); Math.random. */
  random?: (() => number) | undefined;
}

export interface WaitOptions {
  signal?: AbortSignal | undefined;
}

const FIRST_BACKOFF_MS = 250;
const LONGEST_BACKOFF_MS = 15_000;
/** Below sshd's MaxSessions of 10, with room for the agent's channel. */
const CONCURRENT_COMMANDS = 8;
const SESSION_RETRY_MS = 100;

export class HostConnection {
  /** "name (user@address:port)": the host in errors. */
  readonly label: string;
  #target: SshTarget;
  readonly #options: SshPoolOptions;
  readonly #connects: ConcurrencyLimit;
  readonly #commands = new ConcurrencyLimit(CONCURRENT_COMMANDS);
  readonly #listeners = new Set<(state: HostConnectionState) => void>();
  #state: HostConnectionState = { kind: 'idle' };
  #client: Client | null = null;
  #connecting: Promise<Client> | null = null;
  /** Failed attempts since the last one that succeeded. */
  #failures = 0;
  readonly #losses = new WeakMap<Client, SshError>();
  #closed = new AbortController();

  constructor(target: SshTarget, options: SshPoolOptions, connects: ConcurrencyLimit) {
    this.label = hostLabel(target);
    this.#target = target;
    this.#options = options;
    this.#connects = connects;
  }

  get state(): HostConnectionState {
    return this.#state;
  }

  get target(): SshTarget {
    return this.#target;
  }

  /** Called at every change from now on; returns what ends that. */
  onState(listener: (state: HostConnectionState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** For the next login. Must name the same user, address and port. */
  useTarget(target: SshTarget): void {
    if (targetLabel(target) !== targetLabel(this.#target))
      throw new TypeError(`${targetLabel(target)} is not ${this.label}`);
    this.#target = target;
  }

  /** Connects now if it is not connected, whatever the back-off says. Throws SshError. */
  async connect(options: WaitOptions = {}): Promise<void> {
    await this.#orGiveUp(this.#attempt(), options.signal);
  }

  /** Runs `command` under /bin/sh in the home folder, to its end. Throws SshError. */
  async exec(command: ShellCommand, options: ExecOptions = {}): Promise<ExecResult> {
    const endsAt = performance.now() + (options.timeoutMs ?? DEFAULT_EXEC_TIMEOUT_MS);
    const leftMs = (): number => Math.max(1, Math.ceil(endsAt - performance.now()));
    return await this.#withChannel(
      command,
      { signal: options.signal, timeoutMs: leftMs() },
      async (client, running) => {
        const run = new CommandRun({ host: this.label, command }, options);
        return await run.on(running, { timeoutMs: leftMs(), lost: () => this.#losses.get(client) ?? null });
      },
    );
  }

  /** Starts `command` under /bin/sh and gives its streams, for as long as the connection lives. `timeoutMs`: to the start. */
  async channel(command: ShellCommand, options: WaitOptions & { timeoutMs?: number } = {}): Promise<HostChannel> {
    const waits = { signal: options.signal, timeoutMs: options.timeoutMs ?? DEFAULT_EXEC_TIMEOUT_MS };
    return await this.#withChannel(command, waits, async (client, running) =>
      hostChannel(running, { host: this.label, command, lost: () => this.#losses.get(client) ?? null }),
    );
  }

  /** Ends the connection and whatever runs over it; a later command connects again. */
  close(): void {
    this.#closed.abort();
    this.#closed = new AbortController();
    const client = this.#client;
    this.#client = null;
    this.#failures = 0;
    if (client !== null) {
      this.#losses.set(client, this.#lostError('the console closed the connection', undefined));
      client.end();
    }
    this.#setState({ kind: 'idle' });
  }

  /** Opens a channel while there is room for one and lets `use` have it; the room is given back when `use` is done. */
  async #withChannel<T>(
    command: ShellCommand,
    waits: { signal: AbortSignal | undefined; timeoutMs: number },
    use: (client: Client, running: RunningCommand) => Promise<T>,
  ): Promise<T> {
    const timeout = AbortSignal.timeout(waits.timeoutMs);
    const signal = waits.signal === undefined ? timeout : AbortSignal.any([timeout, waits.signal]);
    const release = await this.#orGiveUp(this.#commands.enter(signal), signal);
    try {
      const { client, running } = await this.#started(command, { signal, timeoutMs: waits.timeoutMs });
      return await use(client, running);
    } finally {
      release();
    }
  }

  /** Starts the command as soon as the host has a session free: one that was abandoned there may still hold its own. */
  async #started(
    command: ShellCommand,
    waits: { signal: AbortSignal; timeoutMs: number },
  ): Promise<{ client: Client; running: RunningCommand }> {
    for (;;) {
      const client = await this.#ready(waits.signal, waits.timeoutMs);
      const opening = startCommand({ client, host: this.label }, command);
      // Given up while the host was opening it: the channel must not stay open behind our back.
      const abandon = (): void => void opening.then((late) => late.channel.close()).catch(() => {});
      try {
        return { client, running: await this.#orGiveUp(opening, waits.signal, abandon) };
      } catch (error) {
        if (!isSessionShortage(error)) throw error;
        await this.#orGiveUp(delay(SESSION_RETRY_MS), waits.signal);
      }
    }
  }

  /** A client that is connected, after the back-off if there is one. */
  async #ready(signal: AbortSignal, timeoutMs: number): Promise<Client> {
    while (this.#client === null) {
      const state = this.#state;
      if (state.kind === 'lost') {
        const waitMs = state.retryAtUnixMs === null ? Number.POSITIVE_INFINITY : state.retryAtUnixMs - Date.now();
        if (waitMs > timeoutMs) throw state.error;
        if (waitMs > 0) await this.#orGiveUp(delay(waitMs, undefined, { signal }), signal);
      }
      await this.#orGiveUp(this.#attempt(), signal);
    }
    return this.#client;
  }

  /** The attempt to connect that runs, or a new one: all who need the connection share it. */
  async #attempt(): Promise<Client> {
    if (this.#client !== null) return this.#client;
    this.#connecting ??= this.#connectOnce().finally(() => (this.#connecting = null));
    return await this.#connecting;
  }

  async #connectOnce(): Promise<Client> {
    const { signal } = this.#closed;
    this.#setState({ kind: 'connecting' });
    let release: (() => void) | null = null;
    try {
      release = await this.#orGiveUp(this.#connects.enter(signal), signal);
      const loggedIn = await connectOnce(this.#target, {
        knownHostsPaths: this.#options.knownHostsPaths,
        connectTimeoutMs: this.#options.connectTimeoutMs ?? 10_000,
        keepaliveIntervalMs: this.#options.keepaliveIntervalMs ?? 5_000,
        signal,
      });
      return this.#adopt(loggedIn);
    } catch (error) {
      if (error instanceof SshError && !signal.aborted) this.#becomeLost(error);
      throw error;
    } finally {
      release?.();
    }
  }

  /** Throws SshError `connectionLost` when the host ended the connection together with the login. */
  #adopt({ client, ending }: LoggedIn): Client {
    const lost = (): SshError => {
      const cause = ending()?.cause;
      return this.#lostError(cause?.message ?? 'the host closed the connection', cause);
    };
    if (ending() !== null) {
      client.destroy();
      throw lost();
    }
    client.on('close', () => {
      if (this.#client !== client) return;
      this.#client = null;
      const error = lost();
      this.#losses.set(client, error);
      this.#becomeLost(error);
    });
    this.#client = client;
    this.#failures = 0;
    this.#setState({ kind: 'connected', sinceUnixMs: Date.now() });
    return client;
  }

  #becomeLost(error: SshError): void {
    const backoffMs = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** this.#failures);
    this.#failures += 1;
    const jittered = backoffMs * (0.5 + (this.#options.random ?? Math.random)() / 2);
    this.#setState({ kind: 'lost', error, retryAtUnixMs: needsOperator(error) ? null : Date.now() + jittered });
  }

  #lostError(why: string, cause: Error | undefined): SshError {
    return new SshError({
      kind: 'connectionLost',
      host: this.label,
      problem: `the connection was lost: ${why}`,
      nextStep: 'It is made again when it is needed. If it stays lost, check that the host is up and reachable.',
      cause,
    });
  }

  /** Waits for `promise` unless `signal` comes first; then `abandon` clears up what may still come. */
  async #orGiveUp<T>(promise: Promise<T>, signal: AbortSignal | undefined, abandon = (): void => {}): Promise<T> {
    if (signal === undefined) return await promise;
    let onAbort = (): void => {};
    const givenUp = new Promise<never>((_resolve, reject) => {
      onAbort = () => {
        abandon();
        reject(this.#givenUp(signal));
      };
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    });
    promise.catch(() => {});
    try {
      return await Promise.race([givenUp, promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #givenUp(signal: AbortSignal): SshError {
    const timedOut = (signal.reason as Error | undefined)?.name === 'TimeoutError';
    return new SshError({
      kind: timedOut ? 'timeout' : 'aborted',
      host: this.label,
      problem: timedOut
        ? 'the time was up before the command could be sent'
        : 'it was called off before anything was sent',
      nextStep: timedOut
        ? 'Nothing was run. Check that the host is up and not overloaded; then try again.'
        : 'Nothing was run.',
    });
  }

  #setState(state: HostConnectionState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }
}

function hostChannel(
  running: RunningCommand,
  parts: { host: string; command: ShellCommand; lost: () => SshError | null },
): HostChannel {
  const { channel } = running;
  const cutOff = (): SshError =>
    new SshError({
      kind: 'connectionLost',
      host: parts.host,
      command: parts.command,
      problem: 'the channel was closed before the command ended',
      nextStep: 'Start it again.',
    });
  const exited = running.closed.then((): ChannelExit => {
    if (running.exit === null) return { exitCode: null, signal: null, error: parts.lost() ?? cutOff() };
    return { exitCode: running.exit.code, signal: running.exit.signal, error: null };
  });
  return { stdin: channel.stdin, stdout: channel.stdout, stderr: channel.stderr, exited, close: () => channel.close() };
}
