/**
 * The console's connections to its hosts: one a host, shared by everything that talks to it. A `HostConnection` outlives the TCP
 * connection below it: when that is lost, the next command makes a new one, after a back-off that doubles with each failure and
 * is jittered, so that a fleet that comes back is not stormed. Commands are never repeated by themselves: whether one that was
 * cut off has run is for the caller to find out (`outcomeUnknown`).
 */
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandRun, DEFAULT_EXEC_TIMEOUT_MS, type ExecOptions, type ExecResult } from './command-run.ts';
import { ConcurrencyLimit } from './concurrency-limit.ts';
import { dial } from './dial.ts';
import { type HostChannel, hostChannel } from './host-channel.ts';
import { isSessionShortage, type Link, type OpenWay, type RunningCommand } from './link.ts';
import { type ShellCommand, sh } from './shell-command.ts';
import { needsOperator, SshError } from './ssh-error.ts';
import { hostLabel, type SshTarget, targetLabel } from './target.ts';
import type { WakeSenses } from './wake.ts';

export type HostConnectionState =
  | { kind: 'idle' }
  | { kind: 'connecting' }
  | { kind: 'connected'; sinceUnixMs: number }
  /** `retryAtUnixMs`: commands wait until then; null: only `SshPool.connection` tries again, once the operator has decided. */
  | { kind: 'lost'; error: SshError; retryAtUnixMs: number | null };

export interface SshPoolOptions {
  /** Read at each connect, so that a key trusted meanwhile counts. Synod's own file and the user's. */
  knownHostsPaths: readonly string[];
  /** 10,000. */
  connectTimeoutMs?: number | undefined;
  /** 5,000; a host silent for three of them is lost. */
  keepaliveIntervalMs?: number | undefined;
  /** Connections being made at the same time, over all hosts; 6 (a stock sshd drops logins beyond 10). */
  concurrentConnects?: number | undefined;
  /** How long a connection may take to show that it lives after sleep or a change of network; 3,000. */
  probeTimeoutMs?: number | undefined;
  /** What runs JavaScript where the system's ssh has a question; this process' own program. */
  nodePath?: string | undefined;
  /** How sleep and changes of the network are noticed. */
  senses?: WakeSenses | undefined;
  /** In [0, 1); Math.random. */
  random?: (() => number) | undefined;
}

/** What all connections of a pool have in common. */
export interface SharedByHosts {
  connects: ConcurrencyLimit;
  openWay: OpenWay;
}

export interface WaitOptions {
  signal?: AbortSignal | undefined;
}

const FIRST_BACKOFF_MS = 250;
const LONGEST_BACKOFF_MS = 15_000;
/** Below sshd's MaxSessions of 10, with room for the agent's channel. */
const CONCURRENT_COMMANDS = 8;
const SESSION_RETRY_MS = 100;

/** Nothing was run: channels that stay open hold every session of the connection. */
class SessionsHeldError extends Error {
  override readonly name = 'SessionsHeldError';
}

export class HostConnection {
  /** "name (user@address:port)": the host in errors. */
  readonly label: string;
  #target: SshTarget;
  readonly #options: SshPoolOptions;
  readonly #shared: SharedByHosts;
  readonly #commands = new ConcurrencyLimit(CONCURRENT_COMMANDS);
  readonly #listeners = new Set<(state: HostConnectionState) => void>();
  #state: HostConnectionState = { kind: 'idle' };
  #link: Link | null = null;
  #connecting: Promise<Link> | null = null;
  /** Failed attempts since the last one that succeeded. */
  #failures = 0;
  readonly #losses = new WeakMap<Link, SshError>();
  #closed = new AbortController();
  #woken = Promise.withResolvers<void>();
  /** Channels that are open for long, such as the agent's. */
  #channels = 0;
  /** For what a host lets nothing else do beside them: it allows one session a connection (MaxSessions 1). */
  #beside: HostConnection | null = null;

  constructor(target: SshTarget, options: SshPoolOptions, shared: SharedByHosts) {
    this.label = hostLabel(target);
    this.#target = target;
    this.#options = options;
    this.#shared = shared;
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

  /** For the next login: other ways to log in or to get there. Must name the same user, address and port. */
  useTarget(target: SshTarget): void {
    if (targetLabel(target) !== targetLabel(this.#target))
      throw new TypeError(`${targetLabel(target)} is not ${this.label}`);
    this.#target = target;
    this.#beside?.useTarget(target);
  }

  /** Connects now if it is not connected, whatever the back-off says. Throws SshError. */
  async connect(options: WaitOptions = {}): Promise<void> {
    await this.#orGiveUp(this.#attempt(), options.signal);
  }

  /** Runs `command` under /bin/sh in the home folder, to its end. Throws SshError. */
  async exec(command: ShellCommand, options: ExecOptions = {}): Promise<ExecResult> {
    const endsAt = performance.now() + (options.timeoutMs ?? DEFAULT_EXEC_TIMEOUT_MS);
    const leftMs = (): number => Math.max(1, Math.ceil(endsAt - performance.now()));
    const here = this.#withChannel(command, { signal: options.signal, timeoutMs: leftMs() }, async (link, running) => {
      const run = new CommandRun({ host: this.label, command }, options);
      return await run.on(running, { timeoutMs: leftMs(), lost: () => this.#losses.get(link) ?? null });
    });
    return await this.#orBeside(here, (beside) => beside.exec(command, { ...options, timeoutMs: leftMs() }));
  }

  /** Starts `command` under /bin/sh and gives its streams, for as long as the connection lives. `timeoutMs`: to the start. */
  async channel(command: ShellCommand, options: WaitOptions & { timeoutMs?: number } = {}): Promise<HostChannel> {
    const waits = { signal: options.signal, timeoutMs: options.timeoutMs ?? DEFAULT_EXEC_TIMEOUT_MS };
    const here = this.#withChannel(command, waits, async (link, running) => {
      const channel = hostChannel(running, { host: this.label, command, lost: () => this.#losses.get(link) ?? null });
      this.#channels += 1;
      void channel.exited.then(() => (this.#channels -= 1));
      return channel;
    });
    return await this.#orBeside(here, (beside) => beside.channel(command, options));
  }

  /** Over another connection where the channels that stay open hold all sessions of this one. */
  async #orBeside<T>(here: Promise<T>, again: (beside: HostConnection) => Promise<T>): Promise<T> {
    try {
      return await here;
    } catch (error) {
      if (!(error instanceof SessionsHeldError)) throw error;
      this.#beside ??= new HostConnection(this.#target, this.#options, this.#shared);
      return await again(this.#beside);
    }
  }

  /** A byte stream from the host to a place that it can reach; connects now if it is not connected. Throws SshError. */
  async forward(place: { address: string; port: number }, options: WaitOptions = {}): Promise<Duplex> {
    const link = await this.#orGiveUp(this.#attempt(), options.signal);
    const opening = link.forward(place);
    const abandon = (): void => void opening.then((late) => late.destroy()).catch(() => {});
    return await this.#orGiveUp(opening, options.signal, abandon);
  }

  /**
   * The computer slept or is on another network: a connection that stands is asked whether it lives and given up if it does not
   * answer, and one that is lost is tried again as soon as it is needed.
   */
  async wake(): Promise<void> {
    void this.#beside?.wake();
    const link = this.#link;
    const state = this.#state;
    if (state.kind === 'lost' && state.retryAtUnixMs !== null) {
      this.#failures = 0;
      this.#setState({ ...state, retryAtUnixMs: Date.now() });
    }
    this.#woken.resolve();
    this.#woken = Promise.withResolvers<void>();
    if (link === null) return;
    const answer = link.start(sh`:`).then(
      (running) => running.close(),
      // "No session free" is an answer as well.
      () => {},
    );
    const silent = Symbol('silent');
    const first = await Promise.race([answer, delay(this.#options.probeTimeoutMs ?? 3000, silent, { ref: false })]);
    if (first === silent) link.destroy();
  }

  /** Ends the connection and whatever runs over it; a later command connects again. */
  close(): void {
    this.#beside?.close();
    this.#beside = null;
    this.#closed.abort();
    this.#closed = new AbortController();
    const link = this.#link;
    this.#link = null;
    this.#failures = 0;
    if (link !== null) {
      this.#losses.set(link, this.#lostError('the console closed the connection', undefined));
      link.close();
    }
    this.#setState({ kind: 'idle' });
  }

  /** Opens a channel while there is room for one and lets `use` have it; the room is given back when `use` is done. */
  async #withChannel<T>(
    command: ShellCommand,
    waits: { signal: AbortSignal | undefined; timeoutMs: number },
    use: (link: Link, running: RunningCommand) => Promise<T>,
  ): Promise<T> {
    const timeout = AbortSignal.timeout(waits.timeoutMs);
    const signal = waits.signal === undefined ? timeout : AbortSignal.any([timeout, waits.signal]);
    const release = await this.#orGiveUp(this.#commands.enter(signal), signal);
    try {
      const { link, running } = await this.#started(command, { signal, timeoutMs: waits.timeoutMs });
      return await use(link, running);
    } finally {
      release();
    }
  }

  /** Starts the command as soon as the host has a session free: one that was abandoned there may still hold its own. */
  async #started(
    command: ShellCommand,
    waits: { signal: AbortSignal; timeoutMs: number },
  ): Promise<{ link: Link; running: RunningCommand }> {
    for (;;) {
      const link = await this.#ready(waits.signal, waits.timeoutMs);
      const opening = link.start(command);
      // Given up while the host was opening it: the channel must not stay open behind our back.
      const abandon = (): void => void opening.then((late) => late.close()).catch(() => {});
      try {
        return { link, running: await this.#orGiveUp(opening, waits.signal, abandon) };
      } catch (error) {
        if (!isSessionShortage(error)) throw error;
        if (this.#channels > 0) throw new SessionsHeldError();
        await this.#orGiveUp(delay(SESSION_RETRY_MS), waits.signal).catch((given: SshError) => {
          throw given.kind === 'timeout' ? this.#noSession(command) : given;
        });
      }
    }
  }

  /** A link that stands, after the back-off if there is one. */
  async #ready(signal: AbortSignal, timeoutMs: number): Promise<Link> {
    while (this.#link === null) {
      const state = this.#state;
      if (state.kind === 'lost') {
        const waitMs = state.retryAtUnixMs === null ? Number.POSITIVE_INFINITY : state.retryAtUnixMs - Date.now();
        if (waitMs > timeoutMs) throw state.error;
        if (waitMs > 0) {
          const waited = Promise.race([delay(waitMs, undefined, { signal }), this.#woken.promise]);
          await this.#orGiveUp(waited, signal);
        }
      }
      await this.#orGiveUp(this.#attempt(), signal);
    }
    return this.#link;
  }

  /** The attempt to connect that runs, or a new one: all who need the connection share it. */
  async #attempt(): Promise<Link> {
    if (this.#link !== null) return this.#link;
    this.#connecting ??= this.#connectOnce().finally(() => (this.#connecting = null));
    return await this.#connecting;
  }

  async #connectOnce(): Promise<Link> {
    const { signal } = this.#closed;
    const target = this.#target;
    this.#setState({ kind: 'connecting' });
    try {
      const link = await dial(target, {
        knownHostsPaths: this.#options.knownHostsPaths,
        connectTimeoutMs: this.#options.connectTimeoutMs ?? 10_000,
        keepaliveIntervalMs: this.#options.keepaliveIntervalMs ?? 5_000,
        nodePath: this.#options.nodePath ?? process.execPath,
        openWay: async (to) => await this.#orGiveUp(this.#shared.openWay(to, signal), signal),
        enter: async () => await this.#orGiveUp(this.#shared.connects.enter(signal), signal),
        signal,
      });
      return this.#adopt(link);
    } catch (error) {
      if (error instanceof SshError && !signal.aborted) this.#becomeLost(error);
      throw error;
    }
  }

  /** Throws SshError `connectionLost` when the host ended the connection together with the login. */
  #adopt(link: Link): Link {
    const lost = (): SshError => {
      const cause = link.ending()?.cause;
      return this.#lostError(cause?.message ?? 'the host closed the connection', cause);
    };
    if (link.ending() !== null) {
      link.destroy();
      throw lost();
    }
    link.onEnd(() => {
      if (this.#link !== link) return;
      this.#link = null;
      const error = lost();
      this.#losses.set(link, error);
      this.#becomeLost(error);
    });
    this.#link = link;
    this.#failures = 0;
    this.#setState({ kind: 'connected', sinceUnixMs: Date.now() });
    return link;
  }

  #becomeLost(error: SshError): void {
    const backoffMs = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** this.#failures);
    this.#failures += 1;
    const jittered = backoffMs * (0.5 + (this.#options.random ?? Math.random)() / 2);
    this.#setState({ kind: 'lost', error, retryAtUnixMs: needsOperator(error) ? null : Date.now() + jittered });
  }

  #noSession(command: ShellCommand): SshError {
    return new SshError({
      kind: 'timeout',
      host: this.label,
      command,
      problem: 'it had no session free for the command in time',
      nextStep:
        'Nothing was run. Other commands hold its sessions; if it stays so, allow more in its sshd_config (MaxSessions, 10 by default).',
    });
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
