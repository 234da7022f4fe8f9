/** Commands, channels and uploads, the same against OpenSSH's sshd and the embedded hosts, and with either transport. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HostConnection } from '../../electron/engine/ssh/connection.ts';
import { SshPool } from '../../electron/engine/ssh/pool.ts';
import { sh } from '../../electron/engine/ssh/shell-command.ts';
import { type UploadRequest, upload } from '../../electron/engine/ssh/upload.ts';
import { eventually, hasSsh, hasSshd, type Place, SSHD, startEmbedded, startOpenSsh, withSystemSsh } from './places.ts';

const servers = [
  { name: 'the embedded hosts', start: startEmbedded, here: true },
  { name: "OpenSSH's sshd", start: startOpenSsh, here: hasSshd },
  {
    name: "OpenSSH's sshd, with the system's ssh",
    start: async () => withSystemSsh(await startOpenSsh()),
    here: hasSshd && hasSsh,
  },
];

it.for(hasSshd ? [] : [`skipped: no ${SSHD} here to test against`])('%s', (_reason, { skip }) => skip());

describe.each(servers.filter(({ here }) => here))('over $name', ({ start }) => {
  let place: Place;
  let connection: HostConnection;
  const pool = new SshPool({ knownHostsPaths: [] });
  beforeAll(async () => {
    place = await start();
    connection = await pool.connection(place.target);
  });
  afterAll(async () => {
    pool.close();
    await place.stop();
  });

  it('gives output, errors and exit codes apart', async () => {
    const result = await connection.exec(sh`echo out; echo err >&2; exit 3`, { expectedExitCodes: [0, 3] });
    expect(result).toEqual({ exitCode: 3, stdout: 'out\n', stderr: 'err\n' });
  });

  it('throws for an exit code that was not expected, with everything an operator needs', async () => {
    const running = connection.exec(sh`echo ${'no such thing'} >&2; exit 7`);
    await expect(running).rejects.toMatchObject({
      kind: 'commandFailed',
      exitCode: 7,
      stderr: 'no such thing\n',
      command: "echo 'no such thing' >&2; exit 7",
      host: connection.label,
      nextStep: expect.stringMatching(/\.$/) as string,
    });
  });

  it('tells a signal from an exit code', async () => {
    await expect(connection.exec(sh`kill -KILL $$`)).rejects.toMatchObject({ kind: 'commandFailed', exitCode: null });
  });

  it('sends stdin and closes it', async () => {
    const sent = randomBytes(3_000_000).toString('hex');
    const { stdout } = await connection.exec(sh`cat`, { stdin: sent, maxOutputBytes: 8 << 20 });
    expect(stdout === sent).toBe(true);
  });

  it('takes large stdout and stderr at the same time without losing a byte', async () => {
    const command = sh`(yes out | head -c 9000000) & yes err | head -c 9000000 >&2; wait`;
    const { stdout, stderr } = await connection.exec(command, { maxOutputBytes: 10_000_000 });
    expect([stdout.length, stderr.length]).toEqual([9_000_000, 9_000_000]);
    expect([stdout.replaceAll('out\n', ''), stderr.replaceAll('err\n', '')]).toEqual(['', '']);
  });

  it('refuses endless output', async () => {
    await expect(connection.exec(sh`yes`, { maxOutputBytes: 1000 })).rejects.toMatchObject({ kind: 'outputTooLarge' });
  });

  it('says that the outcome is unknown when the time is up, and goes on working', async () => {
    await expect(connection.exec(sh`sleep 15`, { timeoutMs: 400 })).rejects.toMatchObject({ kind: 'outcomeUnknown' });
    expect((await connection.exec(sh`echo still`)).stdout).toBe('still\n');
  });

  it('stops waiting when the caller does', async () => {
    const controller = new AbortController();
    const running = connection.exec(sh`sleep 15`, { signal: controller.signal });
    controller.abort();
    await expect(running).rejects.toMatchObject({ kind: 'aborted' });
  });

  it('runs 100 commands at once', async () => {
    const numbers = Array.from({ length: 100 }, (_, number) => number);
    const results = await Promise.all(
      numbers.map((number) => connection.exec(sh`echo ${number}`, { timeoutMs: 110_000 })),
    );
    expect(results.map(({ stdout }) => Number(stdout))).toEqual(numbers);
  }, 120_000);

  it('keeps a long-lived channel both ways until it ends', async () => {
    const channel = await connection.channel(sh`while read -r line; do echo "got $line"; done; exit 5`);
    const lines: string[] = [];
    channel.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(text));
    channel.stderr.resume();
    channel.stdin.write('one\n');
    await eventually('the line comes back', () => lines.join('') === 'got one\n');
    channel.stdin.end();
    expect(await channel.exited).toEqual({ exitCode: 5, signal: null, error: null });
  });

  describe('upload', () => {
    const content = randomBytes(12_000_000);
    const request = (name: string): UploadRequest => ({
      source: { content },
      remotePath: join(place.folder, 'up', name, 'file'),
      mode: 0o750,
    });

    it('puts a file in place with its mode, and the second time does nothing', async () => {
      const first = await upload(connection, request('plain'));
      expect(first).toMatchObject({ outcome: 'uploaded', totalBytes: content.length, resumedFromBytes: 0 });
      const path = request('plain').remotePath;
      expect(readFileSync(path).equals(content)).toBe(true);
      expect(statSync(path).mode & 0o777).toBe(0o750);
      expect(existsSync(`${path}.part`)).toBe(false);
      expect(await upload(connection, request('plain'))).toMatchObject({ outcome: 'unchanged' });
    });

    it('replaces another file of the same size', async () => {
      await upload(connection, { ...request('other'), source: { content: Buffer.alloc(content.length) } });
      expect(await upload(connection, request('other'))).toMatchObject({ outcome: 'uploaded' });
      expect(readFileSync(request('other').remotePath).equals(content)).toBe(true);
    });

    it('takes an empty file', async () => {
      await upload(connection, { ...request('empty'), source: { content: Buffer.alloc(0) } });
      expect(statSync(request('empty').remotePath).size).toBe(0);
    });

    it('goes on where an interrupted one stopped', async () => {
      const other = new SshPool({ knownHostsPaths: [] });
      const doomed = await other.connection(place.target);
      const cut = upload(doomed, {
        ...request('resumed'),
        onProgress: ({ sentBytes }) => sentBytes > 6_000_000 && other.close(),
      });
      await expect(cut).rejects.toMatchObject({ kind: 'outcomeUnknown' });
      const part = `${request('resumed').remotePath}.part`;
      let before = -1;
      await eventually('the part is no longer written', async () => {
        const size = Number((await connection.exec(sh`wc -c < ${part}`)).stdout);
        const settled = size === before && size > 0;
        before = size;
        return settled;
      });
      const progress: number[] = [];
      const resumed = await upload(connection, {
        ...request('resumed'),
        onProgress: ({ sentBytes }) => progress.push(sentBytes),
      });
      expect(resumed).toMatchObject({ outcome: 'uploaded', resumedFromBytes: before });
      expect([progress[0], progress.at(-1)]).toEqual([before, content.length]);
      expect(readFileSync(request('resumed').remotePath).equals(content)).toBe(true);
    });

    it('throws a corrupted part away and sends everything', async () => {
      const { remotePath } = request('corrupted');
      await connection.exec(sh`mkdir -p ${join(remotePath, '..')}`);
      writeFileSync(`${remotePath}.part`, randomBytes(1000));
      expect(await upload(connection, request('corrupted'))).toMatchObject({
        outcome: 'uploaded',
        resumedFromBytes: 0,
      });
      expect(readFileSync(remotePath).equals(content)).toBe(true);
    });

    it('puts nothing in place whose digest is wrong', async () => {
      const wrong = upload(connection, { ...request('wrong'), sha256: '0'.repeat(64) });
      await expect(wrong).rejects.toMatchObject({ kind: 'uploadCorrupted' });
      const { remotePath } = request('wrong');
      expect([existsSync(remotePath), existsSync(`${remotePath}.part`)]).toEqual([false, false]);
    });

    it('says so when the disk of the host is full, and removes the part', async ({ skip }) => {
      const disk = join(place.folder, 'disk');
      const mount = sh`mkdir -p ${disk} && mount -t tmpfs -o size=1m tmpfs ${disk}`;
      const mounted = await connection.exec(mount, { expectedExitCodes: [0, 1, 32] });
      if (mounted.exitCode !== 0) return skip('skipped: no right to mount a small disk to fill');
      try {
        const remotePath = join(disk, 'file');
        await expect(upload(connection, { ...request('full'), remotePath })).rejects.toMatchObject({
          kind: 'diskFull',
        });
        expect(existsSync(`${remotePath}.part`)).toBe(false);
      } finally {
        await connection.exec(sh`umount ${disk}`);
      }
    });

    it('names a local file that is not there', async () => {
      const missing = upload(connection, {
        ...request('missing'),
        source: { localPath: join(place.folder, 'nowhere') },
      });
      await expect(missing).rejects.toMatchObject({ kind: 'localFile' });
    });
  });
});
