import { expect, test } from 'vitest';
import type { Entry, FaultySlot, PeerMessage, RequestId } from '../contract/peer.ts';
import { FrameError } from './byte-cursor.ts';
import { decodeFrame, encodeFrame, FRAME_LENGTH_BYTES, type Frame, MAX_FRAME_BYTES } from './codec.ts';
import { FrameSplitter } from './frame-splitter.ts';

/** mulberry32: small, and the same everywhere. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class Draw {
  readonly next: () => number;
  constructor(seed: number) {
    this.next = random(seed);
  }
  below(end: number): number {
    return Math.floor(this.next() * end);
  }
  /** Often an extreme. */
  integer(): number {
    const extremes = [0, 1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER];
    return this.next() < 0.3 ? (extremes[this.below(extremes.length)] as number) : this.below(2 ** 53);
  }
  bytes(maxLength: number): Uint8Array {
    return Uint8Array.from({ length: this.below(maxLength + 1) }, () => this.below(256));
  }
  flag(): boolean {
    return this.next() < 0.5;
  }
  entries(): Entry[] {
    return Array.from({ length: this.below(5) }, () => ({
      slot: Math.max(1, this.integer()),
      ballot: this.integer(),
      value: this.bytes(60),
      digest: this.below(2 ** 32),
    }));
  }
  faulty(): FaultySlot[] {
    return Array.from({ length: this.below(5) }, () => {
      const ballot = this.integer();
      return { slot: this.integer(), ballot: ballot === 0 ? null : ballot };
    });
  }
  request(): RequestId {
    return { origin: this.below(1024), boot: this.integer(), sequence: this.integer() };
  }
}

const messages: ((draw: Draw) => PeerMessage)[] = [
  (d) => ({
    kind: 'prepare',
    ballot: d.integer(),
    configId: d.integer(),
    fromSlot: d.integer(),
    leaseReleased: d.integer(),
  }),
  (d) => ({
    kind: 'promise',
    ballot: d.integer(),
    fromSlot: d.integer(),
    page: d.below(2 ** 32),
    last: d.flag(),
    entries: d.entries(),
    faulty: d.faulty(),
    decidedUpTo: d.integer(),
  }),
  (d) => ({ kind: 'accept', ballot: d.integer(), entries: d.entries(), decidedUpTo: d.integer() }),
  (d) => ({ kind: 'accepted', ballot: d.integer(), durableUpTo: d.integer(), receivedUpTo: d.integer() }),
  (d) => ({ kind: 'nack', ballot: d.integer(), promised: d.integer(), configId: d.integer() }),
  (d) => ({
    kind: 'heartbeat',
    sequence: d.integer(),
    promised: d.integer(),
    believedLeader: d.below(1024),
    leaderBallot: d.integer(),
    quorumConnected: d.flag(),
    configId: d.integer(),
    decidedUpTo: d.integer(),
    appliedUpTo: d.integer(),
    health: { syncMs: d.below(2 ** 32) / 1000, loopLagMs: d.below(2 ** 32) / 1000, isDiskFull: d.flag() },
  }),
  (d) => ({
    kind: 'heartbeatReply',
    sequence: d.integer(),
    promised: d.integer(),
    decidedUpTo: d.integer(),
    confirms: d.flag(),
    leaseGrantedMs: d.integer(),
  }),
  (d) => ({ kind: 'catchUpRequest', fromSlot: d.integer() }),
  (d) => ({
    kind: 'catchUpEntries',
    fromSlot: d.integer(),
    entries: d.entries(),
    decidedUpTo: d.integer(),
    snapshotSlot: d.integer(),
  }),
  (d) => ({ kind: 'forward', request: d.request(), value: d.bytes(60), hops: d.below(256) }),
  (d) => ({ kind: 'forwardRefused', request: d.request(), reason: d.flag() ? 'busy' : 'notLeader' }),
  (d) => ({ kind: 'readIndexRequest', request: d.request(), hops: d.below(256) }),
  (d) => ({ kind: 'readIndexReply', request: d.request(), readSlot: d.flag() ? d.integer() : null }),
  (d) => ({ kind: 'transferLeadership', ballot: d.integer() }),
];

const bodyOf = (frame: Frame) => encodeFrame(frame).subarray(FRAME_LENGTH_BYTES);

/** Any other error than FrameError passes and fails the test. */
function decodesOrIsRefused(body: Buffer): boolean {
  try {
    decodeFrame(body);
  } catch (error) {
    if (!(error instanceof FrameError)) throw error;
  }
  return true;
}

test('every message comes back as it was sent', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const draw = new Draw(seed);
    for (const make of messages) {
      const message = make(draw);
      expect(decodeFrame(bodyOf(message)), `seed ${seed}`).toEqual(message);
    }
  }
  const hello: Frame = {
    kind: 'hello',
    protocolVersion: 1,
    clusterId: 'c-1',
    nodeId: 'n-1',
    memberSlot: 1023,
    purpose: 'snapshot',
    address: '::1',
    peerPort: 65535,
    incarnation: '0123456789abcdef',
  };
  const digest: Frame = { kind: 'stateDigest', of: 'content', slot: 2048, digest: '0123456789abcdef' };
  for (const frame of [
    hello,
    digest,
    { kind: 'refused', reason: 'ünfreundlich' },
    { kind: 'ping' },
    { kind: 'pong' },
  ] as const)
    expect(decodeFrame(bodyOf(frame))).toEqual(frame);
});

test('a frame cut short or with something behind it is refused', () => {
  const draw = new Draw(7);
  for (const make of messages) {
    const body = bodyOf(make(draw));
    for (let length = 0; length < body.length; length++)
      expect(() => decodeFrame(body.subarray(0, length))).toThrow(FrameError);
    expect(() => decodeFrame(Buffer.concat([body, Buffer.from([0])]))).toThrow(FrameError);
  }
});

test('garbage is refused and never anything worse', () => {
  for (let seed = 1; seed <= 3000; seed++) {
    const draw = new Draw(seed);
    expect(decodesOrIsRefused(Buffer.from(draw.bytes(80)))).toBe(true);
    const body = Buffer.from(bodyOf((messages[draw.below(messages.length)] as (d: Draw) => PeerMessage)(draw)));
    for (let flips = 1 + draw.below(4); flips > 0; flips--) body[draw.below(body.length)] = draw.below(256);
    expect(decodesOrIsRefused(body)).toBe(true);
  }
});

test('a count that the frame cannot hold allocates nothing', () => {
  const body = bodyOf({ kind: 'accept', ballot: 1, entries: [], decidedUpTo: 0 });
  body.writeUInt32LE(0xffffffff, 9);
  expect(() => decodeFrame(body)).toThrow(/items do not fit/);
});

test('a value is a copy of what was received', () => {
  const body = bodyOf({ kind: 'forward', request: new Draw(1).request(), value: Uint8Array.of(1, 2, 3), hops: 0 });
  const message = decodeFrame(body);
  body.fill(0);
  expect(message).toMatchObject({ value: Uint8Array.of(1, 2, 3) });
});

test('numbers out of their range are not sent', () => {
  expect(() => encodeFrame({ kind: 'transferLeadership', ballot: -1 })).toThrow(RangeError);
  expect(() => encodeFrame({ kind: 'transferLeadership', ballot: 1.5 })).toThrow(RangeError);
  expect(() => encodeFrame({ kind: 'transferLeadership', ballot: 2 ** 53 })).toThrow(RangeError);
});

test('a stream is cut into the same frames wherever it is broken', () => {
  const draw = new Draw(11);
  const frames = Array.from({ length: 40 }, () => (messages[draw.below(messages.length)] as (d: Draw) => Frame)(draw));
  const stream = Buffer.concat(frames.map(encodeFrame));
  for (let seed = 1; seed <= 50; seed++) {
    const cut = new Draw(seed);
    const splitter = new FrameSplitter();
    const seen: Frame[] = [];
    for (let at = 0; at < stream.length; ) {
      const end = Math.min(stream.length, at + 1 + cut.below(200));
      for (const body of splitter.push(stream.subarray(at, end))) seen.push(decodeFrame(body));
      at = end;
    }
    expect(seen).toEqual(frames);
  }
});

test('a frame that is empty or too long ends the stream', () => {
  for (const length of [0, MAX_FRAME_BYTES + 1, 2 ** 32 - 1]) {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32LE(length, 0);
    expect(() => [...new FrameSplitter().push(bytes)]).toThrow(FrameError);
  }
});
