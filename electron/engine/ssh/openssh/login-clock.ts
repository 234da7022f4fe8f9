/** The time that a login may take, waits for the operator not counted, and whoever calls it off. */
import { SshError } from '../ssh-error.ts';

export interface LoginClockParts {
  host: string;
  timeoutMs: number;
  signal: AbortSignal | undefined;
}

export class LoginClock {
  /** Rejects with SshError `timeout` or `aborted`; never resolves. */
  readonly expired: Promise<never>;
  readonly #parts: LoginClockParts;
  readonly #reject: (error: SshError) => void;
  #timer: NodeJS.Timeout | undefined;
  #secretsWaitedFor = 0;
  readonly #onAbort = (): void => this.#reject(this.#aborted());

  constructor(parts: LoginClockParts) {
    this.#parts = parts;
    const { promise, reject } = Promise.withResolvers<never>();
    this.expired = promise;
    this.#reject = reject;
    promise.catch(() => {});
    parts.signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (parts.signal?.aborted === true) this.#onAbort();
    this.#start();
  }

  waitingForSecret(waiting: boolean): void {
    this.#secretsWaitedFor += waiting ? 1 : -1;
    clearTimeout(this.#timer);
    if (this.#secretsWaitedFor === 0) this.#start();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#parts.signal?.removeEventListener('abort', this.#onAbort);
  }

  #start(): void {
    this.#timer = setTimeout(() => this.#reject(this.#timedOut()), this.#parts.timeoutMs);
  }

  #timedOut(): SshError {
    const { host, timeoutMs } = this.#parts;
    return new SshError({
      kind: 'timeout',
      host,
      problem: `ssh was not logged in there within ${timeoutMs} ms`,
      nextStep:
        'Check the address, that the host is up and not frozen, and that no firewall drops the port; then try again.',
    });
  }

  #aborted(): SshError {
    return new SshError({
      kind: 'aborted',
      host: this.#parts.host,
      problem: 'connecting was called off',
      nextStep: 'Nothing was run. Start again when you want to.',
    });
  }
}
