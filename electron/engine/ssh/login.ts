/** Offers the target's ways to log in to the host, one after the other, asking for a secret only when its turn comes. */
import { readFile } from 'node:fs/promises';
import ssh2, { type AnyAuthMethod, type AuthenticationType } from 'ssh2';
import { ChosenKeysAgent, chooseKeys, publicKeyOf } from './agent-keys.ts';
import { isEncrypted } from './key-file.ts';
import type { Questions, SecretCallback, SshAuth, SshTarget } from './target.ts';

export interface LoginWatch {
  /** Called around waits for the operator: time spent there is not the host's. */
  waitingForSecret: (waiting: boolean) => void;
}

type Accepted = readonly AuthenticationType[] | null;
type Way<K extends SshAuth['kind']> = Extract<SshAuth, { kind: K }>;

/** How often a secret is asked for before its way is given up; ssh's NumberOfPasswordPrompts. */
const MAX_TRIES = 3;

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
  #agent: ChosenKeysAgent | null = null;
  #lastPassword: string | null = null;
  #passwords = 0;

  constructor(target: SshTarget, watch: LoginWatch) {
    this.#target = target;
    this.#watch = watch;
    this.#left = [...target.auth];
  }

  /** `allowed`: what the host still accepts; null before it has said so. */
  async next(allowed: Accepted): Promise<AnyAuthMethod | false> {
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

  async #methodFor(auth: SshAuth, allowed: Accepted): Promise<AnyAuthMethod | null> {
    switch (auth.kind) {
      case 'key':
        return accepts(allowed, 'publickey')
          ? await this.#keyMethod(auth)
          : this.#skip(`key ${auth.path}: not accepted`);
      case 'agent':
        return accepts(allowed, 'publickey')
          ? await this.#agentMethod(auth)
          : this.#skip('SSH agent: keys are not accepted');
      case 'password':
        return await this.#passwordMethod(auth, allowed);
      case 'interactive':
        return this.#interactiveMethod(auth, allowed);
    }
  }

  async #keyMethod(auth: Way<'key'>): Promise<AnyAuthMethod | null> {
    const text = await readFile(auth.path).catch((error: NodeJS.ErrnoException) => error);
    if (text instanceof Error) return this.#skip(`key ${auth.path}: ${text.code ?? 'cannot be read'}`);
    const publicKey = this.#agent === null ? null : await publicKeyOf(auth.path);
    if (publicKey !== null && this.#agent?.offered.includes(publicKey)) return null;
    const parsed = ssh2.utils.parseKey(text);
    if (!(parsed instanceof Error) && parsed.isPrivateKey()) return this.#key(auth.path, text, undefined);
    if (!(parsed instanceof Error) || !isEncrypted(parsed)) return this.#skip(`key ${auth.path}: not a private key`);
    return await this.#encryptedKey(auth, text);
  }

  /** Opens it with what is answered, as often as another answer comes. */
  async #encryptedKey(auth: Way<'key'>, text: Buffer): Promise<AnyAuthMethod | null> {
    let last: string | null = null;
    for (let tries = 0; auth.passphrase !== undefined && tries < MAX_TRIES; tries++) {
      const passphrase = await this.#secret(auth.passphrase, last !== null);
      if (passphrase === null || passphrase === last) break;
      if (!(ssh2.utils.parseKey(text, passphrase) instanceof Error)) return this.#key(auth.path, text, passphrase);
      last = passphrase;
    }
    return this.#skipLocked(auth.path, last !== null);
  }

  #key(path: string, key: Buffer, passphrase: string | undefined): AnyAuthMethod {
    this.tried.push(`key ${path}: refused by the host`);
    const secret = passphrase === undefined ? {} : { passphrase };
    return { type: 'publickey', username: this.#target.user, key, ...secret };
  }

  async #agentMethod(auth: Way<'agent'>): Promise<AnyAuthMethod | null> {
    const socket = auth.socket ?? process.env['SSH_AUTH_SOCK'] ?? '';
    if (socket === '') return this.#skip('SSH agent: none is running (SSH_AUTH_SOCK is not set)');
    const named = await Promise.all((auth.first ?? []).map(publicKeyOf));
    const first = named.filter((key) => key !== null);
    if (auth.only && first.length === 0) return null;
    this.tried.push('SSH agent: none of its keys was accepted');
    this.#agent = new ChosenKeysAgent(socket, (keys) => chooseKeys(keys, { first, only: auth.only ?? false }));
    return { type: 'agent', username: this.#target.user, agent: this.#agent };
  }

  async #passwordMethod(auth: Way<'password'>, allowed: Accepted): Promise<AnyAuthMethod | null> {
    const byPrompt = !accepts(allowed, 'password');
    if (byPrompt && !accepts(allowed, 'keyboard-interactive')) return this.#skip('password: not accepted by the host');
    const password = await this.#secret(auth.password, this.#lastPassword !== null);
    if (password === null) return this.#skip('password: none was given');
    if (password === this.#lastPassword) return null;
    this.#lastPassword = password;
    if (++this.#passwords < MAX_TRIES) this.#left.unshift(auth);
    if (this.#passwords === 1) this.tried.push('password: refused by the host');
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

  #interactiveMethod(auth: Way<'interactive'>, allowed: Accepted): AnyAuthMethod | null {
    if (!accepts(allowed, 'keyboard-interactive')) return this.#skip('questions: the host asks none');
    this.tried.push('questions of the host: the answers did not serve');
    return {
      type: 'keyboard-interactive',
      username: this.#target.user,
      prompt: (...asked) => {
        const [title, instructions, , prompts, finish] = asked;
        const texts = prompts.map(({ prompt, echo }) => ({ text: prompt, echo: echo ?? false }));
        void this.#answers(auth, { title, instructions, prompts: texts }).then((answers) => finish([...answers]));
      },
    };
  }

  async #answers(auth: Way<'interactive'>, questions: Questions): Promise<readonly string[]> {
    // Hosts end with a round without questions; nobody is bothered with it.
    if (questions.prompts.length === 0) return [];
    this.#watch.waitingForSecret(true);
    try {
      return (await auth.answer(questions).catch(() => null)) ?? [];
    } finally {
      this.#watch.waitingForSecret(false);
    }
  }

  async #secret(ask: SecretCallback, wasWrong: boolean): Promise<string | null> {
    this.#watch.waitingForSecret(true);
    try {
      return await ask(wasWrong);
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

function accepts(allowed: Accepted, type: AuthenticationType): boolean {
  return allowed === null || allowed.includes(type);
}
