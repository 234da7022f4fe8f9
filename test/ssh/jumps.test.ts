/** Hosts behind others: real sshd as bastions and targets, each at an address of its own. */
import { writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectOnce } from '../../electron/engine/ssh/connect.ts';
import { trustHostKey } from '../../electron/engine/ssh/host-keys.ts';
import { SshPool } from '../../electron/engine/ssh/pool.ts';
import { sh } from '../../electron/engine/ssh/shell-command.ts';
import type { SshError } from '../../electron/engine/ssh/ssh-error.ts';
import { type ConfiguredHome, configuredHome, hostLines, knownLines } from './configured-place.ts';
import { eventually, hasSshd, makeFolder, type Place, SSHD, startOpenSsh, startSilent } from './places.ts';

it.for(hasSshd ? [] : [`skipped: no ${SSHD} here to test against`])('%s', (_reason, { skip }) => skip());

describe.runIf(hasSshd)('jump hosts', { timeout: 60_000 }, () => {
  let gate: Place;
  let second: Place;
  let db1: Place;
  let db2: Place;
  let folder: string;
  let home: ConfiguredHome;
  let pool: SshPool;
  const ownKnownHosts = () => join(folder, 'own_known_hosts');

  beforeAll(async () => {
    folder = await makeFolder();
    [gate, second, db1, db2] = await Promise.all([
      startOpenSsh('', '127.0.0.2'),
      startOpenSsh('', '127.0.0.3'),
      startOpenSsh('', '127.0.0.4'),
      startOpenSsh('AllowTcpForwarding no', '127.0.0.5'),
    ]);
  });
  afterAll(async () => {
    await Promise.all([gate, second, db1, db2].map((place) => place.stop()));
    await rm(folder, { recursive: true });
  });
  beforeEach(() => {
    home = configuredHome(folder);
    home.write(
      [
        hostLines('gate', gate),
        hostLines('second', second),
        hostLines('db1', db1, 'ProxyJump gate'),
        hostLines('db2', db2, 'ProxyJump gate'),
        hostLines('far', db1, 'ProxyJump gate,second'),
        hostLines('closed', db1, 'ProxyJump db2'),
      ].join(''),
    );
    writeFileSync(home.knownHostsPath, knownLines(gate, second, db1, db2));
    writeFileSync(ownKnownHosts(), '');
    pool = new SshPool({ knownHostsPaths: [ownKnownHosts()], connectTimeoutMs: 60_000 });
  });
  afterEach(() => pool.close());

  const logins = (place: Place): number => place.log().split('Accepted publickey').length - 1;
  const failure = async (alias: string): Promise<SshError> =>
    await pool.connection(await home.target(alias)).then(
      () => Promise.reject(new Error('it connected')),
      (error: SshError) => error,
    );

  it('carry several hosts over one connection', async () => {
    const before = logins(gate);
    const connections = await Promise.all(
      ['db1', 'db2'].map(async (alias) => await pool.connection(await home.target(alias))),
    );
    const results = await Promise.all(connections.map((one) => one.exec(sh`echo "$SSH_CONNECTION"`)));
    expect(results.map(({ stdout }) => stdout.split(' ')[2])).toEqual(['127.0.0.4', '127.0.0.5']);
    expect(logins(gate) - before).toBe(1);
  });

  it('stand behind each other', async () => {
    const before = [logins(gate), logins(second)];
    const connection = await pool.connection(await home.target('far'));
    expect((await connection.exec(sh`echo there`)).stdout).toBe('there\n');
    expect([logins(gate) - (before[0] ?? 0), logins(second) - (before[1] ?? 0)]).toEqual([1, 1]);
  });

  it('are made again with the host behind them', async () => {
    const connection = await pool.connection(await home.target('db1'));
    // The parent of what runs is the sshd that serves this connection.
    await connection.exec(sh`kill -KILL $PPID; sleep 600`).catch(() => {});
    await eventually('the loss is noticed', () => connection.state.kind === 'lost');
    expect((await connection.exec(sh`echo again`)).stdout).toBe('again\n');
  });

  it('have keys of their own, asked about and trusted like any other', async () => {
    writeFileSync(home.knownHostsPath, knownLines(db1));
    const error = await failure('db1');
    expect(error).toMatchObject({ kind: 'hostKeyUnknown', host: expect.stringMatching(/^db1 /) as string });
    expect(error.problem).toMatch(/^jump host gate \(.*@127\.0\.0\.2:\d+\): its host key is not known yet/);
    const { offeredKey: offered } = error;
    if (offered === null) throw new Error('no key was offered');
    expect(offered.address).toBe('127.0.0.2');
    await trustHostKey({ path: ownKnownHosts(), offered, confirmedFingerprint: offered.fingerprint });
    await pool.connection(await home.target('db1'));
  });

  it('do not vouch for the host behind them', async () => {
    writeFileSync(home.knownHostsPath, knownLines(gate));
    expect(await failure('db1')).toMatchObject({
      kind: 'hostKeyUnknown',
      problem: expect.stringMatching(/^its host key/) as string,
      offeredKey: { address: '127.0.0.4' },
    });
    const wrong = knownLines(db1).replace(/ .*/, ` ${knownLines(db2).trim().split(' ').slice(1).join(' ')}`);
    writeFileSync(home.knownHostsPath, knownLines(gate) + wrong);
    expect(await failure('db1')).toMatchObject({ kind: 'hostKeyChanged' });
  });

  it('say when they may not, or cannot, connect on', async () => {
    expect((await failure('closed')).problem).toMatch(/^jump host db2 .*: it may not connect on to 127\.0\.0\.4/);
    home.write(`${hostLines('gate', gate)}Host gone\n HostName 127.0.0.9\n Port 9\n ProxyJump gate\n`);
    expect((await failure('gone')).problem).toMatch(/^jump host gate .*: it cannot connect on to 127\.0\.0\.9 port 9/);
  });

  it('that hang block nobody who does not need them', async () => {
    const { server, port } = await startSilent();
    home.write(
      `Host frozen\n HostName 127.0.0.1\n Port ${port}\n${hostLines('gate', gate)}${hostLines('db1', db1)}` +
        ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => `Host ${name}\n ProxyJump frozen\n`).join(''),
    );
    const stuck = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map(failure);
    const connection = await pool.connection(await home.target('db1'));
    expect((await connection.exec(sh`echo free`)).stdout).toBe('free\n');
    pool.close();
    expect(new Set((await Promise.all(stuck)).map(({ kind }) => kind))).toEqual(new Set(['aborted']));
    server.close();
  });

  it('that lead back to themselves are refused', async () => {
    home.write('Host a\n ProxyJump b\nHost b\n ProxyJump a\n');
    await expect(home.target('a')).rejects.toMatchObject({ kind: 'badConfiguration' });
  });

  it('are left out where the operator says so', async () => {
    const before = logins(gate);
    await pool.connection(await home.target('db1', { wish: { overrides: { proxyJump: 'none' } } }));
    expect(logins(gate)).toBe(before);
  });
});

describe.runIf(hasSshd)('a ProxyCommand', { timeout: 60_000 }, () => {
  let place: Place;
  let folder: string;
  const pool = new SshPool({ knownHostsPaths: [], connectTimeoutMs: 60_000 });
  beforeAll(async () => {
    folder = await makeFolder();
    place = await startOpenSsh('', '127.0.0.6');
  });
  afterAll(async () => {
    pool.close();
    await place.stop();
    await rm(folder, { recursive: true });
  });
  const pipe = `const s = require('net').connect(process.argv[2], process.argv[1]); process.stdin.pipe(s).pipe(process.stdout)`;

  it('carries the connection', async () => {
    const home = configuredHome(folder);
    writeFileSync(home.knownHostsPath, knownLines(place));
    home.write(hostLines('db1', place, `ProxyCommand ${process.execPath} -e "${pipe}" %h %p`));
    const connection = await pool.connection(await home.target('db1'));
    expect((await connection.exec(sh`echo through`)).stdout).toBe('through\n');
  });

  it('is quoted when it fails', async () => {
    const home = configuredHome(folder);
    home.write(hostLines('db1', place, 'ProxyCommand sh -c "echo no way to %h >&2; exit 3"'));
    const error = await pool.connection(await home.target('db1')).catch((caught: SshError) => caught);
    expect((error as SshError).problem).toContain('ended with exit code 3: no way to 127.0.0.6');
  });

  it('is quoted when it has ended before its turn to connect came', async () => {
    const stream = new PassThrough().on('error', () => {});
    stream.destroy(new Error('no way'));
    const options = { knownHostsPaths: [], connectTimeoutMs: 60_000, keepaliveIntervalMs: 5000, stream };
    await expect(connectOnce(place.target, options)).rejects.toMatchObject({
      problem: expect.stringContaining('no way') as string,
    });
  });
});
