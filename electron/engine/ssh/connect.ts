/** One attempt to reach a host with Synod's own SSH: TCP or the way there, key exchange with a verified host key, login. */
import type { Duplex } from 'node:stream';
import ssh2, { type AnyAuthMethod, type AuthenticationType } from 'ssh2';
import { hostKeyAlgorithms } from './host-key-algorithms.ts';
import { hostKeyError } from './host-key-errors.ts';
import { readKnownHosts } from './host-keys.ts';
import { assertKeyFile } from './key-file.ts';
import {
  type HostKeyJudgement,
  judgeHostKey,
  type KnownHostLine,
  type OfferedHostKey,
  offeredHostKey,
} from './known-hosts.ts';
import type { Link } from './link.ts';
import { Login } from './login.ts';
import { ssh2Link } from './ssh2-link.ts';
import { SshError } from './ssh-error.ts';
import { type SshTarget, hostLabel } from './target.ts';

export interface ConnectOptions {
  /** Files asked about the host's key, unless the target names its own. */
  knownHostsPaths: readonly string[];
  /** For TCP, key exchange and login together; waits for the operator's secret are not counted. */
  connectTimeoutMs: number;
  /** A host that answers nothing for three of these is lost. */
  keepaliveIntervalMs: number;
  /** Where the target has a `via`: the stream that leads there. */
  stream?: Duplex | undefined;
  signal?: AbortSignal | undefined;
}

/** Throws an SshError that says which step failed. */
export async function connectOnce(target: SshTarget, options: ConnectOptions): Promise<Link> {
  await assertKeyFile(target);
  const knownHosts = await readKnownHosts(knownHostsPathsOf(target, options.knownHostsPaths));
  if (options.signal?.aborted === true) throw abortedBeforeConnect(target);
  return await new Promise<Link>((resolve, reject) => {
    new Attempt({ target, options, knownHosts, resolve, reject }).start();
  });
}

/** The target's own file alone, or Synod's (the first of `usual`) and then those that are configured. */
export function knownHostsPathsOf(target: SshTarget, usual: readonly string[]): readonly string[] {
  if (target.knownHostsPath !== undefined) return [target.knownHostsPath];
  return target.knownHostsPaths === undefined ? usual : [...usual.slice(0, 1), ...target.knownHostsPaths];
}

interface AttemptParts {
  target: SshTarget;
  options: ConnectOptions;
  knownHosts: readonly KnownHostLine[];
  resolve: (link: Link) => void;
  reject: (error: SshError) => void;
}

class Attempt {
  readonly #parts: AttemptParts;
  readonly #client = new ssh2.Client();
  readonly #login: Login;
  #judgement: HostKeyJudgement | null = null;
  #offered: OfferedHostKey | undefined;
  #stage: 'reaching' | 'greeting' | 'loggingIn' = 'reaching';
  #timer: NodeJS.Timeout | undefined;
  #settled = false;
  readonly #onAbort = (): void => this.#fail(abortedBeforeConnect(this.#parts.target));

  constructor(parts: AttemptParts) {
    this.#parts = parts;
    this.#login = new Login(parts.target, {
      waitingForSecret: (waiting) => (waiting ? clearTimeout(this.#timer) : this.#startTimer()),
    });
  }

  start(): void {
    const { target, options, knownHosts } = this.#parts;
    const client = this.#client;
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    client.on('connect', () => {
      // ssh2 leaves Nagle's algorithm on: every small request would wait for the other side's delayed acknowledgement.
      client.setNoDelay(true);
      this.#stage = 'greeting';
    });
    client.on('handshake', () => (this.#stage = 'loggingIn'));
    client.on('ready', () => this.#succeed());
    client.on('error', (error) => this.#onError(error));
    client.on('close', () => this.#fail(this.#errorFrom(new Error('the host closed the connection'))));
    this.#startTimer();
    if (options.stream !== undefined) this.#stage = 'greeting';
    // A command that ended while its turn was awaited: nobody would hear of it again.
    if (options.stream?.destroyed === true) {
      this.#fail(this.#errorFrom(options.stream.errored ?? new Error('what leads to the host has ended')));
      return;
    }
    client.connect({
      host: target.address,
      port: target.port,
      username: target.user,
      ...(options.stream === undefined ? {} : { sock: options.stream }),
      ...(target.addressFamily === undefined ? {} : { [target.addressFamily === 4 ? 'forceIPv4' : 'forceIPv6']: true }),
      ...(target.localAddress === undefined ? {} : { localAddress: target.localAddress }),
      readyTimeout: 0,
      keepaliveInterval: target.keepaliveIntervalMs ?? options.keepaliveIntervalMs,
      keepaliveCountMax: target.keepaliveCountMax ?? 3,
      algorithms: {
        cipher: { prepend: ['aes128-gcm@openssh.com'], append: [], remove: [] },
        compress: ['none'],
        serverHostKey: hostKeyAlgorithms(target, knownHosts),
      },
      hostVerifier: (key: Buffer) => this.#verify(key),
      authHandler: (allowed, _partial, next) =>
        void this.#offerLogin(allowed, next as (method: AnyAuthMethod | false) => void),
    });
  }

  async #offerLogin(
    allowed: readonly AuthenticationType[] | null,
    next: (method: AnyAuthMethod | false) => void,
  ): Promise<void> {
    next(await this.#login.next(allowed));
  }

  #verify(key: Buffer): boolean {
    this.#offered = offeredHostKey(key, this.#parts.target);
    this.#judgement = judgeHostKey(this.#parts.knownHosts, this.#offered);
    return this.#judgement.verdict === 'known';
  }

  #onError(error: Error & { level?: string; code?: string }): void {
    // A dead agent or a key that cannot sign is one way less to log in: ssh2 goes on with the next one by itself.
    const goesOn = error.level === 'agent' || (error.level === 'client-authentication' && !this.#login.exhausted);
    if (goesOn) this.#login.tried.push(`${error.level === 'agent' ? 'SSH agent' : 'key'}: ${error.message}`);
    else this.#fail(this.#errorFrom(error));
  }

  #startTimer(): void {
    clearTimeout(this.#timer);
    const timeoutMs = this.#parts.target.connectTimeoutMs ?? this.#parts.options.connectTimeoutMs;
    this.#timer = setTimeout(() => this.#fail(this.#timeoutError(timeoutMs)), timeoutMs);
  }

  #succeed(): void {
    if (!this.#settle()) return;
    const client = this.#client;
    // In one go: an 'error' that finds no listener ends the process.
    client.removeAllListeners();
    this.#parts.resolve(ssh2Link(client, hostLabel(this.#parts.target)));
  }

  #fail(error: SshError): void {
    if (!this.#settle()) return;
    this.#client.removeAllListeners();
    // What ssh2 still says about a connection that was given up is nobody's concern, but an 'error' needs a listener.
    this.#client.on('error', () => {});
    this.#client.destroy();
    this.#parts.reject(error);
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#parts.options.signal?.removeEventListener('abort', this.#onAbort);
    return true;
  }

  #timeoutError(timeoutMs: number): SshError {
    const reached = this.#stage !== 'reaching';
    return new SshError({
      kind: 'timeout',
      host: hostLabel(this.#parts.target),
      problem: reached
        ? `accepted the connection but did not finish the SSH handshake within ${timeoutMs} ms`
        : `no answer within ${timeoutMs} ms`,
      nextStep: reached
        ? 'The host may be frozen or overloaded: look at its console, then try again.'
        : 'Check the address, that the host is up, and that no firewall drops the port; then try again.',
    });
  }

  #errorFrom(cause: Error & { code?: string }): SshError {
    const [judgement, offered] = [this.#judgement, this.#offered];
    if (judgement !== null && offered !== undefined && judgement.verdict !== 'known')
      return hostKeyError({ host: hostLabel(this.#parts.target), offered, judgement });
    const host = hostLabel(this.#parts.target);
    if (this.#stage === 'loggingIn') return this.#loginError(cause);
    if (this.#stage === 'reaching') return reachError(host, cause);
    return new SshError({
      kind: 'protocol',
      host,
      problem: `the SSH handshake failed: ${cause.message}`,
      nextStep:
        'Check that this port is an SSH server; if it is, that it shares algorithms with Synod (ssh -v shows them).',
      cause,
    });
  }

  #loginError(cause: Error): SshError {
    const locked = this.#login.lockedKey;
    if (locked !== null) return passphraseNeeded(this.#parts.target, locked);
    const tried = this.#login.tried.join('; ');
    const { onlyOpenSsh } = this.#parts.target;
    return new SshError({
      kind: 'authFailed',
      host: hostLabel(this.#parts.target),
      problem: `the host refused the login of "${this.#parts.target.user}" (${tried === '' ? cause.message : tried})`,
      nextStep:
        onlyOpenSsh === undefined
          ? 'Check the user name, and put the public key into ~/.ssh/authorized_keys on the host or give another key.'
          : `Reach it with the system's ssh (synod host transport HOST openssh): only that can use ${onlyOpenSsh}, which is configured for it.`,
      cause,
    });
  }
}

export function passphraseNeeded(target: SshTarget, locked: { path: string; wasWrong: boolean }): SshError {
  const { path, wasWrong } = locked;
  return new SshError({
    kind: 'passphraseNeeded',
    host: hostLabel(target),
    problem: wasWrong
      ? `the passphrase that was given does not open the key ${path}`
      : `the key ${path} on this computer is encrypted, and its passphrase was not given`,
    nextStep: `Give the passphrase of ${path}; it is not written down.`,
  });
}

function reachError(host: string, cause: Error & { code?: string }): SshError {
  const refused = cause.code === 'ECONNREFUSED';
  const unnamed = cause.code === 'ENOTFOUND' || cause.code === 'EAI_AGAIN';
  return new SshError({
    kind: refused ? 'refused' : 'unreachable',
    host,
    problem: refused ? 'connection refused' : unnamed ? 'no such host name' : `not reachable: ${cause.message}`,
    nextStep: refused
      ? 'Check the port, and that the SSH server is running on the host.'
      : 'Check the address and that the host is up and on the network; then try again.',
    cause,
  });
}

function abortedBeforeConnect(target: SshTarget): SshError {
  return new SshError({
    kind: 'aborted',
    host: hostLabel(target),
    problem: 'connecting was called off',
    nextStep: 'Nothing was run. Start again when you want to.',
  });
}
