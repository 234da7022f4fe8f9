/** The listener and the caller as real processes, in each language that a host may have. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { type Call, callCommand, listenCommand, NO_INTERPRETER, parseCalls } from './link-probe.ts';

const run = promisify(execFile);
const address = '127.0.0.31';
const folders: string[] = [];
const listeners: ChildProcess[] = [];

afterEach(() => {
  for (const listener of listeners.splice(0)) listener.kill();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A PATH with these programs only, so that the next choice is taken. */
function only(...programs: string[]): { PATH: string } {
  const folder = mkdtempSync(join(tmpdir(), 'synod-path-'));
  folders.push(folder);
  for (const program of programs) symlinkSync(join('/usr/bin', program), join(folder, program));
  return { PATH: folder };
}

async function listen(env: { PATH: string }, word: string, ports: readonly number[]): Promise<string[]> {
  const child = spawn('/bin/sh', ['-c', listenCommand({ word, address, ports })], { env });
  listeners.push(child);
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (line === 'ready') break;
  }
  return lines;
}

async function call(env: { PATH: string }, word: string, ports: readonly number[]): Promise<Call[]> {
  const targets = ports.map((port) => ({ address, port }));
  const { stdout } = await run('/bin/sh', ['-c', callCommand(word, targets)], { env });
  return parseCalls(stdout).sort((a, b) => a.port - b.port);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const languages = [
  ['python', only.bind(null, 'python3')],
  ['perl', only.bind(null, 'perl', 'uname')],
] as const;

describe.skipIf(process.platform !== 'linux')('calls between hosts', () => {
  for (const [language, path] of languages) {
    it(`an open way is told from a shut one and from another program, in ${language}`, async () => {
      const env = path();
      const [open, shut, silent] = [await freePort(), await freePort(), createServer().listen(0, address)];
      await once(silent, 'listening');
      const taken = (silent.address() as AddressInfo).port;
      expect(await listen(env, 'abc123', [open, taken])).toEqual([
        expect.stringMatching(`^taken ${taken} .*in use`),
        'ready',
      ]);
      const calls = await call(env, 'abc123', [open, shut, taken]);
      const stateOf = (port: number) => calls.find((one) => one.port === port)?.state;
      expect([stateOf(open), stateOf(shut), stateOf(taken)]).toEqual(['open', 'refused', 'other']);
      const trips = calls.find((one) => one.port === open)?.roundTripMs ?? [];
      expect(trips).toHaveLength(5);
      for (const trip of trips) expect(trip).toBeGreaterThan(0);
      // Another check's listener is not ours.
      expect((await call(env, 'xyz789', [open]))[0]?.state).toBe('other');
      silent.close();
    });
  }

  it('the listener ends with its input', async () => {
    const port = await freePort();
    await listen(only('perl'), 'abc', [port]);
    const [listener] = listeners;
    listener?.stdin?.end();
    expect(await once(listener as ChildProcess, 'exit')).toEqual([0, null]);
  });

  it('says that a host has no interpreter', async () => {
    const failed = await run('/bin/sh', ['-c', callCommand('abc', [])], { env: only() }).catch((error) => error);
    expect(failed).toMatchObject({ code: NO_INTERPRETER });
  });
});
