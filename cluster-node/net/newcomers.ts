/**
 * Connections that have not yet shown who they are. Each holds a file descriptor of the node, so they are few and soon gone:
 * one that takes too long is closed, and where there are too many the oldest goes, because an honest newcomer is quick.
 *
 * Raw connections are watched, not TLS sockets: node:tls reports a handshake that takes too long but leaves it open.
 */
import type { Server, Socket } from 'node:net';

/** What names a connection both before and after TLS is laid over it. */
interface RemoteEnd {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

export interface NewcomersOptions {
  readonly atMost: number;
  /** From the connection to `admit`. */
  readonly deadlineMs: number;
  readonly onTurnedAway?: (remoteAddress: string, reason: string) => void;
}

export class Newcomers {
  readonly #options: NewcomersOptions;
  readonly #waiting = new Map<string, { readonly socket: Socket; readonly deadline: NodeJS.Timeout }>();

  constructor(server: Server, options: NewcomersOptions) {
    this.#options = options;
    server.on('connection', (socket) => this.#watch(socket));
  }

  /** Its other end is known: it may stay. */
  admit(connection: RemoteEnd): void {
    this.#forget(nameOf(connection));
  }

  /** Closes all that have not been admitted. */
  clear(): void {
    for (const [name, { socket }] of this.#waiting) {
      this.#forget(name);
      socket.destroy();
    }
  }

  #watch(socket: Socket): void {
    const name = nameOf(socket);
    const { atMost, deadlineMs } = this.#options;
    const [oldest] = this.#waiting.keys();
    if (oldest !== undefined && this.#waiting.size >= atMost) this.#turnAway(oldest, `more than ${atMost} at once`);
    const late = (): void => this.#turnAway(name, `it did not show who it is within ${deadlineMs / 1000} s`);
    this.#waiting.set(name, { socket, deadline: setTimeout(late, deadlineMs).unref() });
    socket.on('close', () => {
      if (this.#waiting.get(name)?.socket === socket) this.#forget(name);
    });
  }

  #turnAway(name: string, reason: string): void {
    const socket = this.#waiting.get(name)?.socket;
    this.#forget(name);
    this.#options.onTurnedAway?.(socket?.remoteAddress ?? 'unknown address', reason);
    socket?.destroy();
  }

  #forget(name: string): void {
    clearTimeout(this.#waiting.get(name)?.deadline);
    this.#waiting.delete(name);
  }
}

function nameOf({ remoteAddress, remotePort }: RemoteEnd): string {
  return `${remoteAddress} ${remotePort}`;
}
