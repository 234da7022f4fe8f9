/**
 * Conversations that were damaged at random: whatever comes, no exception leaves the server, every stream is closed once,
 * and what was kept is given back. SEED is the first of SEEDS seeds (400).
 */
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { ByteBudget } from '../../cluster-node/api/byte-budget.ts';
import { frame as grpcFrame } from '../../cluster-node/api/grpc-frame.ts';
import { type GrpcService, serveGrpc } from '../../cluster-node/api/grpc-server.ts';
import { headerBlock } from '../../cluster-node/api/http2/header-block.ts';
import { frameType, PREFACE } from '../../cluster-node/api/http2/wire.ts';
import { Random } from '../etcd/random-requests.ts';
import { until } from '../fixtures/until.ts';
import { EchoServer } from './echo-server.ts';
import { data, frame, open, settings, uint32s } from './raw-client.ts';

const firstSeed = Number(process.env['SEED'] ?? 1);
const seeds = Number(process.env['SEEDS'] ?? 400);
const AT_ONCE = 8;
const BUDGET_BYTES = 4 << 20;

const grpcBlock = headerBlock({
  ':method': 'POST',
  ':scheme': 'http',
  ':path': '/fuzz',
  'content-type': 'application/grpc',
  'grpc-timeout': '1S',
});

/** What could come where `streamId` is the next stream and the one before is open or over; seldom what could not. */
function randomFrames(random: Random, streamId: number): Buffer {
  const before = Math.max(0, streamId - 2);
  const body = grpcFrame(Buffer.alloc(random.below(3000)));
  const begun = Buffer.concat([open(streamId, false, grpcBlock), data(streamId, body.subarray(0, random.below(10)))]);
  if (random.chance(0.03)) {
    const payload = Buffer.alloc(random.below(40), random.below(256));
    return frame(random.below(12), random.below(streamId + 3), { flags: random.below(256), payload });
  }
  switch (random.below(10)) {
    case 0:
      return Buffer.concat([begun, settings([random.pick([1, 3, 4, 6, 99]), random.below(100_000)])]);
    case 1:
      return Buffer.concat([begun, frame(frameType.ping, 0, { payload: Buffer.alloc(8) })]);
    case 2:
      return Buffer.concat([
        begun,
        frame(frameType.windowUpdate, before, { payload: uint32s(1 + random.below(9999)) }),
      ]);
    case 3:
      return Buffer.concat([begun, frame(frameType.rstStream, streamId, { payload: uint32s(8) })]);
    case 4:
      return begun;
    default:
      return Buffer.concat([open(streamId, false, grpcBlock), data(streamId, body, true)]);
  }
}

function conversation(random: Random): Buffer {
  const frames: Buffer[] = [PREFACE, settings([4, random.below(2) * 65_535])];
  for (let streamId = 1, count = random.below(60); count > 0; count--, streamId += 2)
    frames.push(randomFrames(random, streamId));
  const bytes = Buffer.concat(frames);
  for (let flips = Math.max(0, random.below(5) - 2); flips > 0; flips--)
    bytes[PREFACE.length + random.below(bytes.length - PREFACE.length)] = random.below(256);
  return random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}

/** Sends it in pieces and leaves, politely or not. */
async function converse(port: number, seed: number): Promise<void> {
  const random = new Random(seed);
  const bytes = conversation(random);
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  const closed = new Promise((resolve) => socket.on('close', resolve));
  if (random.below(3) > 0) socket.resume();
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + random.below(random.below(2) === 0 ? 20 : 5000);
    await new Promise((resolve) => socket.write(bytes.subarray(at, end), resolve));
    at = end;
  }
  if (random.below(2) === 0) socket.destroy();
  else socket.resume().end();
  await closed;
}

test('damaged conversations do no harm', async () => {
  const budget = new ByteBudget(BUDGET_BYTES);
  let answers = 0;
  const service: GrpcService = {
    streams: new Map(),
    methods: new Map([
      [
        '/fuzz',
        async (request) => {
          if (request.length % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
          answers++;
          return request;
        },
      ],
    ]),
    limits: { maxMessageBytes: 2000, maxTimeoutMs: 1000 },
    refuse: () => null,
    budget,
  };
  const server = new EchoServer((stream, headers) => serveGrpc(stream, headers, service));
  const port = await server.listen();
  for (let seed = firstSeed; seed < firstSeed + seeds; seed += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, at) => converse(port, seed + at)));
    await until(`the end of seeds ${seed} to ${seed + AT_ONCE - 1}`, () =>
      server.connections.every(({ isOver }) => isOver),
    );
    expect(budget.take(BUDGET_BYTES), `seeds ${seed} to ${seed + AT_ONCE - 1}`).toBe(true);
    budget.give(BUDGET_BYTES);
    server.connections.length = 0;
  }
  expect(answers).toBeGreaterThan(3 * seeds);
  await server.close();
});
