/**
 * Messages between nodes as bytes. A frame is a length (u32, of what follows), a type (u8) and the fields of the message in
 * the order of contract/peer.ts, little-endian; ballots, slots and sequences take eight bytes. Written by hand, because it is
 * the hottest code on the wire and each field's bound is a decision.
 */
import type { MemberAddress } from '../contract/node-config.ts';
import type { Entry, FaultySlot, NodeHealth, PeerMessage, RequestId } from '../contract/peer.ts';
import { ByteReader, ByteWriter, FrameError } from './byte-cursor.ts';

export const PEER_PROTOCOL_VERSION = 3;
export const FRAME_LENGTH_BYTES = 4;
/** Of one frame without its length. A value has at most 2 MiB, a page of them little more than `maxBatchBytes`. */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024;
const ENTRY_HEADER_BYTES = 24;
const FAULTY_SLOT_BYTES = 16;
const MAX_MEMBER_SLOT = 1023;

/** First frame of both sides. */
export interface Hello {
  readonly kind: 'hello';
  readonly protocolVersion: number;
  readonly clusterId: string;
  readonly nodeId: string;
  readonly memberSlot: number;
  /** What the connection is for. A snapshot's takes snapshot-frames.ts from here on. */
  readonly purpose: Purpose;
  /** Where the sender listens, so that a node that has not heard of it yet can answer. */
  readonly address: string;
  readonly peerPort: number;
  /** Names the sender's disk: 16 lower-case hex digits. See runtime/known-disks.ts. */
  readonly incarnation: string;
}

/** What this node says first on every connection for messages. */
export function helloOf(self: MemberAddress, owner: Pick<Hello, 'clusterId' | 'incarnation'>): Hello {
  const { nodeId, memberSlot, address, peerPort } = self;
  const { clusterId, incarnation } = owner;
  const fixed = { kind: 'hello', protocolVersion: PEER_PROTOCOL_VERSION, purpose: 'messages' } as const;
  return { ...fixed, clusterId, nodeId, memberSlot, address, peerPort, incarnation };
}

export type Purpose = 'messages' | 'snapshot';
/** Of the runtime, not of Paxos: what the sender's machine amounts to at an agreed slot. See runtime/state-audit.ts. */
export interface DigestFrame {
  readonly kind: 'stateDigest';
  readonly of: 'changes' | 'content';
  readonly slot: number;
  /** Lower-case hex. */
  readonly digest: string;
}
/** Last frame before a connection is closed by the one who was called. */
export interface Refused {
  readonly kind: 'refused';
  readonly reason: string;
}
/** Keep-alive of one connection, apart from Paxos: shows that the path still carries bytes. */
export interface Ping {
  readonly kind: 'ping';
}
export interface Pong {
  readonly kind: 'pong';
}
export type Frame = Hello | Refused | Ping | Pong | DigestFrame | PeerMessage;

const types = [
  'hello',
  'refused',
  'ping',
  'pong',
  'prepare',
  'promise',
  'accept',
  'accepted',
  'nack',
  'heartbeat',
  'heartbeatReply',
  'catchUpRequest',
  'catchUpEntries',
  'forward',
  'forwardRefused',
  'readIndexRequest',
  'readIndexReply',
  'transferLeadership',
  'stateDigest',
] as const satisfies readonly Frame['kind'][];
const typeOf = new Map<Frame['kind'], number>(types.map((kind, index) => [kind, index]));
const refusals = ['notLeader', 'busy'] as const;
const purposes = ['messages', 'snapshot'] as const satisfies readonly Purpose[];
const ADDRESS = /^[A-Za-z0-9._:%-]{1,253}$/;
const INCARNATION = /^[0-9a-f]{16}$/;
const digestKinds = ['changes', 'content'] as const;

/** The whole frame. Throws RangeError when a field is out of its range or the frame too long. */
export function encodeFrame(frame: Frame): Buffer {
  const writer = new ByteWriter(FRAME_LENGTH_BYTES).u8(typeOf.get(frame.kind) as number);
  writeFields(writer, frame);
  const bytes = writer.finish();
  const length = bytes.length - FRAME_LENGTH_BYTES;
  if (length > MAX_FRAME_BYTES) throw new RangeError(`a ${frame.kind} of ${length} bytes is too long for a frame`);
  bytes.writeUInt32LE(length, 0);
  return bytes;
}

/** Inverse of `encodeFrame`, given the frame without its length. Throws FrameError, whatever the bytes. */
export function decodeFrame(body: Buffer): Frame {
  const reader = new ByteReader(body);
  const type = reader.u8();
  const kind = types[type];
  if (kind === undefined) throw new FrameError(`frame type ${type} is unknown`);
  const frame = readFields(reader, kind);
  reader.end();
  return frame;
}

function writeFields(writer: ByteWriter, frame: Frame): void {
  switch (frame.kind) {
    case 'hello':
      writer.u16(frame.protocolVersion).text(frame.clusterId).text(frame.nodeId).u16(frame.memberSlot);
      writer.u8(purposes.indexOf(frame.purpose)).text(frame.address).u16(frame.peerPort).text(frame.incarnation);
      return;
    case 'stateDigest':
      writer.u8(digestKinds.indexOf(frame.of)).integer(frame.slot).text(frame.digest);
      return;
    case 'refused':
      writer.text(frame.reason);
      return;
    case 'ping':
    case 'pong':
      return;
    case 'prepare':
      writer.integer(frame.ballot).integer(frame.configId).integer(frame.fromSlot).integer(frame.leaseReleased);
      return;
    case 'promise':
      writer.integer(frame.ballot).integer(frame.fromSlot).u32(frame.page).u8(Number(frame.last));
      writeEntries(writer, frame.entries);
      writeFaulty(writer, frame.faulty);
      writer.integer(frame.decidedUpTo);
      return;
    case 'accept':
      writer.integer(frame.ballot);
      writeEntries(writer, frame.entries);
      writer.integer(frame.decidedUpTo);
      return;
    case 'accepted':
      writer.integer(frame.ballot).integer(frame.durableUpTo).integer(frame.receivedUpTo);
      return;
    case 'nack':
      writer.integer(frame.ballot).integer(frame.promised).integer(frame.configId);
      return;
    case 'heartbeat':
      writer.integer(frame.sequence).integer(frame.promised).u16(frame.believedLeader).integer(frame.leaderBallot);
      writer.u8(Number(frame.quorumConnected)).integer(frame.configId);
      writer.integer(frame.decidedUpTo).integer(frame.appliedUpTo);
      writeHealth(writer, frame.health);
      return;
    case 'heartbeatReply':
      writer.integer(frame.sequence).integer(frame.promised).integer(frame.decidedUpTo);
      writer.u8(Number(frame.confirms)).integer(frame.leaseGrantedMs);
      return;
    case 'catchUpRequest':
      writer.integer(frame.fromSlot);
      return;
    case 'catchUpEntries':
      writer.integer(frame.fromSlot);
      writeEntries(writer, frame.entries);
      writer.integer(frame.decidedUpTo).integer(frame.snapshotSlot);
      return;
    case 'forward':
      writeRequest(writer, frame.request).bytes(frame.value).u8(frame.hops);
      return;
    case 'forwardRefused':
      writeRequest(writer, frame.request).u8(refusals.indexOf(frame.reason));
      return;
    case 'readIndexRequest':
      writeRequest(writer, frame.request).u8(frame.hops);
      return;
    case 'readIndexReply':
      writeRequest(writer, frame.request).u8(Number(frame.readSlot !== null));
      writer.integer(frame.readSlot ?? 0);
      return;
    case 'transferLeadership':
      writer.integer(frame.ballot);
  }
}

function readFields(reader: ByteReader, kind: Frame['kind']): Frame {
  switch (kind) {
    case 'hello':
      return {
        kind,
        protocolVersion: reader.u16(),
        clusterId: reader.text(64),
        nodeId: reader.text(64),
        memberSlot: member(reader.u16()),
        purpose: oneOf(purposes, reader.u8()),
        address: text(reader, { maxBytes: 253, form: ADDRESS }),
        peerPort: reader.u16(),
        incarnation: text(reader, { maxBytes: 16, form: INCARNATION }),
      };
    case 'stateDigest':
      return { kind, of: oneOf(digestKinds, reader.u8()), slot: reader.integer(), digest: reader.text(64) };
    case 'refused':
      return { kind, reason: reader.text(1024) };
    case 'ping':
    case 'pong':
      return { kind };
    case 'prepare':
      return {
        kind,
        ballot: reader.integer(),
        configId: reader.integer(),
        fromSlot: reader.integer(),
        leaseReleased: reader.integer(),
      };
    case 'promise':
      return {
        kind,
        ballot: reader.integer(),
        fromSlot: reader.integer(),
        page: reader.u32(),
        last: reader.flag(),
        entries: readEntries(reader),
        faulty: readFaulty(reader),
        decidedUpTo: reader.integer(),
      };
    case 'accept':
      return { kind, ballot: reader.integer(), entries: readEntries(reader), decidedUpTo: reader.integer() };
    case 'accepted':
      return { kind, ballot: reader.integer(), durableUpTo: reader.integer(), receivedUpTo: reader.integer() };
    case 'nack':
      return { kind, ballot: reader.integer(), promised: reader.integer(), configId: reader.integer() };
    case 'heartbeat':
      return {
        kind,
        sequence: reader.integer(),
        promised: reader.integer(),
        believedLeader: member(reader.u16()),
        leaderBallot: reader.integer(),
        quorumConnected: reader.flag(),
        configId: reader.integer(),
        decidedUpTo: reader.integer(),
        appliedUpTo: reader.integer(),
        health: readHealth(reader),
      };
    case 'heartbeatReply':
      return {
        kind,
        sequence: reader.integer(),
        promised: reader.integer(),
        decidedUpTo: reader.integer(),
        confirms: reader.flag(),
        leaseGrantedMs: reader.integer(),
      };
    case 'catchUpRequest':
      return { kind, fromSlot: reader.integer() };
    case 'catchUpEntries':
      return {
        kind,
        fromSlot: reader.integer(),
        entries: readEntries(reader),
        decidedUpTo: reader.integer(),
        snapshotSlot: reader.integer(),
      };
    case 'forward':
      return { kind, request: readRequest(reader), value: reader.bytes(), hops: reader.u8() };
    case 'forwardRefused':
      return { kind, request: readRequest(reader), reason: oneOf(refusals, reader.u8()) };
    case 'readIndexRequest':
      return { kind, request: readRequest(reader), hops: reader.u8() };
    case 'readIndexReply':
      return { kind, request: readRequest(reader), readSlot: readSlot(reader) };
    case 'transferLeadership':
      return { kind, ballot: reader.integer() };
  }
}

function writeEntries(writer: ByteWriter, entries: readonly Entry[]): void {
  writer.u32(entries.length);
  for (const { slot, ballot, digest, value } of entries) writer.integer(slot).integer(ballot).u32(digest).bytes(value);
}

function readEntries(reader: ByteReader): Entry[] {
  const entries: Entry[] = [];
  for (let left = reader.count(ENTRY_HEADER_BYTES); left > 0; left--) {
    const slot = reader.integer();
    if (slot === 0) throw new FrameError('an entry has slot 0');
    entries.push({ slot, ballot: reader.integer(), digest: reader.u32(), value: reader.bytes() });
  }
  return entries;
}

/** A ballot of 0 stands for one that is lost. */
function writeFaulty(writer: ByteWriter, faulty: readonly FaultySlot[]): void {
  writer.u32(faulty.length);
  for (const { slot, ballot } of faulty) writer.integer(slot).integer(ballot ?? 0);
}

function readFaulty(reader: ByteReader): FaultySlot[] {
  const faulty: FaultySlot[] = [];
  for (let left = reader.count(FAULTY_SLOT_BYTES); left > 0; left--) {
    const slot = reader.integer();
    const ballot = reader.integer();
    faulty.push({ slot, ballot: ballot === 0 ? null : ballot });
  }
  return faulty;
}

/** In whole microseconds. */
function writeHealth(writer: ByteWriter, { syncMs, loopLagMs, isDiskFull }: NodeHealth): void {
  writer
    .integer(Math.round(syncMs * 1000))
    .integer(Math.round(loopLagMs * 1000))
    .u8(Number(isDiskFull));
}

function readHealth(reader: ByteReader): NodeHealth {
  return { syncMs: reader.integer() / 1000, loopLagMs: reader.integer() / 1000, isDiskFull: reader.flag() };
}

function writeRequest(writer: ByteWriter, { origin, boot, sequence }: RequestId): ByteWriter {
  return writer.u16(origin).integer(boot).integer(sequence);
}

function readRequest(reader: ByteReader): RequestId {
  return { origin: member(reader.u16()), boot: reader.integer(), sequence: reader.integer() };
}

function readSlot(reader: ByteReader): number | null {
  const isKnown = reader.flag();
  const slot = reader.integer();
  return isKnown ? slot : null;
}

function text(reader: ByteReader, { maxBytes, form }: { readonly maxBytes: number; readonly form: RegExp }): string {
  const value = reader.text(maxBytes);
  if (!form.test(value)) throw new FrameError(`a text is not of the form ${form.source}`);
  return value;
}

function oneOf<T>(values: readonly T[], index: number): T {
  const value = values[index];
  if (value === undefined) throw new FrameError(`${index} is none of ${values.join(', ')}`);
  return value;
}

/** 0 stands for "none" where a member may be missing. */
function member(value: number): number {
  if (value > MAX_MEMBER_SLOT) throw new FrameError(`member slot ${value} is out of range`);
  return value;
}
