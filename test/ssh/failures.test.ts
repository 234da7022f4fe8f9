/** Every way in which a host cannot be reached, is not the one it should be, or goes away. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labDown, labStatus, labUp } from '../../electron/engine/lab/lab.ts';
import type { LabState } from '../../electron/engine/lab/lab-state.ts';
import type { HostConnectionState } from '../../electron/engine/ssh/connection.ts';
import { trustHostKey } from '../../electron/engine/ssh/host-keys.ts';
import { newKeyPair } from '../../electron/engine/ssh/key-pair.ts';
import { SshPool } from '../../electron/engine/ssh/pool.ts';
import { sh } from '../../electron/engine/ssh/shell-command.ts';
import type { SshError } from '../../electron/engine/ssh/ssh-error.ts';
import type { SshTarget } from '../../electron/engine/ssh/target.ts';
import { eventually, freePort, hasSshd, labServer, makeFolder, startOpenSsh, startSilent, targetOf } from './places.ts';

let folder: string;
let root: string;
let lab: LabState;
let target: SshTarget;
beforeAll(async () => {
  folder = await makeFolder();
  root = join(folder, 'lab');
  lab = await labUp({ root, hosts: 2, server: labServer });
  target = targetOf(lab);
});
afterAll(async () => {
  await labDown(root);
  await rm(folder, { recursive: true });
});

/** The error of one attempt to connect, with a pool of its own. */
async function failure(of: SshTarget, connectTimeoutMs = 3000): Promise<SshError> {
  const pool = new SshPool({ knownHostsPaths: [], connectTimeoutMs });
  try {
    await pool.connection(of);
  } catch (error) {
    return error as SshError;
  } finally {
    pool.close();
  }
  throw new Error('it connected');
}

describe('a host that cannot be reached', () => {
  it('refuses the connection', async () => {
    expect(await failure({ ...target, port: await freePort(), address: '127.0.0.1' })).toMatchObject({
      kind: 'refused',
    });
  });

  it('is called by its name in the fleet first', async () => {
    const at = { ...target, name: 'alpha', port: await freePort(), address: '127.0.0.1' };
    const { host, message } = await failure(at);
    expect(host).toBe(`alpha (${target.user}@127.0.0.1:${at.port})`);
    expect(message.startsWith(`${host}: connection refused`)).toBe(true);
  });

  it('has no such name', async () => {
    const error = await failure({ ...target, address: 'no-such-host.invalid' });
    expect(error).toMatchObject({ kind: 'unreachable' });
    expect(error.message).toContain('no-such-host.invalid');
  });

  it('accepts and then says nothing, like a frozen one', async () => {
    const { server, port } = await startSilent();
    const error = await failure({ ...target, address: '127.0.0.1', port }, 200);
    server.close();
    expect(error).toMatchObject({ kind: 'timeout', problem: expect.stringContaining('handshake') as string });
  });

  it('lets us in and ends the connection in the same packet', async () => {
    const server = await startHastyServer();
    const knownHostsPath = join(folder, 'hasty');
    await writeFile(knownHostsPath, server.knownHosts);
    const at = { ...target, address: '127.0.0.1', port: server.port, knownHostsPath };
    const states: HostConnectionState[] = [];
    const pool = new SshPool({ knownHostsPaths: [] });
    pool.known(at).onState((state) => states.push(state));
    await expect(pool.connection(at)).rejects.toMatchObject({
      kind: 'connectionLost',
      problem: expect.stringContaining('TOO_MANY_CONNECTIONS') as string,
    });
    expect(states.map((state) => state.kind)).toEqual(['connecting', 'lost']);
    pool.close();
    server.close();
  });

  it('is given up when the caller says so', async () => {
    const { server, port } = await startSilent();
    const pool = new SshPool({ knownHostsPaths: [] });
    const controller = new AbortController();
    const connecting = pool.connection({ ...target, address: '127.0.0.1', port }, { signal: controller.signal });
    controller.abort();
    await expect(connecting).rejects.toMatchObject({ kind: 'aborted' });
    pool.close();
    server.close();
  });
});

describe('host keys', () => {
  it('asks about an unknown key with its fingerprint, and takes it once that is confirmed', async () => {
    const knownHostsPath = join(folder, 'own', 'known_hosts');
    const error = await failure({ ...target, knownHostsPath });
    expect(error).toMatchObject({ kind: 'hostKeyUnknown' });
    const offered = error.offeredKey;
    expect(offered?.fingerprint).toBe(lab.hosts[0]?.hostKeyFingerprint);
    if (offered === null) throw new Error('no key was offered');
    const wrong = trustHostKey({ path: knownHostsPath, offered, confirmedFingerprint: 'SHA256:other' });
    await expect(wrong).rejects.toMatchObject({ kind: 'hostKeyChanged' });
    await trustHostKey({ path: knownHostsPath, offered, confirmedFingerprint: offered.fingerprint });
    await trustHostKey({ path: knownHostsPath, offered, confirmedFingerprint: offered.fingerprint });
    expect(readFileSync(knownHostsPath, 'utf8').trim().split('\n')).toHaveLength(1);
    const pool = new SshPool({ knownHostsPaths: [knownHostsPath] });
    const { knownHostsPath: _own, ...anyFile } = target;
    await pool.connection(anyFile);
    pool.close();
  });

  it('refuses a changed and a revoked key', async () => {
    const place = `[${target.address}]:${target.port}`;
    const other = lab.hosts[1]?.hostPublicKey;
    const knownHostsPath = join(folder, 'changed');
    await writeFile(knownHostsPath, `# by hand\n${place} ${other}\n`);
    const changed = await failure({ ...target, knownHostsPath });
    expect(changed).toMatchObject({ kind: 'hostKeyChanged' });
    const [shown, known] = lab.hosts.map((host) => host.hostKeyFingerprint);
    expect(changed.problem).toContain(
      `it shows ssh-ed25519 ${shown}, line 2 of ${knownHostsPath} has ssh-ed25519 ${known}`,
    );
    expect(changed.nextStep).toContain(`ssh-keygen -R '${place}' -f '${knownHostsPath}'`);
    await writeFile(knownHostsPath, `@revoked ${place} ${lab.hosts[0]?.hostPublicKey}\n`);
    expect(await failure({ ...target, knownHostsPath })).toMatchObject({ kind: 'hostKeyRevoked' });
  });

  it.runIf(hasSshd)('asks a host with several keys for the one that is known', async () => {
    const place = await startOpenSsh();
    const key = readFileSync(join(place.folder, 'host-ecdsa.pub'), 'utf8');
    const knownHostsPath = join(place.folder, 'ecdsa-only');
    await writeFile(knownHostsPath, `[127.0.0.1]:${place.target.port} ${key}`);
    const pool = new SshPool({ knownHostsPaths: [] });
    await pool.connection({ ...place.target, knownHostsPath });
    pool.close();
    await place.stop();
  });
});

describe('logging in', () => {
  it('says which keys were tried when none is right', async () => {
    const path = join(folder, 'stranger');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
    const error = await failure({
      ...target,
      auth: [
        { kind: 'key', path: join(folder, 'none') },
        { kind: 'key', path },
      ],
    });
    expect(error).toMatchObject({ kind: 'authFailed' });
    expect(error.message).toContain('none: ENOENT');
    expect(error.message).toContain('stranger: refused');
  });

  it('looks at the only key before it contacts the host', async () => {
    const noKey = join(folder, 'no-key');
    await writeFile(noKey, 'hello');
    const at = { ...target, address: 'no-such-host.invalid' };
    for (const [path, why] of [
      [join(folder, 'none'), 'there is no such file'],
      [folder, 'it is a folder'],
      [noKey, 'it is no private key that is understood'],
    ] as const)
      expect(await failure({ ...at, auth: [{ kind: 'key', path }] })).toMatchObject({
        kind: 'keyFileUnreadable',
        problem: `the key file ${path} on this computer cannot be used: ${why}; the host was not contacted`,
      });
  });

  it('says so when there is no agent to ask', async () => {
    const error = await failure({ ...target, auth: [{ kind: 'agent', socket: join(folder, 'no-agent') }] });
    expect(error).toMatchObject({ kind: 'authFailed', message: expect.stringContaining('SSH agent') as string });
  });

  it('opens an encrypted key with its passphrase and never shows it', async () => {
    const path = join(folder, 'encrypted');
    execFileSync('cp', [lab.clientKeyPath, path]);
    execFileSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'open sesame', '-f', path]);
    const pool = new SshPool({ knownHostsPaths: [] });
    await pool.connection({ ...target, auth: [{ kind: 'key', path, passphrase: async () => 'open sesame' }] });
    pool.close();
    const error = await failure({ ...target, auth: [{ kind: 'key', path, passphrase: async () => 'swordfish' }] });
    const needed = { kind: 'passphraseNeeded', nextStep: `Give the passphrase of ${path}; it is not written down.` };
    expect(error).toMatchObject({ ...needed, problem: `the passphrase that was given does not open the key ${path}` });
    expect(JSON.stringify([error, error.message])).not.toContain('swordfish');
    expect(await failure({ ...target, auth: [{ kind: 'key', path }] })).toMatchObject(needed);
  });

  it.each(['password', 'keyboard-interactive'] as const)('takes a password by %s', async (method) => {
    const { port, close } = await startPasswordServer(method);
    const by = (password: string): SshTarget => ({
      ...target,
      address: '127.0.0.1',
      port,
      knownHostsPath: join(folder, 'password-hosts'),
      auth: [{ kind: 'password', password: async () => password }],
    });
    const offered = (await failure(by('right'))).offeredKey;
    if (offered === null) throw new Error('no key was offered');
    const path = join(folder, 'password-hosts');
    await trustHostKey({ path, offered, confirmedFingerprint: offered.fingerprint });
    const error = await failure(by('wrong-secret'));
    expect(error).toMatchObject({ kind: 'authFailed' });
    expect(JSON.stringify([error, error.message])).not.toContain('wrong-secret');
    const pool = new SshPool({ knownHostsPaths: [] });
    await pool.connection(by('right'));
    pool.close();
    close();
  });
});

describe('a host that goes away', () => {
  it('is reported, waits out its back-off, and is used again when it is back', async () => {
    const pool = new SshPool({ knownHostsPaths: [] });
    const connection = await pool.connection(target);
    const states: HostConnectionState['kind'][] = [];
    connection.onState((state) => states.push(state.kind));
    const running = connection.exec(sh`sleep 60`);
    const channel = await connection.channel(sh`cat`);
    channel.stdout.resume();
    channel.stderr.resume();
    process.kill((await labStatus(root)).serverPid ?? Number.NaN, 'SIGKILL');
    await expect(running).rejects.toMatchObject({ kind: 'outcomeUnknown', cause: { kind: 'connectionLost' } });
    expect((await channel.exited).error).toMatchObject({ kind: 'connectionLost' });
    expect(states).toEqual(['lost']);
    await expect(connection.exec(sh`true`)).rejects.toMatchObject({ kind: 'refused' });
    expect(connection.state).toMatchObject({ kind: 'lost', retryAtUnixMs: expect.any(Number) as number });
    await labUp({ root, hosts: 2, server: labServer });
    expect((await connection.exec(sh`echo back`)).stdout).toBe('back\n');
    expect(states).toEqual(['lost', 'connecting', 'lost', 'connecting', 'connected']);
    pool.close();
  });

  it('does not try again by itself what the operator has to decide', async () => {
    const pool = new SshPool({ knownHostsPaths: [] });
    const stranger = { ...target, knownHostsPath: join(folder, 'empty') };
    await expect(pool.connection(stranger)).rejects.toMatchObject({ kind: 'hostKeyUnknown' });
    const connection = pool.known(stranger);
    const states: string[] = [];
    connection.onState((state) => states.push(state.kind));
    await expect(connection.exec(sh`true`)).rejects.toMatchObject({ kind: 'hostKeyUnknown' });
    expect(states).toEqual([]);
    await writeFile(stranger.knownHostsPath, readFileSync(lab.knownHostsPath));
    await pool.connection(stranger);
    expect((await connection.exec(sh`echo in`)).stdout).toBe('in\n');
    pool.close();
  });

  it('is noticed by its silence', async () => {
    const pool = new SshPool({ knownHostsPaths: [], keepaliveIntervalMs: 50 });
    const connection = await pool.connection(target);
    const pid = (await labStatus(root)).serverPid ?? Number.NaN;
    process.kill(pid, 'SIGSTOP');
    await eventually('the connection is given up', () => connection.state.kind === 'lost');
    process.kill(pid, 'SIGCONT');
    pool.close();
  });
});

describe('after sleep or a change of network', () => {
  it('gives a dead connection up at once, keeps one that lives, and waits no back-off out', async () => {
    const pool = new SshPool({ knownHostsPaths: [], keepaliveIntervalMs: 600_000, probeTimeoutMs: 500 });
    const connection = await pool.connection(target);
    const states: string[] = [];
    connection.onState((state) => states.push(state.kind));
    await connection.wake();
    expect(states).toEqual([]);
    const pid = (await labStatus(root)).serverPid ?? Number.NaN;
    process.kill(pid, 'SIGSTOP');
    pool.wake();
    await eventually('the connection is given up', () => connection.state.kind === 'lost');
    process.kill(pid, 'SIGCONT');
    expect((await connection.exec(sh`echo back`)).stdout).toBe('back\n');
    pool.close();
  });
});

/** Lets everybody in and says goodbye in the same packet, like an sshd that has too many connections. */
async function startHastyServer() {
  const pair = newKeyPair();
  const server = new ssh2.Server({ hostKeys: [pair.private] }, (client) => {
    client.on('error', () => {});
    client.on('authentication', (context) => {
      const { _sock, _protocol } = client as unknown as {
        _sock: { cork: () => void; uncork: () => void };
        _protocol: { disconnect: (reason: number) => void };
      };
      _sock.cork();
      context.accept();
      _protocol.disconnect(SSH_DISCONNECT_TOO_MANY_CONNECTIONS);
      _sock.uncork();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { port, knownHosts: `[127.0.0.1]:${port} ${pair.public}\n`, close: () => server.close() };
}

/** RFC 4253, section 11.1. */
const SSH_DISCONNECT_TOO_MANY_CONNECTIONS = 12;

async function startPasswordServer(method: 'password' | 'keyboard-interactive') {
  const hostKey = newKeyPair().private;
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
    client.on('error', () => {});
    client.on('authentication', (context) => {
      if (context.method === 'password' && method === 'password' && context.password === 'right')
        return context.accept();
      if (context.method !== 'keyboard-interactive' || method !== context.method) return context.reject([method]);
      context.prompt([{ prompt: 'Password: ', echo: false }], ([answer]) =>
        answer === 'right' ? context.accept() : context.reject([method]),
      );
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // Both servers share a known_hosts file in the test: ports differ.
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}
