/** All the console's connections, one a host, made in small waves. */
import { ConcurrencyLimit } from './concurrency-limit.ts';
import { HostConnection, type SshPoolOptions, type WaitOptions } from './connection.ts';
import { type SshTarget, targetLabel } from './target.ts';

export class SshPool {
  readonly #connections = new Map<string, HostConnection>();
  readonly #options: SshPoolOptions;
  readonly #connects: ConcurrencyLimit;

  constructor(options: SshPoolOptions) {
    this.#options = options;
    this.#connects = new ConcurrencyLimit(options.concurrentConnects ?? 6);
  }

  /**
   * The host's connection, connected; tries at once, whatever the back-off says. Replaces the ways to log in by this target's.
   * Throws SshError; the connection stays in the pool as `lost` then (see `known`).
   */
  async connection(target: SshTarget, options: WaitOptions = {}): Promise<HostConnection> {
    const connection = this.known(target);
    connection.useTarget(target);
    await connection.connect(options);
    return connection;
  }

  /** The host's connection in whatever state it is, to observe; made `idle` if there was none. */
  known(target: SshTarget): HostConnection {
    const label = targetLabel(target);
    const present = this.#connections.get(label);
    if (present !== undefined) return present;
    const made = new HostConnection(target, this.#options, this.#connects);
    this.#connections.set(label, made);
    return made;
  }

  /** Closes the host's connection and forgets it. */
  remove(target: SshTarget): void {
    this.#connections.get(targetLabel(target))?.close();
    this.#connections.delete(targetLabel(target));
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
  }
}
