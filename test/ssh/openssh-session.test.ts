/** A connection that the system's ssh holds: lost, made again, short of sessions, left behind by a killed engine. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SshPool } from '../../electron/engine/ssh/pool.ts';
import { sh } from '../../electron/engine/ssh/shell-command.ts';
import {
  eventually,
  hasSsh,
  hasSshd,
  makeFolder,
  type Place,
  startEmbedded,
  startOpenSsh,
  withSystemSsh,
} from './places.ts';

const canRun = hasSshd && hasSsh;
it.for(canRun ? [] : ['skipped: no sshd or no ssh here'])('%s', (_reason, { skip }) => skip());

describe.runIf(canRun)("a connection of the system's ssh", { timeout: 60_000 }, () => {
  let place: Place;
  let folder: string;
  const pool = new SshPool({ knownHostsPaths: [], random: () => 0 });
  beforeAll(async () => {
    folder = await makeFolder();
    place = withSystemSsh(await startOpenSsh('', '127.0.2.12'));
  });
  afterAll(async () => {
    pool.close();
    await place.stop();
    await rm(folder, { recursive: true });
  });

  it('is made again when it is lost, and says what became of the command', async () => {
    const connection = await pool.connection(place.target);
    // The parent of what runs is the sshd that serves this connection.
    const cut = connection.exec(sh`kill -KILL $PPID; sleep 600`);
    await expect(cut).rejects.toMatchObject({ kind: 'outcomeUnknown', cause: { kind: 'connectionLost' } });
    await eventually('the loss is noticed', () => connection.state.kind === 'lost');
    expect((await connection.exec(sh`echo again`)).stdout).toBe('again\n');
  });

  it('ends a command that is called off, on the host as well', async () => {
    // sshd hands signals to nobody who logs in as root.
    const embedded = withSystemSsh(await startEmbedded());
    const connection = await pool.connection(embedded.target);
    const started = join(folder, 'started');
    const controller = new AbortController();
    const running = connection.exec(sh`echo $$ > ${started}; exec sleep 600`, { signal: controller.signal });
    await eventually('it runs', () => existsSync(started) && readFileSync(started, 'utf8').endsWith('\n'));
    const pid = readFileSync(started, 'utf8').trim();
    controller.abort();
    await expect(running).rejects.toMatchObject({ kind: 'aborted' });
    await eventually('it is gone', () => !existsSync(`/proc/${pid}`));
    await embedded.stop();
  });

  it('carries connections on', async () => {
    const server = createServer((socket) => socket.pipe(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const connection = await pool.connection(place.target);
    const stream = await connection.forward({ address: '127.0.0.1', port: (server.address() as AddressInfo).port });
    stream.end('there and back');
    let text = '';
    for await (const chunk of stream) text += String(chunk);
    expect(text).toBe('there and back');
    server.close();
    await expect(connection.forward({ address: '127.0.0.1', port: 1 })).rejects.toMatchObject({ kind: 'unreachable' });
  });

  it('takes its turn on a host with one session', async () => {
    const strict = withSystemSsh(await startOpenSsh('MaxSessions 1\nAllowTcpForwarding no', '127.0.2.13'));
    const connection = await pool.connection(strict.target);
    const results = await Promise.all([1, 2, 3].map((number) => connection.exec(sh`echo ${number}`)));
    expect(results.map(({ stdout }) => stdout)).toEqual(['1\n', '2\n', '3\n']);
    const channel = await connection.channel(sh`cat`);
    channel.stdout.resume();
    channel.stderr.resume();
    // Over a second connection, since the channel holds the one session of this.
    expect((await connection.exec(sh`echo beside`)).stdout).toBe('beside\n');
    channel.close();
    await channel.exited;
    expect((await connection.exec(sh`echo free`)).stdout).toBe('free\n');
    await strict.stop();
  });

  it('ends with an engine that is killed, and leaves nothing', async () => {
    const { target } = place;
    const sockets = join(folder, 'sockets');
    const script = join(folder, 'engine.mts');
    const root = new URL('../../electron/engine/ssh/', import.meta.url).pathname;
    const { openSsh: _secrets, ...plain } = target;
    writeFileSync(
      script,
      `import { mkdirSync } from 'node:fs';
import { SshPool } from '${root}pool.ts';
mkdirSync('${sockets}');
const target = { ...${JSON.stringify(plain)}, openSsh: ${JSON.stringify({ ...target.openSsh, secrets: {} })} };
const connection = await new SshPool({ knownHostsPaths: [] }).connection(target);
const channel = await connection.channel('echo running; exec sleep 600');
channel.stdout.on('data', (text) => process.stdout.write(text));
channel.stderr.resume();`,
    );
    const engine = spawn(process.execPath, [script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, XDG_RUNTIME_DIR: sockets },
    });
    await once(engine.stdout, 'data');
    const clients = (): string[] => processesWith(sockets);
    expect([readdirSync(sockets).length, clients().length > 0]).toEqual([1, true]);
    // What others may see of it is no secret.
    expect(clients().join()).not.toContain('running');
    engine.kill('SIGKILL');
    await eventually('all is gone', () => clients().length === 0 && readdirSync(sockets).length === 0);
  });
});

/** Command lines of those processes in which `text` stands. */
function processesWith(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return '';
      }
    })
    .filter((line) => line.includes(text));
}
