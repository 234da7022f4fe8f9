/** What only the system's ssh can log in with, and how it asks for what it needs: certificates, passphrases, passwords, questions. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import ssh2, { type AuthContext } from 'ssh2';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loginSecrets } from '../../electron/engine/fleet/login-secrets.ts';
import type { Prompt } from '../../electron/contract/login.ts';
import { Prompts } from '../../electron/engine/prompts.ts';
import { memorySecretStore } from '../../electron/engine/secrets.ts';
import { newKeyPair } from '../../electron/engine/ssh/key-pair.ts';
import { Askpass } from '../../electron/engine/ssh/openssh/askpass.ts';
import { SshPool } from '../../electron/engine/ssh/pool.ts';
import { sh } from '../../electron/engine/ssh/shell-command.ts';
import type { SshError } from '../../electron/engine/ssh/ssh-error.ts';
import type { AuthChoice, LoginSecrets, SshTarget, Transport } from '../../electron/engine/ssh/target.ts';
import { type ConfiguredHome, configuredHome, knownLines } from './configured-place.ts';
import { eventually, hasSsh, hasSshd, makeFolder, nobody, type Place, startOpenSsh } from './places.ts';

const canRun = hasSshd && hasSsh;
it.for(canRun ? [] : ['skipped: no sshd or no ssh here'])('%s', (_reason, { skip }) => skip());

describe.runIf(canRun)("logging in with the system's ssh", { timeout: 60_000 }, () => {
  let place: Place;
  let folder: string;
  let home: ConfiguredHome;
  let pool: SshPool;
  const key = (name: string) => join(folder, name);
  const keygen = (...args: string[]): void => void execFileSync('ssh-keygen', ['-q', ...args]);

  beforeAll(async () => {
    folder = await makeFolder();
    keygen('-t', 'ed25519', '-N', '', '-f', key('ca'));
    place = await startOpenSsh('', '127.0.2.22', (at) =>
      appendFileSync(join(at, 'sshd_config'), `TrustedUserCAKeys ${key('ca')}.pub\n`),
    );
    keygen('-t', 'ed25519', '-N', '', '-f', key('certified'));
    keygen('-s', key('ca'), '-I', 'ops of the test', '-n', place.target.user, '-V', '+1h', `${key('certified')}.pub`);
    execFileSync('cp', [join(place.folder, 'client'), key('locked')]);
    keygen('-p', '-P', '', '-N', 'open sesame', '-f', key('locked'));
  });
  afterAll(async () => {
    await place.stop();
    await rm(folder, { recursive: true });
  });
  beforeEach(() => {
    home = configuredHome(folder);
    writeFileSync(home.knownHostsPath, knownLines(place));
    pool = new SshPool({ knownHostsPaths: [key('own')], connectTimeoutMs: 20_000 });
  });
  afterEach(() => pool.close());

  interface Wish {
    transport?: Transport;
    auth?: AuthChoice;
    secrets?: LoginSecrets;
  }
  const target = async ({ transport = 'openssh', auth = { kind: 'default' }, secrets = nobody }: Wish) =>
    await home.target('db1', { secrets, wish: { transport, auth } });
  const failure = async (of: SshTarget): Promise<SshError> =>
    await pool.connection(of).then(
      () => Promise.reject(new Error('it connected')),
      (error: SshError) => error,
    );
  const host = (more: string, port = place.target.port): string =>
    `Host db1\n HostName 127.0.2.22\n Port ${port}\n User ${place.target.user}\n IdentityAgent none\n ${more}\n`;

  it.each(['beside its key', 'by name'])(
    'uses a certificate (%s), to which the builtin transport points',
    async (where) => {
      const certificate = where === 'by name' ? key('moved-cert.pub') : `${key('certified')}-cert.pub`;
      if (where === 'by name') execFileSync('mv', [`${key('certified')}-cert.pub`, certificate]);
      home.write(
        host(`IdentityFile ${key('certified')}${where === 'by name' ? `\n CertificateFile ${certificate}` : ''}`),
      );
      expect(await failure(await target({ transport: 'builtin' }))).toMatchObject({
        kind: 'authFailed',
        nextStep: expect.stringContaining(`openssh): only that can use the certificate ${certificate}`) as string,
      });
      const connection = await pool.connection(await target({}));
      expect((await connection.exec(sh`echo certified`)).stdout).toBe('certified\n');
      expect(place.log()).toContain('ID ops of the test (serial 0) CA ED25519');
    },
  );

  it('is what a hardware key needs', async () => {
    // The public half as ssh-keygen writes it; there is no hardware here to log in with.
    writeFileSync(`${key('token')}.pub`, 'sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t ops\n');
    writeFileSync(key('token'), 'a handle that only OpenSSH reads');
    home.write(host('IdentityFile none'));
    const { nextStep } = await failure(
      await target({ transport: 'builtin', auth: { kind: 'key', path: key('token') } }),
    );
    expect(nextStep).toContain(`only that can use the hardware key ${key('token')}`);
  });

  it('asks for a passphrase, again when it was wrong, and never shows it', async () => {
    home.write(host(`IdentityFile ${key('locked')}`));
    const person = answering((prompt) => (prompt.wasWrong ? 'open sesame' : 'swordfish'));
    const connection = await pool.connection(await target({ secrets: person.secrets }));
    const { stdout } = await connection.exec(
      sh`tr '\\0' ' ' < /proc/$PPID/cmdline; cat /proc/*/cmdline /proc/*/environ`,
      {
        maxOutputBytes: 64 << 20,
        expectedExitCodes: [0, 1],
      },
    );
    expect(stdout).not.toMatch(/open sesame|swordfish/);
    expect(person.seen.map(({ kind, about, wasWrong }) => ({ kind, about, wasWrong }))).toEqual([
      { kind: 'passphrase', about: key('locked'), wasWrong: false },
      { kind: 'passphrase', about: key('locked'), wasWrong: true },
    ]);
    await person.leave();
  });

  it('says so where nobody is there to give the passphrase', async () => {
    home.write(host(`IdentityFile ${key('locked')}`));
    expect(await failure(await target({}))).toMatchObject({
      kind: 'passphraseNeeded',
      problem: expect.stringContaining(key('locked')) as string,
    });
  });

  it('says that a hardware key waits for a touch, until it was touched', async () => {
    // ssh's own part is played: it starts the program so, and ends it once the key was touched (readpass.c, notify_start).
    const person = answering(() => '');
    const waits: boolean[] = [];
    const askpass = new Askpass({
      folder,
      target: await target({ secrets: person.secrets }),
      nodePath: process.execPath,
      waitingForSecret: (waiting) => waits.push(waiting),
    });
    await askpass.start();
    const program = spawn(join(folder, 'askpass'), ['Confirm user presence for key ED25519-SK SHA256:abc'], {
      env: { ...process.env, SSH_ASKPASS_PROMPT: 'none' },
      stdio: 'ignore',
    });
    await eventually('it is shown', () => person.seen.length === 1);
    expect([person.seen[0]?.title, person.seen[0]?.fields, waits]).toEqual([
      'Confirm user presence for key ED25519-SK SHA256:abc',
      [],
      [true],
    ]);
    program.kill();
    await eventually('the wait is over', () => waits.length === 2);
    askpass.close();
    await person.leave();
  });

  it('gives passwords and answers to those who ask for them', async () => {
    const server = await startAsking((context) => {
      if (context.method === 'password') return context.password === 'right' ? context.accept() : context.reject();
      if (context.method !== 'keyboard-interactive') return context.reject(['password', 'keyboard-interactive']);
      context.prompt([{ prompt: 'Code: ', echo: true }], (answers) =>
        answers.join() === '123456' ? context.accept() : context.reject(['password', 'keyboard-interactive']),
      );
    });
    writeFileSync(home.knownHostsPath, `[127.0.2.22]:${server.port} ${server.publicKey}\n`);
    home.write(host('IdentityFile none', server.port));
    const person = answering((prompt) => (prompt.kind === 'questions' ? '123456' : 'right'));
    await pool.connection(await target({ secrets: person.secrets }));
    pool.close();
    await pool.connection(await target({ secrets: person.secrets, auth: { kind: 'password' } }));
    const about = `${place.target.user}@127.0.2.22:${server.port}`;
    expect(person.seen.map((prompt) => [prompt.kind, prompt.about, prompt.fields[0]?.text])).toEqual([
      ['questions', about, 'Code: '],
      ['password', about, 'Password'],
    ]);
    await person.leave();
    server.close();
  });
});

/** A person at the console, and the secrets of a login that come from there. */
function answering(answer: (prompt: Prompt) => string) {
  const prompts = new Prompts();
  const watching = new AbortController();
  const seen: Prompt[] = [];
  const done = (async () => {
    for await (const open of prompts.watch(watching.signal))
      for (const prompt of open) {
        seen.push(prompt);
        prompts.answer(prompt.promptId, { answers: [answer(prompt)], keep: false });
      }
  })();
  const sources = { secrets: memorySecretStore(), prompts, answered: new Map<string, string>() };
  const leave = async (): Promise<void> => {
    watching.abort();
    await done;
  };
  return { secrets: loginSecrets({ hostId: 'h', name: 'db1' }, sources), seen, leave };
}

/** A server that lets nobody in who does not satisfy `authenticate`. */
async function startAsking(authenticate: (context: AuthContext) => void) {
  const hostKey = newKeyPair();
  const clients = new Set<ssh2.Connection>();
  const server = new ssh2.Server({ hostKeys: [hostKey.private] }, (client) => {
    clients.add(client);
    client.on('error', () => {});
    client.on('authentication', authenticate);
  });
  server.listen(0, '127.0.2.22');
  await once(server, 'listening');
  const close = (): void => {
    for (const client of clients) client.end();
    server.close();
  };
  return { port: (server.address() as AddressInfo).port, publicKey: hostKey.public, close };
}
