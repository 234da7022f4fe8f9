/** Our server against nghttp2 (node:http2's client): random headers, bodies and settings must come back as they were sent. */
import http2 from 'node:http2';
import { afterEach, expect, test } from 'vitest';
import { Random } from '../etcd/random-requests.ts';
import { EchoServer } from './echo-server.ts';

const seed = Number(process.env['SEED'] ?? 7541);
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789-_.';
const text = (random: Random, alphabet: string, length: number): string =>
  Array.from({ length }, () => alphabet[random.below(alphabet.length)]).join('');
/** Every byte that a value may hold, so that every Huffman code comes by. */
const bytes = Array.from({ length: 256 }, (_, code) => code)
  .filter((code) => code >= 0x20 && code !== 0x7f)
  .map((code) => String.fromCharCode(code))
  .join('');

function randomHeaders(random: Random): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let at = random.below(12); at > 0; at--)
    headers[`x-${text(random, letters, 1 + random.below(20))}`] = text(random, bytes, random.below(60)).trim();
  return headers;
}

interface Answer {
  readonly path: unknown;
  readonly trailer: unknown;
  readonly body: Buffer;
}

function ask(session: http2.ClientHttp2Session, headers: http2.OutgoingHttpHeaders, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': 'POST', ...headers });
    const chunks: Buffer[] = [];
    let path: unknown;
    let trailer: unknown;
    stream.on('response', (answer) => (path = answer['x-path']));
    stream.on('trailers', (trailers) => (trailer = trailers['x-end']));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('close', () => resolve({ path, trailer, body: Buffer.concat(chunks) }));
    stream.end(body);
  });
}

test.each([
  {},
  { initialWindowSize: 1000, headerTableSize: 0 },
  { initialWindowSize: 2 ** 20, headerTableSize: 65_536, maxFrameSize: 1 << 20 },
])('streams come back as they went (client settings: %j)', async (settings) => {
  const server = new EchoServer();
  const port = await server.listen();
  closing.push(() => server.close());
  const session = http2.connect(`http://127.0.0.1:${port}`, { settings }).on('error', () => {});
  closing.push(() => session.destroy());
  const random = new Random(seed);
  for (let round = 0; round < 10; round++) {
    const sent = Array.from({ length: 20 }, (_, at) => ({
      headers: { ...randomHeaders(random), ':path': `/${round}/${at}/${text(random, letters, random.below(200))}` },
      body: Buffer.alloc(random.below(10) === 0 ? random.below(300_000) : random.below(2000), round * 20 + at),
    }));
    const answers = await Promise.all(sent.map(({ headers, body }) => ask(session, headers, body)));
    for (const [at, { headers, body }] of sent.entries()) {
      expect(answers[at]).toMatchObject({ path: headers[':path'], trailer: 'yes' });
      expect(answers[at]?.body.equals(body)).toBe(true);
      const seen = server.headers.find((candidate) => candidate.get(':path') === headers[':path']);
      for (const [name, value] of Object.entries(headers)) expect(seen?.get(name), `seed ${seed}: ${name}`).toBe(value);
    }
  }
  expect(server).toMatchObject({ opened: 200, closed: 200 });
});

test('messages go both ways before either side has ended', async () => {
  const server = new EchoServer();
  const port = await server.listen();
  closing.push(() => server.close());
  const session = http2.connect(`http://127.0.0.1:${port}`).on('error', () => {});
  closing.push(() => session.destroy());
  const stream = session.request({ ':method': 'POST', ':path': '/watch' });
  for (let message = 0; message < 5; message++) {
    stream.write(`message ${message}`);
    const [echo] = await new Promise<Buffer[]>((resolve) => stream.once('data', (...args: Buffer[]) => resolve(args)));
    expect(echo?.toString()).toBe(`message ${message}`);
  }
  const ended = new Promise((resolve) => stream.on('close', resolve));
  stream.end();
  stream.resume();
  await ended;
  expect(server.closed).toBe(1);
});
