/** Logging in as operators do: agents, several keys, passphrases and questions, against a real sshd and a real ssh-agent. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loginSecrets } from '../../electron/engine/fleet/login-secrets.ts';
import { Prompts } from '../../electron/engine/prompts.ts';
import { memorySecretStore } from '../../electron/engine/secrets.ts';
import { newKeyPair } from '../../electron/engine/ssh/key-pair.ts';
import { SshPool } from '../../electron/engine/ssh/pool.ts';
import type { SshError } from '../../electron/engine/ssh/ssh-error.ts';
import type { SshTarget } from '../../electron/engine/ssh/target.ts';
import { type ConfiguredHome, configuredHome, knownLines } from './configured-place.ts';
import { eventually, hasSshd, makeFolder, nobody, type Place, SSHD, startOpenSsh } from './places.ts';

const canRun = hasSshd && existsSync('/usr/bin/ssh-agent');
it.for(canRun ? [] : [`skipped: no ${SSHD} or ssh-agent here`])('%s', (_reason, { skip }) => skip());

describe.runIf(canRun)('logging in', { timeout: 60_000 }, () => {
  let place: Place;
  let folder: string;
  let agent: ChildProcess;
  let home: ConfiguredHome;
  const socket = () => join(folder, 'agent');
  const key = (name: string) => join(folder, name);
  const makeKey = (name: string, passphrase = ''): void =>
    void execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-f', key(name)]);
  const add = (path: string): void =>
    void execFileSync('ssh-add', ['-q', path], { env: { ...process.env, SSH_AUTH_SOCK: socket() }, stdio: 'ignore' });

  beforeAll(async () => {
    folder = await makeFolder();
    place = await startOpenSsh('MaxAuthTries 3', '127.0.0.8');
    agent = spawn('ssh-agent', ['-D', '-a', socket()], { stdio: 'ignore' });
    await eventually('the agent listens', () => existsSync(socket()));
    for (const name of ['a', 'b', 'c', 'd']) {
      makeKey(name);
      add(key(name));
    }
    add(join(place.folder, 'client'));
    makeKey('locked', 'open sesame');
    home = configuredHome(folder, { SSH_AUTH_SOCK: socket() });
    writeFileSync(home.knownHostsPath, knownLines(place));
  });
  afterAll(async () => {
    const ended = once(agent, 'exit');
    agent.kill();
    await ended;
    await place.stop();
    await rm(folder, { recursive: true });
  });

  const host = (more: string): string =>
    `Host db1\n HostName 127.0.0.8\n Port ${place.target.port}\n User ${place.target.user}\n ${more}\n`;
  async function attempt(target: SshTarget): Promise<SshError | null> {
    const pool = new SshPool({ knownHostsPaths: [join(folder, 'own')], connectTimeoutMs: 60_000 });
    try {
      await pool.connection(target);
      return null;
    } catch (error) {
      return error as SshError;
    } finally {
      pool.close();
    }
  }

  it('offers the configured key of a full agent first', async () => {
    const client = join(place.folder, 'client');
    home.write(host(`IdentityFile ${client}.pub`));
    expect(await attempt(await home.target('db1'))).toBeNull();
    // Negative control: in the agent's own order the host has lost patience before the right key's turn.
    home.write(host('IdentityFile none'));
    expect(await attempt(await home.target('db1'))).toMatchObject({ kind: 'authFailed' });
  });

  it('keeps to the configured keys with IdentitiesOnly', async () => {
    home.write(host(`IdentitiesOnly yes\n IdentityFile ${key('a')}\n IdentityFile ${join(place.folder, 'client')}`));
    expect(await attempt(await home.target('db1'))).toBeNull();
    home.write(host(`IdentitiesOnly yes\n IdentityFile ${key('a')}`));
    const error = await attempt(await home.target('db1'));
    expect(error).toMatchObject({ kind: 'authFailed' });
  });

  it('asks the agent that IdentityAgent names, or none', async () => {
    const client = join(place.folder, 'client');
    home.write(host(`IdentityAgent ${join(folder, 'gone')}\n IdentityFile ${client}.pub`));
    expect(await attempt(await home.target('db1'))).toMatchObject({ kind: 'authFailed' });
    home.write(host(`IdentityAgent ${join(folder, 'gone')}\n IdentityFile ${client}`));
    expect(await attempt(await home.target('db1'))).toBeNull();
    home.write(host(`IdentityAgent none\n IdentityFile ${client}.pub`));
    expect(await attempt(await home.target('db1'))).toMatchObject({ kind: 'authFailed' });
  });

  it('asks for the passphrase of a key once for all its hosts, again when it was wrong, and never shows it', async () => {
    const prompts = new Prompts();
    const sources = { secrets: memorySecretStore(), prompts, answered: new Map<string, string>() };
    const watching = new AbortController();
    const asked: boolean[] = [];
    const answers = ['swordfish', 'open sesame'];
    const answering = (async () => {
      for await (const open of prompts.watch(watching.signal)) {
        for (const prompt of open) {
          asked.push(prompt.wasWrong);
          expect(prompt).toMatchObject({ kind: 'passphrase', about: key('locked') });
          prompts.answer(prompt.promptId, { answers: [answers.shift() ?? ''], keep: false });
        }
      }
    })();
    home.write(
      host(
        `IdentityAgent none\n IdentityFile ${key('locked')}\n KbdInteractiveAuthentication no\n PasswordAuthentication no`,
      ),
    );
    const targets = await Promise.all(
      ['h-1', 'h-2', 'h-3'].map(async (hostId) => {
        const secrets = loginSecrets({ hostId, name: hostId }, sources);
        return await home.target('db1', { secrets });
      }),
    );
    const results = await Promise.all(targets.map(attempt));
    // It opens; the host does not know it, which is how we see that it was offered.
    expect(results.map((error) => error?.kind)).toEqual(['authFailed', 'authFailed', 'authFailed']);
    expect(results[0]?.message).toContain(`key ${key('locked')}: refused by the host`);
    expect(asked).toEqual([false, true]);
    expect(JSON.stringify(results.map((error) => [error, error?.message]))).not.toMatch(/sesame|swordfish/);
    watching.abort();
    await answering;
  });

  it('says so where nobody is there to give the passphrase', async () => {
    home.write(host(`IdentityAgent none\n IdentityFile ${key('locked')}`));
    expect(await attempt(await home.target('db1', { secrets: nobody }))).toMatchObject({
      kind: 'passphraseNeeded',
      problem: expect.stringContaining(key('locked')) as string,
    });
  });
});

describe('questions of a host', () => {
  it('reach a person, each with its text', async () => {
    const hostKey = newKeyPair();
    const server = new ssh2.Server({ hostKeys: [hostKey.private] }, (client) => {
      client.on('error', () => {});
      client.on('authentication', (context) => {
        if (context.method !== 'keyboard-interactive') return context.reject(['keyboard-interactive']);
        const prompts = [
          { prompt: 'Password: ', echo: false },
          { prompt: 'Code: ', echo: true },
        ];
        context.prompt(prompts, 'Two factors', 'Look at your token', (answers) =>
          answers.join() === 'right,123456' ? context.accept() : context.reject(),
        );
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const folder = await makeFolder();
    const home = configuredHome(folder);
    home.write(`Host db1\n HostName 127.0.0.1\n Port ${port}\n IdentityFile none\n IdentityAgent none\n`);
    writeFileSync(home.knownHostsPath, `[127.0.0.1]:${port} ${hostKey.public}\n`);
    const prompts = new Prompts();
    const watching = new AbortController();
    const seen: unknown[] = [];
    const answering = (async () => {
      for await (const open of prompts.watch(watching.signal))
        for (const { promptId, ...prompt } of open) {
          seen.push(prompt);
          prompts.answer(promptId, { answers: ['right', '123456'], keep: false });
        }
    })();
    const sources = { secrets: memorySecretStore(), prompts, answered: new Map<string, string>() };
    const pool = new SshPool({ knownHostsPaths: [join(folder, 'own')] });
    await pool.connection(await home.target('db1', { secrets: loginSecrets({ hostId: 'h', name: 'db1' }, sources) }));
    expect(seen).toEqual([
      {
        kind: 'questions',
        about: expect.stringMatching(/@127\.0\.0\.1:\d+$/) as string,
        host: 'db1',
        title: 'Two factors: Look at your token',
        fields: [
          { text: 'Password: ', echo: false },
          { text: 'Code: ', echo: true },
        ],
        wasWrong: false,
        canKeep: false,
      },
    ]);
    watching.abort();
    await answering;
    pool.close();
    server.close();
    await rm(folder, { recursive: true });
  });
});
