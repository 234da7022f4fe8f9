/** Reaching hosts with the system's ssh: what it verifies, what it may do, and how it fails; against real sshd. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { trustHostKey } from '../../electron/engine/ssh/host-keys.ts';
import { sshClient } from '../../electron/engine/ssh/openssh/client-program.ts';
import { SshPool } from '../../electron/engine/ssh/pool.ts';
import { sh } from '../../electron/engine/ssh/shell-command.ts';
import type { SshError } from '../../electron/engine/ssh/ssh-error.ts';
import type { SshTarget, Transport } from '../../electron/engine/ssh/target.ts';
import { type ConfiguredHome, configuredHome, hostLines, knownLines } from './configured-place.ts';
import { freePort, hasSsh, hasSshd, makeFolder, type Place, startOpenSsh, startSilent } from './places.ts';

const canRun = hasSshd && hasSsh;
it.for(canRun ? [] : ['skipped: no sshd or no ssh here'])('%s', (_reason, { skip }) => skip());

describe.runIf(canRun)("a host reached with the system's ssh", { timeout: 60_000 }, () => {
  let gate: Place;
  let db1: Place;
  let folder: string;
  let home: ConfiguredHome;
  let pool: SshPool;
  const own = () => join(folder, 'own known_hosts');

  beforeAll(async () => {
    folder = await makeFolder();
    [gate, db1] = await Promise.all([startOpenSsh('', '127.0.2.2'), startOpenSsh('', '127.0.2.3')]);
  });
  afterAll(async () => {
    await Promise.all([gate.stop(), db1.stop()]);
    await rm(folder, { recursive: true });
  });
  beforeEach(() => {
    home = configuredHome(folder);
    home.write(hostLines('gate', gate) + hostLines('db1', db1) + hostLines('behind', db1, 'ProxyJump gate'));
    writeFileSync(home.knownHostsPath, knownLines(gate, db1));
    writeFileSync(own(), '');
    pool = new SshPool({ knownHostsPaths: [own()], connectTimeoutMs: 20_000 });
  });
  afterEach(() => pool.close());

  const targetOf = async (alias: string, transport: Transport = 'openssh'): Promise<SshTarget> =>
    await home.target(alias, { wish: { transport } });
  const failureAt = async (target: SshTarget, key: string): Promise<SshError> =>
    await pool.connection(target, { key }).then(
      () => Promise.reject(new Error('it connected')),
      (error: SshError) => error,
    );
  const failure = async (alias: string, transport: Transport = 'openssh'): Promise<SshError> =>
    await failureAt(await targetOf(alias, transport), `${alias} ${transport}`);
  /** What an operator sees of it. */
  const seen = ({ kind, host, problem, nextStep, offeredKey }: SshError) => ({
    kind,
    host,
    problem,
    nextStep,
    offeredKey,
  });

  it("shows an unknown key as Synod's own SSH does, and is reached once it is trusted", async () => {
    writeFileSync(home.knownHostsPath, '');
    const error = await failure('db1');
    expect(error.kind).toBe('hostKeyUnknown');
    expect(seen(error)).toEqual(seen(await failure('db1', 'builtin')));
    const { offeredKey: offered } = error;
    if (offered === null) throw new Error('no key was offered');
    await trustHostKey({ path: own(), offered, confirmedFingerprint: offered.fingerprint });
    const connection = await pool.connection(await targetOf('db1'));
    expect((await connection.exec(sh`echo there`)).stdout).toBe('there\n');
  });

  it.each(['', '@revoked '])('refuses a changed and a revoked key in the same words: %j', async (marker) => {
    const key = readFileSync(join((marker === '' ? gate : db1).folder, 'host.pub'), 'utf8');
    writeFileSync(home.knownHostsPath, `${marker}[127.0.2.3]:${db1.target.port} ${key}`);
    const error = await failure('db1');
    expect(error.kind).toBe(marker === '' ? 'hostKeyChanged' : 'hostKeyRevoked');
    expect(seen(error)).toEqual(seen(await failure('db1', 'builtin')));
  });

  it('is reached through a jump host, whose key is asked about like any other', async () => {
    const connection = await pool.connection(await targetOf('behind'));
    const { stdout } = await connection.exec(sh`echo "$SSH_CONNECTION"`);
    expect(stdout.split(' ')[2]).toBe('127.0.2.3');
    expect(gate.log()).toContain('Accepted publickey');
    pool.remove('behind openssh');
    writeFileSync(home.knownHostsPath, knownLines(db1));
    const error = await failure('behind');
    expect(error.problem).toMatch(/^jump host gate \(.*\): its host key is not known yet/);
    expect(seen(error)).toEqual(seen(await failure('behind', 'builtin')));
  });

  it('is known by a certificate of its own', async () => {
    const keygen = (...args: string[]): void => void execFileSync('ssh-keygen', ['-q', ...args]);
    keygen('-t', 'ed25519', '-N', '', '-f', join(folder, 'ca'));
    const certified = await startOpenSsh('', '127.0.2.4', (at) => {
      keygen('-s', join(folder, 'ca'), '-I', 'db2', '-h', '-n', '127.0.2.4', join(at, 'host.pub'));
      appendFileSync(join(at, 'sshd_config'), `HostCertificate ${join(at, 'host-cert.pub')}\n`);
    });
    home.write(hostLines('db2', certified));
    const known = (names: string): void =>
      writeFileSync(home.knownHostsPath, `@cert-authority ${names} ${readFileSync(join(folder, 'ca.pub'), 'utf8')}`);
    known('127.0.9.*');
    expect(await failure('db2')).toMatchObject({ kind: 'hostKeyUnknown' });
    known('127.0.2.*');
    const connection = await pool.connection(await targetOf('db2'));
    expect((await connection.exec(sh`echo certified`)).stdout).toBe('certified\n');
    await certified.stop();
  });

  it('keeps to what Synod insists on, whatever the configuration says', async () => {
    const [took, taken] = [join(folder, 'ran'), await freePort()];
    const bold = `StrictHostKeyChecking no\n PermitLocalCommand yes\n LocalCommand touch ${took}\n LocalForward ${taken} localhost:1
 ForwardAgent yes\n ControlMaster auto\n ControlPath ${join(folder, 'theirs')}\n RemoteCommand false\n RequestTTY force`;
    home.write(
      hostLines('gate', gate, bold) +
        hostLines('db1', db1, bold) +
        hostLines('behind', db1, `ProxyJump gate\n ${bold}`),
    );
    const connection = await pool.connection(await targetOf('behind'));
    expect((await connection.exec(sh`test -t 0 || echo "\${SSH_AUTH_SOCK-none}"`)).stdout).toBe('none\n');
    expect([existsSync(took), existsSync(join(folder, 'theirs'))]).toEqual([false, false]);
    writeFileSync(home.knownHostsPath, '');
    expect(await failure('db1')).toMatchObject({ kind: 'hostKeyUnknown' });
  });

  it('fails as one that is not there', async () => {
    home.write(
      `Host refuses\n HostName 127.0.2.3\n Port ${await freePort()}\nHost nowhere\n HostName no-such-host.invalid\n` +
        `${hostLines('gate', gate)}Host cut\n HostName 127.0.2.9\n Port 9\n ProxyJump gate`,
    );
    expect(await failure('refuses')).toMatchObject({ kind: 'refused' });
    expect(await failure('nowhere')).toMatchObject({ kind: 'unreachable' });
    expect(await failure('cut')).toMatchObject({ kind: 'unreachable' });
    home.write(`${hostLines('gate', gate)} Ciphers none-such\n`);
    expect(await failure('gate')).toMatchObject({ kind: 'badConfiguration' });
  });

  it('is given up when it hangs or the caller says so, and holds up no other', async () => {
    const { server, port } = await startSilent();
    home.write(`Host frozen\n HostName 127.0.0.1\n Port ${port}\n${hostLines('db1', db1)}`);
    const frozen = await targetOf('frozen');
    const controller = new AbortController();
    const impatient = failureAt({ ...frozen, connectTimeoutMs: 400 }, 'impatient');
    const calledOff = pool.connection(frozen, { key: 'called off', signal: controller.signal });
    const connection = await pool.connection(await targetOf('db1'));
    expect((await connection.exec(sh`echo free`)).stdout).toBe('free\n');
    controller.abort();
    await expect(calledOff).rejects.toMatchObject({ kind: 'aborted' });
    expect(await impatient).toMatchObject({ kind: 'timeout' });
    server.close();
  });

  it('is told from a computer without ssh', async () => {
    await expect(sshClient('db1', folder)).rejects.toMatchObject({
      kind: 'noSshClient',
      nextStep: expect.stringContaining('openssh-client') as string,
    });
  });
});
