/**
 * Answers what OpenSSH's client asks: it starts the program of $SSH_ASKPASS, which hands the question to the engine over a socket
 * in the connection's private folder and prints what comes back. No secret is in an argument, in the environment or in a file.
 */
import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { shellQuote } from '../shell-command.ts';
import { type OpenSshLogin, type SecretCallback, type SshTarget, targetLabel } from '../target.ts';
import { type AskpassQuestion, readQuestion } from './askpass-question.ts';
import { chainOf } from './client-config.ts';

/** Runs in Node, started by ssh; without single quotes, as it stands between two in the script. */
const PROGRAM = `
const socket = require("node:net").connect(process.argv[1]);
const hint = process.env.SSH_ASKPASS_PROMPT ?? "";
let answer = "";
socket.on("error", () => process.exit(1));
socket.setEncoding("utf8").on("data", (text) => (answer += text));
socket.on("end", () => (answer === "" ? process.exit(1) : process.stdout.write(answer)));
socket.write(JSON.stringify({ text: process.argv[2] ?? "", hint }) + "\\n");
`;

const askedSchema = z.object({ text: z.string(), hint: z.string() });

export interface AskpassParts {
  folder: string;
  target: SshTarget;
  /** What runs JavaScript. */
  nodePath: string;
  /** Called around waits for the operator. */
  waitingForSecret: (waiting: boolean) => void;
}

export class Askpass {
  /** For ssh. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #parts: AskpassParts;
  readonly #server = createServer((socket) => void this.#serve(socket));
  /** Given last, by what it was for: asked for again, it did not serve. */
  readonly #given = new Map<string, string>();
  #lockedKey: { readonly path: string; readonly wasWrong: boolean } | null = null;

  constructor(parts: AskpassParts) {
    this.#parts = parts;
    // Before OpenSSH 8.4 the program is asked only where there is a display.
    const display = process.env['DISPLAY'] ?? ':0';
    this.environment = { SSH_ASKPASS: join(parts.folder, 'askpass'), SSH_ASKPASS_REQUIRE: 'force', DISPLAY: display };
  }

  async start(): Promise<void> {
    const { folder, nodePath } = this.#parts;
    const socketPath = join(folder, 'ask');
    const path = join(folder, 'askpass');
    const run = `exec ${shellQuote(nodePath)} -e '${PROGRAM}' ${shellQuote(socketPath)} "$1"`;
    await writeFile(path, `#!/bin/sh\nexport ELECTRON_RUN_AS_NODE=1\n${run}\n`, { mode: 0o700 });
    // Whatever the umask left of it.
    await chmod(path, 0o700);
    this.#server.listen(socketPath);
    await once(this.#server, 'listening');
  }

  /** The key whose passphrase was missing or wrong last; null: none. */
  get lockedKey(): { readonly path: string; readonly wasWrong: boolean } | null {
    return this.#lockedKey;
  }

  close(): void {
    this.#server.close();
  }

  async #serve(socket: Socket): Promise<void> {
    socket.on('error', () => {});
    const line = await firstLine(socket);
    if (line === null) return;
    const asked = askedSchema.parse(JSON.parse(line));
    this.#parts.waitingForSecret(true);
    try {
      const question = readQuestion(asked.text, asked.hint);
      if (question.kind === 'notice') await this.#showUntilClosed(question.text, socket);
      else {
        const answer = await this.#answer(question);
        socket.end(answer === null ? '' : `${answer}\n`);
      }
    } finally {
      this.#parts.waitingForSecret(false);
    }
  }

  /** ssh ends its program when the key was touched; however long that takes, the host is not to blame for it. */
  async #showUntilClosed(text: string, socket: Socket): Promise<void> {
    const closed = once(socket, 'close');
    socket.resume();
    void this.#ask(this.#loginOf(null), { title: text, text: null });
    await closed;
  }

  /** null: nobody answers. */
  async #answer(question: Exclude<AskpassQuestion, { kind: 'notice' }>): Promise<string | null> {
    const { secrets } = this.#login;
    switch (question.kind) {
      case 'passphrase':
        return await this.#passphrase(question.keyPath);
      case 'password':
        return await this.#secret(secrets.password(this.#loginOf(question.login)), `password ${question.login}`);
      case 'question': {
        const login = this.#loginOf(question.login);
        // PAM hosts often take passwords only as the answer to a question.
        if (this.#login.auth.kind === 'password' && /password/i.test(question.text))
          return await this.#secret(secrets.password(login), `password ${login}`);
        return (await this.#ask(login, { title: '', text: question.text }))?.[0] ?? null;
      }
      case 'confirmation':
        return null;
    }
  }

  async #ask(
    login: string,
    { title, text }: { title: string; text: string | null },
  ): Promise<readonly string[] | null> {
    const prompts = text === null ? [] : [{ text, echo: false }];
    return await this.#login.secrets
      .answer(login)({ title, instructions: '', prompts })
      .catch(() => null);
  }

  async #passphrase(path: string): Promise<string | null> {
    const before = this.#given.get(path);
    const answer = await this.#secret(this.#login.secrets.passphrase(path), path);
    this.#lockedKey = answer === null ? { path, wasWrong: before !== undefined } : null;
    return answer;
  }

  async #secret(ask: SecretCallback, about: string): Promise<string | null> {
    const before = this.#given.get(about);
    // The operator said no; why is theirs, and an error's text from there might hold what they typed.
    const answer = await ask(before !== undefined).catch(() => null);
    if (answer === null || answer === before) return null;
    this.#given.set(about, answer);
    return answer;
  }

  get #login(): OpenSshLogin {
    const login = this.#parts.target.openSsh;
    if (login === undefined) throw new TypeError('a target of another transport');
    return login;
  }

  /** "user@address:port" for ssh's "user@host"; the host itself where that is none of the way there. */
  #loginOf(said: string | null): string {
    const chain = chainOf(this.#parts.target);
    const names = (one: SshTarget): (string | undefined)[] => [one.address, one.hostKeyAlias, one.openSsh?.alias];
    const named = chain.find((one) => names(one).some((name) => `${one.user}@${name}` === said));
    return targetLabel(named ?? this.#parts.target);
  }
}

/** null: it ended before that. */
async function firstLine(socket: Socket): Promise<string | null> {
  let text = '';
  for await (const chunk of socket.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    text += String(chunk);
    const end = text.indexOf('\n');
    if (end !== -1) return text.slice(0, end);
  }
  return null;
}
