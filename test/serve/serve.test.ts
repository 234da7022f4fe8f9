/** The console's web server against a hostile browser: real HTTP, real WebSockets; the engine behind it is one procedure. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { os } from '@orpc/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { type ConsoleServer, serveConsole } from '../../electron/serve/serve.ts';

const folder = mkdtempSync(join(tmpdir(), 'synod-serve-'));
let server: ConsoleServer;

beforeAll(async () => {
  const appDir = join(folder, 'app');
  mkdirSync(appDir);
  writeFileSync(join(appDir, 'index.html'), '<!doctype html><title>Synod</title>');
  writeFileSync(join(folder, 'secret.txt'), 'not for the browser');
  const router = { ping: os.handler(() => 'pong') };
  server = await serveConsole({ engine: { router, close: async () => {} } as never, appDir, port: 0 });
});

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

function get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const url = new URL(server.origin);
    const sent = request({ host: url.hostname, port: url.port, path, headers }, (response) => {
      let body = '';
      response.on('data', (chunk: Buffer) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    sent.on('error', reject).end();
  });
}

async function logIn(): Promise<string> {
  const url = new URL(server.newUrl());
  const answer = await get(url.pathname + url.search);
  return String(answer.headers['set-cookie']).split(';')[0] as string;
}

function opens(headers: Record<string, string>): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${server.origin.replace('http', 'ws')}/rpc`, { headers });
    socket.on('open', () => {
      socket.close();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

describe('pages', () => {
  it('exchanges a token for a cookie once', async () => {
    const url = new URL(server.newUrl());
    const first = await get(url.pathname + url.search);
    expect(first.status).toBe(303);
    expect(first.headers['location']).toBe('/');
    expect(String(first.headers['set-cookie'])).toMatch(/HttpOnly; SameSite=Strict/);
    expect((await get(url.pathname + url.search)).status).toBe(403);
  });

  it('refuses whoever has no cookie, or a wrong one', async () => {
    expect((await get('/')).status).toBe(403);
    const name = (await logIn()).split('=')[0];
    expect((await get('/', { cookie: `${name}=${'A'.repeat(43)}` })).status).toBe(403);
  });

  it('serves the renderer under a strict policy', async () => {
    const answer = await get('/', { cookie: await logIn() });
    expect(answer.status).toBe(200);
    expect(answer.body).toContain('Synod');
    expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
    expect(answer.headers['content-security-policy']).not.toContain('unsafe');
  });

  it.each(['/../secret.txt', '/..%2fsecret.txt', '/%2e%2e/secret.txt', '/a/../../secret.txt', '/%00', '/%E0%A4%A'])(
    'does not leave its folder for %s',
    async (path) => {
      const answer = await get(path, { cookie: await logIn() });
      expect(answer.status).toBe(404);
      expect(answer.body).not.toContain('not for the browser');
    },
  );

  it('refuses another host name (DNS rebinding)', async () => {
    expect((await get('/', { cookie: await logIn(), host: 'evil.example' })).status).toBe(421);
  });
});

describe('what would end the process', () => {
  /** Sends raw bytes and resets the connection once something came back, or at once. */
  function sendRaw(bytes: string, waitForAnswer: boolean): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect(Number(new URL(server.origin).port), '127.0.0.1', () => {
        socket.write(bytes, () => {
          if (!waitForAnswer) socket.resetAndDestroy();
        });
      });
      socket.once('data', () => socket.resetAndDestroy());
      socket.on('close', () => resolve());
      socket.on('error', () => {});
    });
  }
  const upgrade = (path: string) =>
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n';

  it.each(['//', '/rpc', 'http://', '/%'])('an upgrade of %s, answered or reset', async (path) => {
    await sendRaw(upgrade(path), true);
    await sendRaw(upgrade(path), false);
    expect((await get('/')).status).toBe(403);
  });
});

describe('a client that breaks the WebSocket protocol', () => {
  /** An admitted connection on which `bytes` follow the handshake; resolves when the server has closed it. */
  async function sendFrames(bytes: Buffer): Promise<void> {
    const cookie = await logIn();
    const { port } = new URL(server.origin);
    const head = [
      'GET /rpc HTTP/1.1',
      `Host: 127.0.0.1:${port}`,
      `Origin: ${server.origin}`,
      `Cookie: ${cookie}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      'Sec-WebSocket-Version: 13',
    ];
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(`${head.join('\r\n')}\r\n\r\n`));
      socket.once('data', () => socket.write(bytes));
      socket.on('close', () => resolve());
      socket.on('error', () => {});
    });
  }

  it.each([
    ['a reserved bit', Buffer.from([0xf1, 0x80, 0, 0, 0, 0])],
    ['an unmasked frame', Buffer.from([0x81, 0x01, 0x61])],
    ['text that is not UTF-8', Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28])],
    ['a message that is too large', Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0])],
  ])('loses its connection for %s, and nobody else does', async (_name, bytes) => {
    await sendFrames(bytes);
    expect(await opens({ cookie: await logIn(), origin: server.origin })).toBe(true);
  });
});

describe('the contract over WebSocket', () => {
  it('opens for the page that we served', async () => {
    expect(await opens({ cookie: await logIn(), origin: server.origin })).toBe(true);
  });

  it('stays shut for another origin, for none, without the cookie, and for another host', async () => {
    const cookie = await logIn();
    expect(await opens({ cookie, origin: 'http://evil.example' })).toBe(false);
    expect(await opens({ cookie })).toBe(false);
    expect(await opens({ origin: server.origin })).toBe(false);
    expect(await opens({ cookie, origin: server.origin, host: 'evil.example' })).toBe(false);
  });
});
