/** Offers the target's ways to log in to the host, one after the other, asking for a secret only when its turn comes. */
import { readFile } from 'node:fs/promises';
import ssh2, { type AnyAuthMethod, type AuthenticationType } from 'ssh2';
import { isEncrypted } from './key-file.ts';
import type { SshAuth, SshTarget } from './target.ts';

export interface LoginWatch {
  /** Called around waits for the operator: time spent there is not the host's. */
  waitingForSecret: (waiting: boolean) => void;
}

/** One login: `next` is called by ssh2 until it answers false. `tried` says in words what became of each way. */
export class Login {
  readonly tried: string[] = [];
  /** True once nothing is left to try. */
  exhausted = false;
  #locked: { readonly path: string; readonly wasWrong: boolean } | null = null;
  #offered = false;
  readonly #target: SshTarget;
  readonly #watch: LoginWatch;
  readonly #left: SshAuth[];
  #askedForMethods = false;

  constructor(target: SshTarget, watch: LoginWatch) {
    this.#target = target;
    this.#watch = watch;
    this.#left = [...target.auth];
  }

  /** `allowed`: what the host still accepts; null before it has said so. */
  async next(allowed: readonly AuthenticationType[] | null): Promise<AnyAuthMethod | false> {
    const username = this.#target.user;
    if (!this.#askedForMethods) {
      this.#askedForMethods = true;
      return { type: 'none', username };
    }
    for (let auth = this.#left.shift(); auth !== undefined; auth = this.#left.shift()) {
      const method = await this.#methodFor(auth, allowed);
      if (method === null) continue;
      this.#offered = true;
      return method;
    }
    this.exhausted = true;
    return false;
  }

  /** The key that could not be opened, where nothing else was offered to the host. */
  get lockedKey(): { readonly path: string; readonly wasWrong: boolean } | null {
    return this.#offered ? null : this.#locked;
  }

  async #methodFor(auth: SshAuth, allowed: readonly AuthenticationType[] | null): Promise<AnyAuthMethod | null> {
    switch (auth.kind) {
      case 'key':
        return accepts(allowed, 'publickey')
          ? await this.#keyMethod(auth)
          : this.#skip(`key ${auth.path}: not accepted`);
      case 'agent':
        return accepts(allowed, 'publickey') ? this.#agentMethod(auth) : this.#skip('SSH agent: keys are not accepted');
      case 'password':
        return await this.#passwordMethod(auth, allowed);
    }
  }

  async #keyMethod(auth: Extract<SshAuth, { kind: 'key' }>): Promise<AnyAuthMethod | null> {
    const text = await readFile(auth.path).catch((error: NodeJS.ErrnoException) => error);
    if (text instanceof Error) return this.#skip(`key ${auth.path}: ${text.code ?? 'cannot be read'}`);
    const parsed = ssh2.utils.parseKey(text);
    if (!(parsed instanceof Error)) return this.#key(auth.path, text, undefined);
    if (!isEncrypted(parsed)) return this.#skip(`key ${auth.path}: not a private key`);
    const passphrase = auth.passphrase ? await this.#secret(auth.passphrase) : null;
    if (passphrase === null) return this.#skipLocked(auth.path, false);
    if (ssh2.utils.parseKey(text, passphrase) instanceof Error) return this.#skipLocked(auth.path, true);
    return this.#key(auth.path, text, passphrase);
  }

  #key(path: string, key: Buffer, passphrase: string | undefined): AnyAuthMethod {
    this.tried.push(`key ${path}: refused by the host`);
    const secret = passphrase === undefined ? {} : { passphrase };
    return { type: 'publickey', username: this.#target.user, key, ...secret };
  }

  #agentMethod(auth: Extract<SshAuth, { kind: 'agent' }>): AnyAuthMethod | null {
    const socket = auth.socket ?? process.env['SSH_AUTH_SOCK'] ?? '';
    if (socket === '') return this.#skip('SSH agent: none is running (SSH_AUTH_SOCK is not set)');
    this.tried.push('SSH agent: none of its keys was accepted');
    return { type: 'agent', username: this.#target.user, agent: socket };
  }

  async #passwordMethod(
    auth: Extract<SshAuth, { kind: 'password' }>,
    allowed: readonly AuthenticationType[] | null,
  ): Promise<AnyAuthMethod | null> {
    const byPrompt = !accepts(allowed, 'password');
    if (byPrompt && !accepts(allowed, 'keyboard-interactive')) return this.#skip('password: not accepted by the host');
    const password = await this.#secret(auth.password);
    if (password === null) return this.#skip('password: none was given');
    this.tried.push('password: refused by the host');
    const username = this.#target.user;
    if (!byPrompt) return { type: 'password', username, password };
    // PAM hosts often take passwords only as the answer to a single prompt; more prompts than one are not for us to guess.
    return {
      type: 'keyboard-interactive',
      username,
      prompt: (...asked) => {
        const [, , , prompts, finish] = asked;
        finish(prompts.length === 1 ? [password] : []);
      },
    };
  }

  async #secret(ask: () => Promise<string>): Promise<string | null> {
    this.#watch.waitingForSecret(true);
    try {
      return await ask();
    } catch {
      // The operator said no; why is theirs, and an error's text from there might hold what they typed.
      return null;
    } finally {
      this.#watch.waitingForSecret(false);
    }
  }

  #skipLocked(path: string, wasWrong: boolean): null {
    this.#locked = { path, wasWrong };
    return this.#skip(`key ${path}: ${wasWrong ? 'wrong passphrase' : 'encrypted, and no passphrase was given'}`);
  }

  #skip(why: string): null {
    this.tried.push(why);
    return null;
  }
}

function accepts(allowed: readonly AuthenticationType[] | null, type: AuthenticationType): boolean {
  return allowed === null || allowed.includes(type);
}
