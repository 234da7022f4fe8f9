/** All the console's connections, one a host and one a jump host, made in small waves. */
import { ConcurrencyLimit } from './concurrency-limit.ts';
import { HostConnection, type SharedByHosts, type SshPoolOptions, type WaitOptions } from './connection.ts';
import { type SshTarget, targetKey } from './target.ts';
import { WAKE_LOOK_MS, WakeWatch } from './wake.ts';
import { openWayOver } from './way.ts';

export class SshPool {
  readonly #connections = new Map<string, HostConnection>();
  readonly #hops = new Map<string, HostConnection>();
  readonly #options: SshPoolOptions;
  readonly #shared: SharedByHosts;

  readonly #wakeTimer: NodeJS.Timeout;

  constructor(options: SshPoolOptions) {
    this.#options = options;
    const watch = new WakeWatch(options.senses);
    this.#wakeTimer = setInterval(() => watch.look() && this.wake(), WAKE_LOOK_MS).unref();
    this.#shared = {
      connects: new ConcurrencyLimit(options.concurrentConnects ?? 6),
      openWay: openWayOver((hop) => this.#hop(hop)),
    };
  }

  /**
   * The host's connection, connected; tries at once, whatever the back-off says. Replaces the ways to log in by this target's.
   * Throws SshError; the connection stays in the pool as `lost` then (see `known`). `key`: see `known`.
   */
  async connection(target: SshTarget, options: WaitOptions & { key?: string } = {}): Promise<HostConnection> {
    const connection = this.known(target, options.key);
    connection.useTarget(target);
    await connection.connect(options);
    return connection;
  }

  /**
   * The host's connection in whatever state it is, to observe; made `idle` if there was none. `key`: what makes it the same host
   * while the way there may change; absent: login and way.
   */
  known(target: SshTarget, key = targetKey(target)): HostConnection {
    return this.#kept(this.#connections, key, target);
  }

  /** Closes the host's connection and forgets it. */
  remove(key: string): void {
    this.#connections.get(key)?.close();
    this.#connections.delete(key);
  }

  /** The computer slept, or its network changed: see `HostConnection.wake`. */
  wake(): void {
    for (const connection of [...this.#hops.values(), ...this.#connections.values()]) void connection.wake();
  }

  close(): void {
    clearInterval(this.#wakeTimer);
    for (const connection of [...this.#connections.values(), ...this.#hops.values()]) connection.close();
    this.#connections.clear();
    this.#hops.clear();
  }

  #hop(target: SshTarget): HostConnection {
    const connection = this.#kept(this.#hops, targetKey(target), target);
    connection.useTarget(target);
    return connection;
  }

  #kept(among: Map<string, HostConnection>, key: string, target: SshTarget): HostConnection {
    const present = among.get(key);
    if (present !== undefined) return present;
    const made = new HostConnection(target, this.#options, this.#shared);
    among.set(key, made);
    return made;
  }
}
